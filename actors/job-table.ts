import { Alarms, hasAlarms } from './alarms.js';
import type { Bandwidth } from './bandwidth.js';
import { CompletedPairs } from './completed-pairs.js';
import { Entry } from './entry.js';
import { JOB_STATUSES, isFinished, type Job, type JobStatus } from './job.js';
import type { JournalRecord, StoredKey } from './journal.js';
import { LIMITS } from './limits.js';
import { OrderedSet } from './ordered-set.js';
import { patched, type Patch } from './patch.js';
import { RunQueue } from './run-queue.js';
import { ScheduleTable, scheduleEntry } from './schedule-table.js';

/** An idempotency key whose job is gone: remembered for a while, so that a repeat does not make a second job. */
export interface RememberedKey {
  id: string;
  digest: string;
  untilMs: number;
}

/** What jobs have that were stored by a version before these fields. */
const LATER_FIELDS: Pick<Job, 'after' | 'rank' | 'schedule'> = { after: [], rank: null, schedule: null };

const sameLabels = (one: Job['labels'], other: Job['labels']): boolean => one === other || JSON.stringify(one) === JSON.stringify(other);

/**
 * Most changes are of progress, and touch no index. A record that is read back may hold several changes
 * of a job as one: a job that is finished before and after it may have run meanwhile.
 */
const isIndexedAlike = (old: Job, job: Job): boolean =>
  old.status === job.status &&
  old.priority === job.priority &&
  old.rank === job.rank &&
  old.retryAt === job.retryAt &&
  old.runAt === job.runAt &&
  old.finishedAt === job.finishedAt &&
  old.after.length === job.after.length &&
  old.wanted === job.wanted &&
  // Labels and targets are counted of what runs.
  (job.status !== 'running' || (sameLabels(old.labels, job.labels) && old.target === job.target)) &&
  (old.options === job.options || !(hasAlarms(old) || hasAlarms(job)));

/** All jobs, with what makes lists, the queue and cleanup quick. */
export class JobTable {
  readonly entries = new Map<string, Entry>();
  readonly byStatus = Object.fromEntries(JOB_STATUSES.map((status) => [status, new OrderedSet()])) as Record<JobStatus, OrderedSet>;
  readonly countByType = new Map<string, number>();
  /** Finished jobs by `finishedAt|id`. */
  readonly finished = new OrderedSet();
  readonly remembered = new Map<string, RememberedKey>();
  /** Of records that were read back: patches, by job, of which the whole job has been purged and must come again in a later record. */
  readonly patchesAlone = new Map<string, number>();
  liveBytes = 0;
  /** The bandwidth limit in all that somebody asked for. */
  bandwidth: Bandwidth | null = null;

  readonly queue = new RunQueue((id) => this.entries.get(id)?.job);

  readonly alarms = new Alarms();

  readonly schedules = new ScheduleTable();
  readonly pairs = new CompletedPairs((id) => this.entries.get(id)?.job);

  readonly #idByKey = new Map<string, string>();

  /** Whether the manager has something to do by itself. */
  isDue(nowIso: string): boolean {
    return this.alarms.isDue(nowIso) || this.schedules.isDue(nowIso);
  }

  get(id: string): Entry | undefined {
    return this.entries.get(id);
  }

  put(entry: Entry, old: Entry | undefined): void {
    const { job } = entry;
    if (old) {
      this.liveBytes -= old.textLength;
    } else {
      this.countByType.set(job.type, (this.countByType.get(job.type) ?? 0) + 1);
      if (entry.key) this.#idByKey.set(entry.key[0], job.id);
    }
    this.entries.set(job.id, entry);
    this.liveBytes += entry.textLength;
    if (old && isIndexedAlike(old.job, job)) return;
    if (old) this.#leaveIndexes(old.job);
    this.#enterIndexes(job);
    this.queue.reconsiderDependents(job.id);
  }

  delete(id: string): void {
    const old = this.entries.get(id);
    if (!old) return;
    this.entries.delete(id);
    this.countByType.set(old.job.type, (this.countByType.get(old.job.type) ?? 1) - 1);
    if (old.key) this.#idByKey.delete(old.key[0]);
    this.#leaveIndexes(old.job);
    this.queue.reconsiderDependents(id);
    this.liveBytes -= old.textLength;
  }

  /** What an idempotency key stands for: a job that is there, or one that is gone. */
  findKey(key: string): { id: string; digest: string } | undefined {
    const id = this.#idByKey.get(key);
    return id === undefined ? this.remembered.get(key) : { id, digest: this.entries.get(id)?.key?.[1] ?? '' };
  }

  remember(key: StoredKey, id: string, untilMs: number): void {
    this.remembered.set(key[0], { id, digest: key[1], untilMs });
    if (this.remembered.size <= LIMITS.keyMemoryCount) return;
    for (const oldest of this.remembered.keys()) {
      this.remembered.delete(oldest);
      break;
    }
  }

  forgetKeys(nowMs: number): void {
    for (const [key, { untilMs }] of this.remembered) {
      if (untilMs > nowMs) break;
      this.remembered.delete(key);
    }
  }

  /** Takes in a record that was read back at start. */
  apply(record: JournalRecord): void {
    this.bandwidth = record.bandwidth ?? null;
    for (const change of record.changes) {
      if ('schedule' in change) {
        this.schedules.put(scheduleEntry(change.schedule, change.key, record.seq));
        continue;
      }
      if ('delSchedule' in change) {
        this.schedules.delete(change.delSchedule);
        if (change.key) this.remember(change.key, change.delSchedule, change.until ?? 0);
        continue;
      }
      if ('patch' in change) {
        this.#applyPatch(change.patch, change.over, record.seq);
        continue;
      }
      if ('del' in change) {
        this.patchesAlone.delete(change.del);
        this.delete(change.del);
        if (change.key) this.remember(change.key, change.del, change.until ?? 0);
        continue;
      }
      const old = this.entries.get(change.put.id);
      // A carried record brings the whole history, any other what it adds.
      const before = record.kind === 'carried' ? [] : (old?.notes ?? []);
      const notes = [...before, ...(change.notes ?? []).map((note) => JSON.stringify(note))];
      const job = 'schedule' in change.put ? change.put : { ...LATER_FIELDS, ...(change.put as Job) };
      const entry = new Entry({
        job,
        key: change.key ?? old?.key,
        notes,
        notesDropped: (record.kind === 'carried' ? change.notesDropped : old?.notesDropped) ?? 0,
        sinceSeq: record.kind === 'carried' ? record.seq : (old?.sinceSeq ?? record.seq),
        wholeSeq: record.seq,
      });
      entry.forgetText();
      this.patchesAlone.delete(job.id);
      this.put(entry, old);
    }
  }

  #applyPatch(patch: Patch, over: number, seq: number): void {
    const old = this.entries.get(patch.id);
    if (old?.job.version === over) this.put(old.withProgress(patched(old.job, patch)), old);
    else this.patchesAlone.set(patch.id, seq);
  }

  #enterIndexes(job: Job): void {
    this.byStatus[job.status].add(job.id);
    if (isFinished(job.status)) this.finished.add(`${job.finishedAt}|${job.id}`);
    this.queue.add(job);
    this.alarms.add(job);
    this.schedules.enterRun(job);
    this.pairs.add(job);
  }

  #leaveIndexes(job: Job): void {
    this.byStatus[job.status].delete(job.id);
    if (isFinished(job.status)) this.finished.delete(`${job.finishedAt}|${job.id}`);
    this.queue.remove(job);
    this.alarms.remove(job.id);
    this.schedules.leaveRun(job);
    this.pairs.delete(job);
  }
}
