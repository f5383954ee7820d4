import type { Progress } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import type { FileEntry } from '../file-record.js';
import type { LogLine } from '../log-line.js';
import type { Run } from './engine.js';

const PROGRESS_EVERY_MS = 250;

/**
 * A run as an engine uses it: progress is told at most four times a second,
 * percent and bytes never fall, and the log ends at `LIMITS.logBytesPerJob` with a line
 * that says so. Call `flush` at the end: the newest progress may still wait.
 */
export class BoundedRun implements Run {
  readonly signal: AbortSignal;
  readonly #run: Run;
  #told: Partial<Progress> = {};
  #waiting: Partial<Progress> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #logBytes = 0;

  constructor(run: Run) {
    this.#run = run;
    this.signal = run.signal;
  }

  onProgress(progress: Partial<Progress>): void {
    this.#waiting = Object.assign(this.#waiting ?? {}, progress);
    if (this.#timer !== null) return;
    this.#tell();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#waiting !== null) this.onProgress({});
    }, PROGRESS_EVERY_MS);
  }

  log(level: LogLine['level'], stream: LogLine['stream'], text: string): void {
    if (this.#logBytes > LIMITS.logBytesPerJob) return;
    this.#logBytes += Buffer.byteLength(text);
    if (this.#logBytes > LIMITS.logBytesPerJob) {
      this.#run.log(
        'warning',
        'worker',
        `The log is full at ${LIMITS.logBytesPerJob} bytes; what the program prints from here on is left out.`,
      );
    } else {
      this.#run.log(level, stream, text);
    }
  }

  file(entry: FileEntry): void {
    this.#run.file(entry);
  }

  roomForFiles(): Promise<void> {
    return this.#run.roomForFiles();
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#waiting !== null) this.#tell();
  }

  #tell(): void {
    const next = { ...this.#waiting };
    for (const name of ['percent', 'bytesTransferred'] as const) {
      const before = this.#told[name];
      const now = next[name];
      if (typeof before === 'number' && typeof now === 'number') next[name] = Math.max(before, now);
    }
    this.#told = { ...this.#told, ...next };
    this.#waiting = null;
    this.#run.onProgress(next);
  }
}
