import type { JournalRecord } from '../../actors/journal.js';
import type { Job, JobStatus } from '../../actors/job.js';
import { WholeJobs } from './whole-jobs.js';

/** What became of one job. `was` is its status before: `none` when it was created now, `unknown` when that was not seen. */
export interface JobChange {
  id: string;
  /** The job as it is after; `null` when it is gone. */
  job: Job | null;
  was: JobStatus | 'none' | 'unknown';
}

interface Entry {
  seq: number;
  bytes: number;
  changes: JobChange[];
}

const RECENT_BYTES = 16 * 1024 * 1024;
const KNOWN_STATUSES = 200_000;

/** The newest part of the journal, kept in memory within a limit, so that whoever lags a little need not read the stream. */
export class RecentChanges {
  readonly #entries: Entry[] = [];
  readonly #statuses = new Map<string, JobStatus>();
  readonly #whole = new WholeJobs();
  #bytes = 0;
  #floor = 0;
  #last = 0;

  /** Every change after this sequence is here. */
  get floor(): number {
    return this.#floor;
  }

  /** The newest record seen. */
  get last(): number {
    return this.#last;
  }

  /** Begins behind `seq` of a journal of which nothing is known. */
  begin(seq: number): void {
    this.#whole.clear();
    this.forget(seq);
  }

  /** Something up to `seq` is not known: what changed before is of no use. */
  forget(seq: number): void {
    this.#entries.length = 0;
    this.#statuses.clear();
    this.#bytes = 0;
    this.#floor = this.#last = seq;
  }

  /**
   * Whether all that it changes is known by that. `bytes` is the size of the record in the stream: a fair measure
   * of what it takes here.
   */
  add(stored: JournalRecord, bytes: number): boolean {
    const record = this.#whole.complete(stored);
    if (!record) return false;
    const changes = changesOf(record, (id) => this.#statuses.get(id));
    this.#remember(record);
    this.#last = record.seq;
    if (changes.length === 0) return true;
    this.#entries.push({ seq: record.seq, bytes, changes });
    this.#bytes += bytes;
    while (this.#bytes > RECENT_BYTES) this.#dropOldest();
    return true;
  }

  /** What changed after `seq`, one change a job. Needs `seq >= floor`. */
  since(seq: number): JobChange[] {
    const start = this.#entries.findLastIndex((entry) => entry.seq <= seq) + 1;
    const newest = new Map<string, JobChange>();
    for (const entry of this.#entries.slice(start)) coalesce(newest, entry.changes);
    return [...newest.values()];
  }

  #dropOldest(): void {
    const oldest = this.#entries.shift();
    this.#bytes -= oldest?.bytes ?? this.#bytes;
    this.#floor = oldest?.seq ?? this.#last;
  }

  #remember(record: JournalRecord): void {
    for (const change of record.changes) {
      if ('del' in change) this.#statuses.delete(change.del);
      if (!('put' in change)) continue;
      const { id, status } = change.put;
      this.#statuses.delete(id);
      this.#statuses.set(id, status);
    }
    for (const id of this.#statuses.keys()) {
      if (this.#statuses.size <= KNOWN_STATUSES) break;
      this.#statuses.delete(id);
    }
  }
}

/** What a record of whole jobs changed: nothing when it is not a commit, for a carried record repeats what everybody knows. */
export function changesOf(record: JournalRecord, statusOf: (id: string) => JobStatus | undefined): JobChange[] {
  if (record.kind !== 'commit') return [];
  return record.changes.flatMap((change): JobChange[] => {
    if ('del' in change) return [{ id: change.del, job: null, was: statusOf(change.del) ?? 'unknown' }];
    if (!('put' in change)) return [];
    const job = change.put;
    return [{ id: job.id, job, was: job.version === 1 ? 'none' : (statusOf(job.id) ?? 'unknown') }];
  });
}

/** Adds later changes: the newest state of each job stays, with what it was before the first of them. */
export function coalesce(newest: Map<string, JobChange>, later: readonly JobChange[]): void {
  for (const change of later) {
    const before = newest.get(change.id);
    newest.delete(change.id);
    newest.set(change.id, before ? { ...change, was: before.was } : change);
  }
}
