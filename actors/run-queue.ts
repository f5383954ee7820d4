import { isFinished, type Job } from './job.js';
import { OrderedSet } from './ordered-set.js';

/** The queued jobs: ready for a claim, by type and in the order in which they are to run, or waiting for a time or for other jobs. */
export class RunQueue {
  /** Higher after anything that may let a claim find a job which found none before. */
  changes = 0;

  readonly #jobOf: (id: string) => Job | undefined;
  readonly #ready = new Map<string, OrderedSet>();
  /** `time|id`, and the time by id. */
  readonly #delayed = new OrderedSet();
  readonly #delayedUntil = new Map<string, string>();
  /** By id: the jobs that name it in `after`. */
  readonly #dependents = new Map<string, Set<string>>();
  /** How many jobs run, by `key=value` of their labels, and by where they write. */
  readonly #running = new Map<string, number>();
  readonly #writing = new Map<string, number>();

  constructor(jobOf: (id: string) => Job | undefined) {
    this.#jobOf = jobOf;
  }

  add(job: Job): void {
    this.changes += 1;
    if (job.status === 'running') this.#count(job, 1);
    for (const id of job.after) {
      const dependents = this.#dependents.get(id);
      if (dependents) dependents.add(job.id);
      else this.#dependents.set(id, new Set([job.id]));
    }
    this.#enter(job);
  }

  remove(job: Job): void {
    if (job.status === 'running') this.#count(job, -1);
    for (const id of job.after) {
      const dependents = this.#dependents.get(id);
      dependents?.delete(job.id);
      if (dependents?.size === 0) this.#dependents.delete(id);
    }
    this.#leave(job);
  }

  dependentsOf(id: string): readonly string[] {
    return [...(this.#dependents.get(id) ?? [])];
  }

  /** A job has another status, is new or gone: those that wait for it may run now, or have to wait again. */
  reconsiderDependents(id: string): void {
    for (const dependent of this.#dependents.get(id) ?? []) {
      const job = this.#jobOf(dependent);
      if (!job) continue;
      this.#leave(job);
      this.#enter(job);
    }
  }

  /** The jobs of `after` that have not completed; runs of the same schedule need only have ended, however. */
  openOf(job: Job): readonly string[] {
    return job.after.filter((id) => {
      const other = this.#jobOf(id);
      return other?.status !== 'completed' && !(other && isSameSchedule(job, other) && isFinished(other.status));
    });
  }

  /** Ids of jobs of `type` that wait for a worker now, in the order in which they are to run. */
  *ready(type: string): Generator<string> {
    for (const key of this.#ready.get(type)?.ascending() ?? []) yield idOf(key);
  }

  runningWith(key: string, value: string): number {
    return this.#running.get(`${key}=${value}`) ?? 0;
  }

  runningTo(target: string): number {
    return this.#writing.get(target) ?? 0;
  }

  /** The job that is ready just before or after a place in the queue; `null`: the last or the first of all. */
  neighbour(key: string | null, side: 'before' | 'after'): Job | null {
    let best: string | undefined;
    for (const set of this.#ready.values()) {
      const [near] = side === 'before' ? set.descending(key ?? undefined) : set.ascending(key ?? undefined);
      if (near !== undefined && (best === undefined || (side === 'before' ? near > best : near < best))) best = near;
    }
    return best === undefined ? null : (this.#jobOf(idOf(best)) ?? null);
  }

  hasReady(type: string): boolean {
    return (this.#ready.get(type)?.size ?? 0) > 0;
  }

  /** Lets the jobs whose time has come join those that are ready. */
  promote(nowIso: string): boolean {
    let any = false;
    for (let key = this.#delayed.first(); key !== undefined && key.slice(0, nowIso.length) <= nowIso; key = this.#delayed.first()) {
      const id = idOf(key);
      this.#undelay(id);
      const job = this.#jobOf(id);
      if (job) this.#readyOf(job.type).add(queueKey(job));
      any = true;
    }
    if (any) this.changes += 1;
    return any;
  }

  /** A job that is ready turns out to have to wait for a time. */
  delay(job: Job, until: string): void {
    this.#leave(job);
    this.#delay(job.id, until);
  }

  #enter(job: Job): void {
    if (job.status !== 'queued' || this.openOf(job).length > 0) return;
    const notBefore = job.retryAt ?? job.runAt;
    if (notBefore === null) this.#readyOf(job.type).add(queueKey(job));
    else this.#delay(job.id, notBefore);
  }

  #leave(job: Job): void {
    if (job.status !== 'queued') return;
    this.#readyOf(job.type).delete(queueKey(job));
    this.#undelay(job.id);
  }

  #count({ labels, target }: Job, one: 1 | -1): void {
    for (const label in labels) count(this.#running, `${label}=${labels[label]}`, one);
    if (target !== undefined) count(this.#writing, target, one);
  }

  #delay(id: string, until: string): void {
    this.#delayed.add(`${until}|${id}`);
    this.#delayedUntil.set(id, until);
  }

  #undelay(id: string): void {
    const until = this.#delayedUntil.get(id);
    if (until === undefined) return;
    this.#delayed.delete(`${until}|${id}`);
    this.#delayedUntil.delete(id);
  }

  #readyOf(type: string): OrderedSet {
    let set = this.#ready.get(type);
    if (!set) this.#ready.set(type, (set = new OrderedSet()));
    return set;
  }
}

function count(counts: Map<string, number>, key: string, one: 1 | -1): void {
  const now = (counts.get(key) ?? 0) + one;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
}

export const isSameSchedule = (one: Job, other: Job): boolean => one.schedule !== null && one.schedule === other.schedule;

/** Within its priority: by age, unless it was moved. */
export const placeOf = ({ rank, id }: Job): string => rank ?? id;

/** Higher priority first, then by place. The blank puts a rank before what is longer and begins with it. */
export const queueKey = ({ priority, rank, id }: Job): string =>
  `${String(100 - priority).padStart(3, '0')}|${rank === null ? '' : `${rank} |`}${id}`;
const idOf = (key: string): string => key.slice(key.lastIndexOf('|') + 1);
