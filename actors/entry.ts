import type { Job } from './job.js';
import type { StoredKey } from './journal.js';
import { LIMITS } from './limits.js';

interface Fields {
  job: Job;
  key?: StoredKey | undefined;
  /** JSON text of the newest history entries, oldest first. */
  notes: readonly string[];
  notesDropped?: number;
  sinceSeq?: number;
  wholeSeq?: number;
  textLength?: number;
}

/** A job as the table keeps it. Immutable but for `sinceSeq` and `wholeSeq`. */
export class Entry {
  readonly job: Job;
  readonly key: StoredKey | undefined;
  /** JSON text of the newest history entries, oldest first; what is older is counted in `notesDropped`. */
  readonly notes: readonly string[];
  readonly notesDropped: number;
  /** Of the job's JSON; after a patch about that. */
  readonly textLength: number;
  /** From this record on the journal has the job and its history; 0 until it is stored. */
  sinceSeq: number;
  /** The newest record that has the whole job; 0 until it is stored. */
  wholeSeq: number;
  #text: string | null = null;

  constructor({ job, key, notes, notesDropped = 0, sinceSeq = 0, wholeSeq = 0, textLength }: Fields) {
    const surplus = Math.max(0, notes.length - LIMITS.historyEntries);
    this.job = job;
    this.key = key;
    this.notes = surplus === 0 ? notes : notes.slice(surplus);
    this.notesDropped = notesDropped + surplus;
    this.sinceSeq = sinceSeq;
    this.wholeSeq = wholeSeq;
    this.textLength = textLength ?? this.text.length;
  }

  /** The same with new progress. Its text is not made: a patch goes without. */
  withProgress(job: Job): Entry {
    const { key, notes, notesDropped, sinceSeq, wholeSeq, textLength } = this;
    return new Entry({ job, key, notes, notesDropped, sinceSeq, wholeSeq, textLength });
  }

  /** The job's JSON. Made once for the record, the answer and whoever reads in the same round. */
  get text(): string {
    return (this.#text ??= JSON.stringify(this.job));
  }

  /** Most jobs change again before anybody reads them: text that is not kept need not be moved about by garbage collection. */
  forgetText(): void {
    this.#text = null;
  }
}
