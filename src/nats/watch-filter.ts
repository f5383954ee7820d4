import type { Job, JobStatus } from '../../actors/job.js';
import type { JobChange } from './recent-changes.js';

/** Which jobs a watcher follows; a field left out lets every job through. */
export interface WatchFilter {
  ids?: string[];
  status?: JobStatus[];
}

/** A `WatchFilter` made ready to be asked many times. */
export class JobFilter {
  /** Equal for filters that let the same jobs through. */
  readonly key: string;
  readonly ids: ReadonlySet<string> | null;
  readonly status: ReadonlySet<JobStatus> | null;

  constructor(filter: WatchFilter) {
    this.ids = filter.ids ? new Set(filter.ids) : null;
    this.status = filter.status?.length ? new Set(filter.status) : null;
    this.key = JSON.stringify([this.ids && [...this.ids].sort(), this.status && [...this.status].sort()]);
  }

  matches(job: Job): boolean {
    return (this.ids?.has(job.id) ?? true) && (this.status?.has(job.status) ?? true);
  }

  /** Of `changes` those that a watcher must hear of: of jobs that are let through now, or were before. */
  select(changes: readonly JobChange[]): { jobs: Job[]; deleted: string[] } {
    const jobs: Job[] = [];
    const deleted: string[] = [];
    for (const change of changes) {
      if (this.ids && !this.ids.has(change.id)) continue;
      if (change.job && this.matches(change.job)) jobs.push(change.job);
      else if (!this.#knew(change)) continue;
      else if (change.job) jobs.push(change.job);
      else deleted.push(change.id);
    }
    return { jobs, deleted };
  }

  #knew({ was }: JobChange): boolean {
    return was === 'unknown' || (was !== 'none' && (this.status?.has(was) ?? true));
  }
}
