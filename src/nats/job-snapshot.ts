import { JobError } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import type { JobClient } from '../job-client.js';
import type { JobFilter } from './watch-filter.js';

/** The jobs that a filter lets through, as they were at `seq` or later: whatever came after it overrides them. */
export interface JobSnapshot {
  seq: number;
  jobs: Job[];
  /** How many there are; more than `jobs` when the list was too long, and then the oldest are left out. */
  total: number;
}

export type SnapshotClient = Pick<JobClient, 'ask'>;

const GETS_AT_ONCE = 32;

/** Asks the JobManager. `seenSeq` is a record known to be stored before the call. */
export async function takeSnapshot(client: SnapshotClient, filter: JobFilter, seenSeq: number): Promise<JobSnapshot> {
  return filter.ids ? await takeByIds(client, filter, [...filter.ids], seenSeq) : await takeByPages(client, filter);
}

async function takeByPages(client: SnapshotClient, filter: JobFilter): Promise<JobSnapshot> {
  const status = filter.status ? { status: [...filter.status] } : {};
  const jobs = new Map<string, Job>();
  let seq = Infinity;
  let total = 0;
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof client.ask<'list'>>> = await client.ask('list', { ...status, limit: LIMITS.listMax, cursor });
    // The first page has the smallest sequence; the later ones may hold newer states, which come again as changes.
    seq = Math.min(seq, page.seq);
    total = page.total;
    for (const job of page.jobs) jobs.set(job.id, job);
    cursor = page.nextCursor;
  } while (cursor !== null && jobs.size < LIMITS.watchSnapshotJobs);
  return { seq, jobs: [...jobs.values()], total: cursor === null ? jobs.size : Math.max(total, jobs.size) };
}

/** The manager decides in the order of the journal, so a job asked for after `seenSeq` was stored is at least that new. */
async function takeByIds(client: SnapshotClient, filter: JobFilter, ids: string[], seenSeq: number): Promise<JobSnapshot> {
  const jobs: Job[] = [];
  for (let start = 0; start < ids.length; start += GETS_AT_ONCE) {
    const found = await Promise.all(ids.slice(start, start + GETS_AT_ONCE).map((id) => getIfThere(client, id)));
    for (const job of found) if (job && filter.matches(job)) jobs.push(job);
  }
  return { seq: seenSeq, jobs, total: jobs.length };
}

async function getIfThere(client: SnapshotClient, id: string): Promise<Job | null> {
  try {
    return await client.ask('get', { id });
  } catch (error) {
    if (error instanceof JobError && error.code === 'job_not_found') return null;
    throw error;
  }
}
