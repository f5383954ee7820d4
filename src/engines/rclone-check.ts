import type { Progress, TransferOptions, Verification } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import type { FileEntry } from '../file-record.js';
import { EngineFailed, type Run } from './engine.js';
import { entryOf } from './rclone-files.js';
import type { RcloneNames } from './rclone-names.js';
import type { Outcome } from './rclone-program.js';

const ROOM_EVERY = 1000;
const OUTCOMES: Record<string, FileEntry['outcome']> = { '=': 'equal', '+': 'missing', '-': 'extra', '!': 'failed' };
const WHY: Record<string, string> = {
  '+': 'It is missing at the destination.',
  '-': 'It is in the destination alone.',
  '*': 'The two sides differ.',
  '!': 'One side could not be read.',
};

/** What `rclone check --combined -` has told so far: a sign and a name for each file of the source. */
export class CheckReport {
  readonly #kept: string;
  #equal = 0;
  #different = 0;
  #unread = 0;
  #leftAlone = 0;
  /** Null when it is no mirror: then such files are not told. */
  #extra: number | null;
  /** Each with its sign. */
  readonly #lines: string[] = [];

  constructor({ deleteExtraneous, marker }: TransferOptions) {
    // The destination may have it alone.
    this.#kept = `- ${marker?.destination ?? ''}`;
    this.#extra = deleteExtraneous === true ? 0 : null;
  }

  /** Tells whether the file is the same on both sides. Only `=` says so. */
  add(line: Buffer): boolean {
    const text = line.toString('latin1');
    if (text === this.#kept) {
      this.#leftAlone++;
      return true;
    }
    if (this.#lines.length < LIMITS.filesPerAttempt) this.#lines.push(text);
    const sign = text.charAt(0);
    if (sign === '=') this.#equal++;
    else if (sign === '!') this.#unread++;
    else if (sign === '-') this.#extra = (this.#extra ?? 0) + 1;
    else this.#different++;
    return sign === '=';
  }

  progress(): Partial<Progress> {
    return { percent: null, bytesTotal: null, etaSeconds: null, filesTransferred: this.#equal };
  }

  /** Tells of every file by what it was compared. */
  async tell(method: Verification['method'], names: RcloneNames, run: Run): Promise<void> {
    for (const [index, line] of this.#lines.entries()) {
      const sign = line.charAt(0);
      const outcome = OUTCOMES[sign] ?? 'differs';
      const provedBy = sign === '=' ? method : null;
      run.file(entryOf(await names.onDisk(line.slice(2)), outcome, { provedBy, why: WHY[sign] ?? null }));
      if ((index + 1) % ROOM_EVERY === 0) await run.roomForFiles();
    }
  }

  /** Exit 0 proves nothing by itself, and neither does the absence of differences: a file that was not looked at is a mismatch. */
  verdict(outcome: Outcome, what: Pick<Verification, 'method' | 'algorithm' | 'filesExpected'>): Verification {
    const { exit, errors } = outcome;
    if (exit.code !== 0) {
      const failure = errors.failure(exit);
      const onlyDiffer =
        failure.code === 'engine_error' && this.#different + this.#leftAlone + (this.#extra ?? 0) > 0 && this.#unread === 0;
      if (!onlyDiffer) throw new EngineFailed(failure);
    }
    const mismatches = Math.max(this.#different + this.#unread, what.filesExpected - this.#equal);
    return { ...what, filesEqual: this.#equal, mismatches, ...(this.#extra === null ? {} : { extra: this.#extra }) };
  }
}
