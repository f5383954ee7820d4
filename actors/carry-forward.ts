import { bytesAtMost, putLine } from './draft.js';
import { putLine as scheduleLine } from './schedule-draft.js';
import type { JobTable } from './job-table.js';
import type { JournalState } from './journal.js';
import type { ManagerSettings } from './manager-input.js';

/** The journal may be this many times as large as the live data. */
const FACTOR = 4;
/** A key has at most 200 characters, which JSON may write with six bytes each. */
const KEYS_PER_RECORD = 250;

interface Carried {
  lines: string[];
  settle(seq: number): void;
}

/**
 * Keeps the journal short. When it is several times as large as the live
 * data, the jobs that are told of in its older half are written anew, history and all,
 * a record at a time between the rounds, and then everything before the oldest
 * record that is still needed is purged. Nothing current is ever only in what
 * is purged, so a crash at any point loses nothing.
 */
export class CarryForward {
  readonly #table: JobTable;
  readonly #minBytes: number;
  readonly #recordBytes: number;
  /** Jobs whose newest record is below this are to be carried; 0: no pass is under way. */
  #belowSeq = 0;
  #keys: string[] = [];
  #purgeBelow: number | null = null;
  /** Not sooner than this sequence again, should a pass not have helped. */
  #restUntilSeq = 0;

  constructor(table: JobTable, settings: Pick<ManagerSettings, 'carryMinBytes' | 'recordBytesMax'>) {
    this.#table = table;
    this.#minBytes = settings.carryMinBytes;
    // A quarter: the last line goes over it, and nobody waits long behind a small record.
    this.#recordBytes = settings.recordBytesMax / 4;
  }

  isDue(journal: JournalState, seq: number): boolean {
    if (this.#belowSeq > 0) return true;
    if (seq < this.#restUntilSeq || this.#purgeBelow !== null) return false;
    return journal.bytes > Math.max(this.#minBytes, FACTOR * (this.#table.liveBytes + this.#table.schedules.liveBytes));
  }

  /** The next record of the pass, or `null` when there is nothing to carry now. */
  next(journal: JournalState, seq: number): Carried | null {
    if (!this.isDue(journal, seq)) return null;
    if (this.#belowSeq === 0) {
      this.#belowSeq = journal.firstSeq + Math.ceil((seq - journal.firstSeq) / 2);
      this.#keys = [...this.#table.remembered.keys()];
    }
    const batch = this.#nextKeys() ?? this.#nextJobs() ?? this.#nextSchedules();
    if (batch) return batch;
    this.#endPass(seq);
    return null;
  }

  get wantsPurge(): boolean {
    return this.#purgeBelow !== null;
  }

  /** What may be purged after a pass: everything below the answer. Asked once. */
  takePurge(): number | null {
    const below = this.#purgeBelow;
    this.#purgeBelow = null;
    return below;
  }

  #nextKeys(): Carried | null {
    if (this.#keys.length === 0) return null;
    const keys = this.#keys.slice(0, KEYS_PER_RECORD);
    const lines = keys.flatMap((key) => {
      const known = this.#table.remembered.get(key);
      return known ? [`{"del":"${known.id}","key":${JSON.stringify([key, known.digest])},"until":${known.untilMs}}`] : [];
    });
    return { lines, settle: () => (this.#keys = this.#keys.slice(keys.length)) };
  }

  #nextJobs(): Carried | null {
    return this.#nextOf(this.#table.entries.values(), (entry) => {
      const line = putLine(entry, entry.notes, entry.notesDropped);
      entry.forgetText();
      return line;
    });
  }

  #nextSchedules(): Carried | null {
    return this.#nextOf(this.#table.schedules.entries.values(), (entry) => scheduleLine(entry));
  }

  #nextOf<T extends { sinceSeq: number }>(entries: Iterable<T>, lineOf: (entry: T) => string): Carried | null {
    const carried: T[] = [];
    const lines: string[] = [];
    let bytes = 0;
    for (const entry of entries) {
      if (entry.sinceSeq >= this.#belowSeq) continue;
      const line = lineOf(entry);
      carried.push(entry);
      lines.push(line);
      bytes += bytesAtMost(line);
      if (bytes >= this.#recordBytes) break;
    }
    if (carried.length === 0) return null;
    const settle = (seq: number) => {
      for (const entry of carried) entry.sinceSeq = seq;
    };
    return { lines, settle };
  }

  #endPass(seq: number): void {
    let oldest = seq;
    for (const entries of [this.#table.entries, this.#table.schedules.entries]) {
      for (const { sinceSeq } of entries.values()) if (sinceSeq < oldest) oldest = sinceSeq;
    }
    this.#purgeBelow = Math.min(oldest, this.#belowSeq);
    this.#belowSeq = 0;
    this.#restUntilSeq = seq + 100;
  }
}
