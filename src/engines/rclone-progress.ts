import type { Progress } from '../../actors/job.js';
import type { Counted } from './engine.js';
import { showName, type RcloneStats } from './rclone-output.js';
import { TimeLeft } from './time-left.js';

/** `currentFile` of a job takes so many characters. */
const NAME_CHARS = 8192;
/** 100 is told by the exit code alone. */
const MOST_BEFORE_THE_END = 99.9;

/** Makes a job's progress out of rclone's stats; the denominators are what was counted before. */
export class RcloneProgress {
  readonly #counted: Counted;
  readonly #timeLeft = new TimeLeft();

  constructor(counted: Counted) {
    this.#counted = counted;
  }

  start(): Partial<Progress> {
    return { percent: 0, bytesPerSecond: null, etaSeconds: null, currentFile: null, ...this.#amounts(0, 0) };
  }

  onStats({ bytes, transfers, speed, transferring }: RcloneStats): Partial<Progress> {
    this.#timeLeft.sample(speed);
    const amounts = this.#amounts(transfers, bytes);
    const file = transferring[0]?.name;
    return {
      ...amounts,
      percent: Math.min(MOST_BEFORE_THE_END, 100 * share(amounts)),
      // It is 0 until it was measured.
      bytesPerSecond: speed || null,
      etaSeconds: this.#timeLeft.seconds(amounts.bytesTotal - bytes),
      ...(file === undefined ? {} : { currentFile: showName(file).slice(0, NAME_CHARS) }),
    };
  }

  end({ bytes, transfers }: RcloneStats): Partial<Progress> {
    return { percent: 100, etaSeconds: 0, currentFile: null, ...this.#amounts(transfers, bytes) };
  }

  /** The source may have grown since it was counted. */
  #amounts(filesTransferred: number, bytesTransferred: number) {
    const { filesTotal, bytesTotal } = this.#counted;
    return {
      bytesTransferred,
      bytesTotal: Math.max(bytesTotal, bytesTransferred),
      filesTransferred,
      filesTotal: Math.max(filesTotal, filesTransferred),
    };
  }
}

function share(amounts: { bytesTransferred: number; bytesTotal: number; filesTransferred: number; filesTotal: number }): number {
  if (amounts.bytesTotal > 0) return amounts.bytesTransferred / amounts.bytesTotal;
  return amounts.filesTotal > 0 ? amounts.filesTransferred / amounts.filesTotal : 0;
}
