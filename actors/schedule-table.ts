import { isFinished, type Job } from './job.js';
import type { StoredKey } from './journal.js';
import { OrderedSet } from './ordered-set.js';
import type { Schedule } from './schedule.js';

/** A schedule as the table keeps it. Immutable but for `sinceSeq`, the record that has it; 0 until it is stored. */
export interface ScheduleEntry {
  readonly schedule: Schedule;
  readonly key: StoredKey | undefined;
  readonly text: string;
  sinceSeq: number;
}

export const scheduleEntry = (schedule: Schedule, key: StoredKey | undefined, sinceSeq: number): ScheduleEntry => ({
  schedule,
  key,
  text: JSON.stringify(schedule),
  sinceSeq,
});

/** All schedules, the times at which they are due, and which of their runs have not ended. */
export class ScheduleTable {
  readonly entries = new Map<string, ScheduleEntry>();
  liveBytes = 0;
  /** `nextAt|id` */
  readonly #times = new OrderedSet();
  readonly #idByKey = new Map<string, string>();
  readonly #openRuns = new Map<string, Set<string>>();

  /** How many there are, how many of them wait for a time, and which comes first. */
  get summary(): { total: number; active: number; nextAt: string | null } {
    return { total: this.entries.size, active: this.#times.size, nextAt: this.#times.first()?.replace(/\|.*/, '') ?? null };
  }

  get(id: string): ScheduleEntry | undefined {
    return this.entries.get(id);
  }

  put(entry: ScheduleEntry): void {
    const { schedule, key, text } = entry;
    this.delete(schedule.id);
    this.entries.set(schedule.id, entry);
    this.liveBytes += text.length;
    if (schedule.nextAt !== null) this.#times.add(`${schedule.nextAt}|${schedule.id}`);
    if (key) this.#idByKey.set(key[0], schedule.id);
  }

  delete(id: string): void {
    const old = this.entries.get(id);
    if (!old) return;
    this.entries.delete(id);
    this.liveBytes -= old.text.length;
    if (old.schedule.nextAt !== null) this.#times.delete(`${old.schedule.nextAt}|${id}`);
    if (old.key) this.#idByKey.delete(old.key[0]);
  }

  findKey(key: string): { id: string; digest: string } | undefined {
    const id = this.#idByKey.get(key);
    return id === undefined ? undefined : { id, digest: this.entries.get(id)?.key?.[1] ?? '' };
  }

  isDue(nowIso: string): boolean {
    const first = this.#times.first();
    return first !== undefined && first.slice(0, nowIso.length) <= nowIso;
  }

  /** At most `max` ids, the earliest time first. */
  due(nowIso: string, max: number): string[] {
    const ids: string[] = [];
    for (const key of this.#times.ascending()) {
      if (ids.length === max || key.slice(0, nowIso.length) > nowIso) break;
      ids.push(key.slice(nowIso.length + 1));
    }
    return ids;
  }

  /** Told of every job that comes to a status or leaves one. */
  enterRun({ id, schedule, status }: Job): void {
    if (schedule === null || isFinished(status)) return;
    const open = this.#openRuns.get(schedule);
    if (open) open.add(id);
    else this.#openRuns.set(schedule, new Set([id]));
  }

  leaveRun({ id, schedule }: Job): void {
    if (schedule === null) return;
    const open = this.#openRuns.get(schedule);
    open?.delete(id);
    if (open?.size === 0) this.#openRuns.delete(schedule);
  }

  /** Jobs of the schedule that have not ended, the oldest first. */
  openRunsOf(id: string): string[] {
    return [...(this.#openRuns.get(id) ?? [])].sort();
  }
}
