import type { Progress } from '../../actors/job.js';
import type { Counted } from './engine.js';
import type { FileLine, ProgressLine } from './rsync-output.js';

/** `currentFile` of a job takes so many characters. */
const NAME_CHARS = 8192;
/** The time left is told once so many rates, measured this far apart, are known and differ by no more than this factor. */
const STEADY_SAMPLES = 4;
const STEADY_SPREAD = 2;
const SAMPLE_EVERY_MS = 500;
/** 100 is told by the exit code alone. */
const MOST_BEFORE_THE_END = 99.9;

/** Makes a job's progress out of rsync's lines; the denominators are what was counted before. */
export class RsyncProgress {
  readonly #counted: Counted;
  readonly #nowMs: () => number;
  #rates: number[] = [];
  #sampledMs = Number.NEGATIVE_INFINITY;
  #filesDone = 0;
  #filesFailed = 0;

  constructor(counted: Counted, nowMs: () => number = () => performance.now()) {
    this.#counted = counted;
    this.#nowMs = nowMs;
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
    this.#sample(line.bytesPerSecond);
    this.#filesDone = Math.max(this.#filesDone, line.filesDone ?? 0);
    // The source may have grown since it was counted.
    const bytesTotal = Math.max(this.#counted.bytesTotal, line.bytes);
    return {
      percent: Math.min(MOST_BEFORE_THE_END, 100 * this.#share(line, bytesTotal)),
      bytesTransferred: line.bytes,
      bytesTotal,
      bytesPerSecond: line.bytesPerSecond,
      etaSeconds: this.#etaSeconds(bytesTotal - line.bytes),
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

  #sample(rate: number): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#sampledMs < SAMPLE_EVERY_MS) return;
    this.#sampledMs = nowMs;
    this.#rates = [...this.#rates, rate].slice(-STEADY_SAMPLES);
  }

  #etaSeconds(bytesLeft: number): number | null {
    const slowest = Math.min(...this.#rates);
    const steady = this.#rates.length === STEADY_SAMPLES && slowest > 0 && Math.max(...this.#rates) <= STEADY_SPREAD * slowest;
    if (!steady) return null;
    const mean = this.#rates.reduce((sum, rate) => sum + rate, 0) / STEADY_SAMPLES;
    return Math.ceil(bytesLeft / mean);
  }
}
