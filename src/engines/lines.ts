const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;

/**
 * Splits what a program prints into lines, at `\r` as well as at `\n`, since
 * progress is overwritten with `\r`. Bytes past `maxBytes` of a line are left
 * out. Empty lines are not told.
 */
export class LineSplitter {
  readonly #onLine: (line: Buffer) => void;
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(maxBytes: number, onLine: (line: Buffer) => void) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (chunk[at] !== LINE_FEED && chunk[at] !== CARRIAGE_RETURN) continue;
      this.#keep(chunk.subarray(start, at));
      this.end();
      start = at + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** Tells the last line, which may lack its end. */
  end(): void {
    const [first, ...more] = this.#parts;
    if (first) this.#onLine(more.length === 0 ? first : Buffer.concat(this.#parts));
    this.#parts = [];
    this.#length = 0;
  }

  #keep(part: Buffer): void {
    const kept = part.subarray(0, this.#maxBytes - this.#length);
    if (kept.length === 0) return;
    this.#parts.push(kept);
    this.#length += kept.length;
  }
}
