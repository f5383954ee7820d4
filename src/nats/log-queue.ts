import { LIMITS } from '../../actors/limits.js';
import type { LogLine } from '../log-line.js';
import { encodeLine } from './log-batch.js';
import { LINES_PER_MESSAGE } from './line-place.js';

interface QueuedLine {
  level: LogLine['level'];
  text: string;
  bytes: number;
}

/** The lines of one attempt that wait to be sent. Past the limit the oldest lines go, errors last, and a line tells how many. */
export class LogQueue {
  readonly job: string;
  readonly attempt: number;
  #lines: QueuedLine[] = [];
  #bytes = 0;
  #leftOut = 0;

  constructor(job: string, attempt: number) {
    this.job = job;
    this.attempt = attempt;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0 && this.#leftOut === 0;
  }

  /** Answers the bytes that the line takes. */
  push(line: Omit<LogLine, 'seq'>): number {
    const text = encodeLine(line);
    const bytes = Buffer.byteLength(text) + 1;
    this.#lines.push({ level: line.level, text, bytes });
    this.#bytes += bytes;
    if (this.#bytes > LIMITS.logQueueBytes) this.#thin();
    return bytes;
  }

  /** Takes out the oldest lines, as many as one message holds. */
  take(maxBytes: number): string {
    const texts: string[] = [];
    let bytes = 0;
    if (this.#leftOut > 0) {
      const text = `${this.#leftOut} lines left out here: the log store did not take them in time.`;
      texts.push(
        encodeLine({ at: new Date().toISOString(), job: this.job, attempt: this.attempt, level: 'warning', stream: 'worker', text }),
      );
      this.#leftOut = 0;
    }
    let count = 0;
    for (const line of this.#lines) {
      if (texts.length === LINES_PER_MESSAGE || (count > 0 && bytes + line.bytes > maxBytes)) break;
      texts.push(line.text);
      bytes += line.bytes;
      count++;
    }
    this.#lines.splice(0, count);
    this.#bytes -= bytes;
    return texts.join('\n');
  }

  /** Drops the older half of what is no error; when that is not enough, the older half of everything. */
  #thin(): void {
    const before = this.#lines.length;
    const isError = (line: QueuedLine) => line.level === 'error';
    const drop = Math.ceil(this.#lines.filter((line) => !isError(line)).length / 2);
    let dropped = 0;
    this.#lines = this.#lines.filter((line) => isError(line) || ++dropped > drop);
    this.#bytes = this.#lines.reduce((sum, line) => sum + line.bytes, 0);
    if (this.#bytes > (LIMITS.logQueueBytes * 3) / 4) {
      this.#lines.splice(0, Math.ceil(this.#lines.length / 2));
      this.#bytes = this.#lines.reduce((sum, line) => sum + line.bytes, 0);
    }
    this.#leftOut += before - this.#lines.length;
  }
}
