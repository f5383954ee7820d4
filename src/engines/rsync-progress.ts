import type { Progress } from '../../actors/job.js';
import type { Counted } from './engine.js';
import type { FileLine, ProgressLine } from './rsync-output.js';
import { TimeLeft } from './time-left.js';

/** `currentFile` of a job takes so many characters. */
const NAME_CHARS = 8192;
/** 100 is told by the exit code alone. */
const MOST_BEFORE_THE_END = 99.9;

/** Makes a job's progress out of rsync's lines; the denominators are what was counted before. */
export class RsyncProgress {
  readonly #counted: Counted;
  readonly #timeLeft: TimeLeft;
  #filesDone = 0;
  #filesFailed = 0;

  constructor(counted: Counted, nowMs?: () => number) {
    this.#counted = counted;
    this.#timeLeft = new TimeLeft(nowMs);
  }

  start(): Partial<Progress> {
    const { filesTotal, bytesTotal } = this.#counted;
    return {
      percent: 0,
      bytesTransferred: 0,
      bytesTotal,
      filesTransferred: 0,
      filesTotal,
      bytesPerSecond: null,
      etaSeconds: null,
      currentFile: null,
    };
  }

  onFile(line: FileLine): Partial<Progress> {
    return line.type === 'f' && (line.change === '<' || line.change === '>') ? { currentFile: line.name.slice(0, NAME_CHARS) } : {};
  }

  onProgress(line: ProgressLine): Partial<Progress> {
    this.#timeLeft.sample(line.bytesPerSecond);
    this.#filesDone = Math.max(this.#filesDone, line.filesDone ?? 0);
    // The source may have grown since it was counted.
    const bytesTotal = Math.max(this.#counted.bytesTotal, line.bytes);
    return {
      percent: Math.min(MOST_BEFORE_THE_END, 100 * this.#share(line, bytesTotal)),
      bytesTransferred: line.bytes,
      bytesTotal,
      bytesPerSecond: line.bytesPerSecond,
      etaSeconds: this.#timeLeft.seconds(bytesTotal - line.bytes),
      ...this.#files(),
    };
  }

  /**
   * rsync counts a file that failed as done. Its error comes by another pipe and
   * may be read later than the count: then the count is put right here.
   */
  onFailed(filesFailed: number): Partial<Progress> {
    this.#filesFailed = filesFailed;
    return this.#files();
  }

  end(filesTransferred: number, bytesTransferred: number): Partial<Progress> {
    const filesTotal = Math.max(this.#counted.filesTotal, filesTransferred);
    const bytesTotal = Math.max(this.#counted.bytesTotal, bytesTransferred);
    return { percent: 100, bytesTransferred, bytesTotal, filesTransferred, filesTotal, etaSeconds: 0, currentFile: null };
  }

  #share(line: ProgressLine, bytesTotal: number): number {
    if (bytesTotal > 0) return line.bytes / bytesTotal;
    return line.toCheck === null || line.toCheck.of === 0 ? 0 : 1 - line.toCheck.left / line.toCheck.of;
  }

  #files(): Partial<Progress> {
    const filesTransferred = Math.max(0, this.#filesDone - this.#filesFailed);
    return { filesTransferred, filesTotal: Math.max(this.#counted.filesTotal, filesTransferred) };
  }
}
