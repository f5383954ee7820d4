import type { Job, TransferOptions } from './job.js';
import type { Seen } from './seen.js';

/** The completed transfers by their two sides: what the last one saw there is what the next one expects. */
export class CompletedPairs {
  readonly #ids = new Map<string, Set<string>>();
  readonly #jobOf: (id: string) => Job | undefined;

  constructor(jobOf: (id: string) => Job | undefined) {
    this.#jobOf = jobOf;
  }

  add(job: Job): void {
    const key = keyOf(job);
    if (key === null || job.status !== 'completed' || !job.seen) return;
    const ids = this.#ids.get(key);
    if (ids) ids.add(job.id);
    else this.#ids.set(key, new Set([job.id]));
  }

  delete(job: Job): void {
    const key = keyOf(job);
    const ids = key === null ? undefined : this.#ids.get(key);
    if (key === null || !ids?.delete(job.id) || ids.size > 0) return;
    this.#ids.delete(key);
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
    let last: Job | null = null;
    for (const id of (key !== null && this.#ids.get(key)) || []) {
      const one = this.#jobOf(id);
      if (one && (last?.finishedAt ?? '') <= (one.finishedAt ?? '')) last = one;
    }
    return last;
  }
}

/** Null for a job that moves nothing from one side to the other. */
function keyOf({ source, destination, options }: Job): string | null {
  if (source === null || destination === null || (options as TransferOptions).compareOnly) return null;
  return `${source}\0${destination}`;
}

function patternsOf({ options }: Job): string {
  const { excludes, includes } = options as TransferOptions;
  return JSON.stringify([excludes, includes]);
}
