import type { Progress, Verification } from '../../actors/job.js';
import { EngineFailed } from './engine.js';
import type { Outcome } from './rclone-program.js';

/** What `rclone check --combined -` has told so far: a sign and a name for each file of the source. */
export class CheckReport {
  #equal = 0;
  #different = 0;
  #unread = 0;

  /** Tells whether the file is the same on both sides. Only `=` says so. */
  add(line: string): boolean {
    const sign = line.charAt(0);
    if (sign === '=') this.#equal++;
    else if (sign === '!') this.#unread++;
    else this.#different++;
    return sign === '=';
  }

  progress(): Partial<Progress> {
    return { percent: null, bytesTotal: null, etaSeconds: null, filesTransferred: this.#equal };
  }

  /** Exit 0 proves nothing by itself, and neither does the absence of differences: a file that was not looked at is a mismatch. */
  verdict(outcome: Outcome, what: Pick<Verification, 'method' | 'algorithm' | 'filesExpected'>): Verification {
    const { exit, errors } = outcome;
    if (exit.code !== 0) {
      const failure = errors.failure(exit);
      const onlyDiffer = failure.code === 'engine_error' && this.#different > 0 && this.#unread === 0;
      if (!onlyDiffer) throw new EngineFailed(failure);
    }
    const mismatches = Math.max(this.#different + this.#unread, what.filesExpected - this.#equal);
    return { ...what, filesEqual: this.#equal, mismatches };
  }
}
