import type { Job, TransferOptions } from './job.js';
import { OrderedSet } from './ordered-set.js';
import type { Seen } from './seen.js';

/** The completed transfers by their two sides: what the last one saw there is what the next one expects. */
export class CompletedPairs {
  /** Of each pair the jobs in the order in which they finished: it may have been copied every minute for a year. */
  readonly #places = new Map<string, OrderedSet>();
  readonly #jobOf: (id: string) => Job | undefined;

  constructor(jobOf: (id: string) => Job | undefined) {
    this.#jobOf = jobOf;
  }

  add(job: Job): void {
    const key = keyOf(job);
    if (key === null || job.status !== 'completed' || !job.seen) return;
    let places = this.#places.get(key);
    if (!places) this.#places.set(key, (places = new OrderedSet()));
    places.add(placeOf(job));
  }

  delete(job: Job): void {
    const key = keyOf(job);
    const places = key === null ? undefined : this.#places.get(key);
    if (key === null || !places?.delete(placeOf(job)) || places.size > 0) return;
    this.#places.delete(key);
  }

  /** What the last completed job of the same two sides saw; its size of the source only where the patterns are the same. */
  seenBefore(job: Job): Seen | null {
    const last = this.#lastOf(job);
    if (!last?.seen) return null;
    const { sourceFiles, sourceBytes, ...disks } = last.seen;
    return patternsOf(last) === patternsOf(job) ? last.seen : disks;
  }

  #lastOf(job: Job): Job | null {
    const key = keyOf(job);
    const [last] = (key !== null && this.#places.get(key)?.descending()) || [];
    return last === undefined ? null : (this.#jobOf(last.slice(last.indexOf('|') + 1)) ?? null);
  }
}

const placeOf = ({ finishedAt, id }: Job): string => `${finishedAt}|${id}`;

/** Null for a job that moves nothing from one side to the other. */
function keyOf({ source, destination, options }: Job): string | null {
  if (source === null || destination === null || (options as TransferOptions).compareOnly) return null;
  return `${source}\0${destination}`;
}

function patternsOf({ options }: Job): string {
  const { excludes, includes } = options as TransferOptions;
  return JSON.stringify([excludes, includes]);
}
