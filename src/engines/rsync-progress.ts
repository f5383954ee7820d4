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
  /** Of each rsync that runs or ran for the job, its newest line. */
  readonly #lines = new Map<number, ProgressLine>();
  readonly #failed = new Map<number, number>();
  #filesDone = 0;

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

  onProgress(newest: ProgressLine, part = 0): Partial<Progress> {
    this.#lines.set(part, { ...newest, filesDone: newest.filesDone ?? this.#lines.get(part)?.filesDone ?? null });
    const line = sumOf([...this.#lines.values()]);
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
  onFailed(filesFailed: number, part = 0): Partial<Progress> {
    this.#failed.set(part, filesFailed);
    return this.#files();
  }

  /** It moves nothing any more. */
  onEnd(part: number): void {
    const line = this.#lines.get(part);
    if (line) this.#lines.set(part, { ...line, bytesPerSecond: 0 });
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
    const failed = [...this.#failed.values()].reduce((sum, files) => sum + files, 0);
    const filesTransferred = Math.max(0, this.#filesDone - failed);
    return { filesTransferred, filesTotal: Math.max(this.#counted.filesTotal, filesTransferred) };
  }
}

/** Several rsyncs that copy for one job, as if they were one. */
function sumOf(lines: readonly ProgressLine[]): ProgressLine {
  const sum = (of: (line: ProgressLine) => number) => lines.reduce((total, line) => total + of(line), 0);
  const of = sum(({ toCheck }) => toCheck?.of ?? 0);
  return {
    kind: 'progress',
    bytes: sum(({ bytes }) => bytes),
    bytesPerSecond: sum(({ bytesPerSecond }) => bytesPerSecond),
    filesDone: sum(({ filesDone }) => filesDone ?? 0),
    toCheck: of === 0 ? null : { left: sum(({ toCheck }) => toCheck?.left ?? 0), of },
  };
}
