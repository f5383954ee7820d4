import { nextChange } from './hours.js';
import { isFinished, type Job } from './job.js';
import { OrderedSet } from './ordered-set.js';

/** How many jobs are looked at in one round. */
const DUE_MAX = 10_000;

/** A time at which the manager has something to do about a job by itself. */
export interface Alarm {
  at: string;
  cause: 'deadline' | 'attempt_timeout' | 'hours';
}

/** Most jobs have none of the options that need a clock. */
export const hasAlarms = ({ options }: Job): boolean => Boolean(options.deadlineAt ?? options.attemptTimeoutSeconds ?? options.hours);

/** The alarms of a job that waits or runs. Worked out from what is stored, so a start finds the same. */
export function alarmsOf(job: Job): Alarm[] {
  const { deadlineAt, attemptTimeoutSeconds, hours } = job.options;
  if (isFinished(job.status)) return [];
  const alarms: [number | null, Alarm['cause']][] = [];
  if (deadlineAt) alarms.push([Date.parse(deadlineAt), 'deadline']);
  if (job.status === 'running' && job.startedAt !== null) {
    const startedMs = Date.parse(job.startedAt);
    if (attemptTimeoutSeconds) alarms.push([startedMs + attemptTimeoutSeconds * 1000, 'attempt_timeout']);
    if (hours) alarms.push([nextChange(hours, startedMs), 'hours']);
  }
  return alarms.flatMap(([ms, cause]) => (ms === null ? [] : { at: new Date(ms).toISOString(), cause }));
}

/** The jobs by their first alarm. */
export class Alarms {
  /** `time|id`, and the time by id. */
  readonly #times = new OrderedSet();
  readonly #timeOf = new Map<string, string>();

  add(job: Job): void {
    // A job that is being stopped has had its alarm.
    if (!hasAlarms(job) || (job.status === 'running' && job.wanted !== 'run')) return;
    const [first] = alarmsOf(job)
      .map(({ at }) => at)
      .sort();
    if (first === undefined) return;
    this.#times.add(`${first}|${job.id}`);
    this.#timeOf.set(job.id, first);
  }

  remove(id: string): void {
    const time = this.#timeOf.get(id);
    if (time === undefined) return;
    this.#times.delete(`${time}|${id}`);
    this.#timeOf.delete(id);
  }

  isDue(nowIso: string): boolean {
    const first = this.#times.first();
    return first !== undefined && first.slice(0, nowIso.length) <= nowIso;
  }

  due(nowIso: string): string[] {
    const ids: string[] = [];
    for (const key of this.#times.ascending()) {
      if (ids.length === DUE_MAX || key.slice(0, nowIso.length) > nowIso) break;
      ids.push(key.slice(nowIso.length + 1));
    }
    return ids;
  }
}
