import type { Job } from './job.js';
import { OrderedSet } from './ordered-set.js';

/** The queued jobs: ready for a claim, by type and in the order in which they are to run, or waiting for a time. */
export class RunQueue {
  /** Higher after anything that may let a claim find a job which found none before. */
  changes = 0;

  readonly #jobOf: (id: string) => Job | undefined;
  readonly #ready = new Map<string, OrderedSet>();
  /** `time|id`, and the time by id. */
  readonly #delayed = new OrderedSet();
  readonly #delayedUntil = new Map<string, string>();

  constructor(jobOf: (id: string) => Job | undefined) {
    this.#jobOf = jobOf;
  }

  add(job: Job): void {
    this.changes += 1;
    if (job.status !== 'queued') return;
    const notBefore = job.retryAt ?? job.runAt;
    if (notBefore === null) this.#readyOf(job.type).add(queueKey(job));
    else this.#delay(job.id, notBefore);
  }

  remove(job: Job): void {
    this.changes += 1;
    if (job.status !== 'queued') return;
    this.#readyOf(job.type).delete(queueKey(job));
    this.#undelay(job.id);
  }

  /** Ids of jobs of `type` that wait for a worker now, in the order in which they are to run. */
  *ready(type: string): Generator<string> {
    for (const key of this.#ready.get(type)?.ascending() ?? []) yield idOf(key);
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

/** Higher priority first, then the older job. */
export const queueKey = (job: Job): string => `${String(100 - job.priority).padStart(3, '0')}|${job.id}`;
const idOf = (key: string): string => key.slice(key.lastIndexOf('|') + 1);
