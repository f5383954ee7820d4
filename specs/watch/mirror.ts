import type { Job } from '../../actors/job.js';
import type { Watch, WatchEvent, WatchFilter, WatchHub } from '../../src/nats/watch-hub.js';

/** A watcher that keeps its own copy of the jobs, as a page in a browser does, and notes what must not happen. */
export class Mirror {
  readonly jobs = new Map<string, Job>();
  readonly events: WatchEvent[] = [];
  readonly complaints: string[] = [];
  readonly filter: WatchFilter;
  #seq = 0;
  watch: Watch | null = null;

  private constructor(filter: WatchFilter) {
    this.filter = filter;
  }

  static async follow(hub: WatchHub, filter: WatchFilter = {}, since?: number): Promise<Mirror> {
    const mirror = new Mirror(filter);
    mirror.watch = await hub.watch(filter, since, (event) => mirror.take(event));
    mirror.take(mirror.watch.first);
    return mirror;
  }

  /** Goes on through another gateway from where it is. */
  async moveTo(hub: WatchHub): Promise<this> {
    this.watch = await hub.watch(this.filter, this.#seq, (event) => this.take(event));
    if (this.watch.first.kind !== 'changed' || this.watch.first.seq > this.#seq) this.take(this.watch.first);
    return this;
  }

  get kinds(): string[] {
    return this.events.map((event) => event.kind);
  }

  take(event: WatchEvent): void {
    this.events.push(event);
    if (event.kind !== 'changed') this.jobs.clear();
    else if (event.seq <= this.#seq) this.complaints.push(`event ${event.seq} came after ${this.#seq}`);
    this.#seq = event.seq;
    for (const job of event.jobs) {
      const before = this.jobs.get(job.id);
      // Jobs asked for by id may be newer than the sequence that they come with, and then come once more.
      const isOld = before && (this.filter.ids ? before.version > job.version : before.version >= job.version);
      if (isOld) this.complaints.push(`${job.id} came with version ${job.version} after ${before.version}`);
      if (this.filter.status && !this.filter.status.includes(job.status)) this.jobs.delete(job.id);
      else this.jobs.set(job.id, job);
    }
    for (const id of event.deleted) this.jobs.delete(id);
  }

  /** Ids and versions, to compare with the truth. */
  get state(): Record<string, number> {
    return versionsOf(this.jobs.values());
  }
}

export const versionsOf = (jobs: Iterable<Job>): Record<string, number> =>
  Object.fromEntries([...jobs].map((job) => [job.id, job.version] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
