import type { Job } from '../../actors/job.js';
import type { Change, JournalRecord } from '../../actors/journal.js';
import { LIMITS } from '../../actors/limits.js';
import { patched } from '../../actors/patch.js';

const JOBS_MAX = 100_000;

/** The jobs that stood whole in the newest records: what the patches of the next ones are laid over. */
export class WholeJobs {
  /** In the order of the records that have them whole. */
  readonly #jobs = new Map<string, { job: Job; seq: number }>();

  clear(): void {
    this.#jobs.clear();
  }

  /** The record with whole jobs in the place of patches; `null` when one of them is not known as it was before. */
  complete(record: JournalRecord): JournalRecord | null {
    const changes = record.changes.map((change) => this.#complete(change, record.seq));
    for (const [id, { seq }] of this.#jobs) {
      if (seq > record.seq - LIMITS.patchReachRecords && this.#jobs.size <= JOBS_MAX) break;
      this.#jobs.delete(id);
    }
    return changes.includes(null) ? null : { ...record, changes: changes as Change[] };
  }

  #complete(change: Change, seq: number): Change | null {
    if ('put' in change) {
      this.#jobs.delete(change.put.id);
      this.#jobs.set(change.put.id, { job: change.put, seq });
    }
    if ('del' in change) this.#jobs.delete(change.del);
    if (!('patch' in change)) return change;
    const known = this.#jobs.get(change.patch.id);
    if (known?.job.version !== change.over) return null;
    known.job = patched(known.job, change.patch);
    return { put: known.job };
  }
}
