import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../actors/errors.js';
import type { Job, JobStatus } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import type { Answers } from '../answers.js';
import type { JobClient } from '../job-client.js';
import { patiently } from './patience.js';
import type { Service } from './service.js';

export interface Filter {
  ids?: string[];
  status?: JobStatus[];
}

/** A connection that broke is noticed after this at the latest, when nothing else tells. */
const WAIT_MS = 3_000;
const POLL_MS = 1_000;

/**
 * Jobs as they change: first a `reset` with the jobs as they are, then every
 * change, newest state only. Goes on through a restart of the service.
 */
export async function* follow(service: Service, filter: Filter, say: (text: string) => void): AsyncGenerator<Answers['changes']> {
  const seen = new Map<string, number>();
  let since: number | undefined;
  for (;;) {
    const answer = await patiently(service, say, (client) => ask(client, filter, since, seen));
    since = answer.seq;
    remember(answer, seen);
    if (answer.reset || answer.jobs.length > 0 || answer.deleted.length > 0) yield answer;
  }
}

/** The long poll, or one look a second where no gateway serves it. */
async function ask(client: JobClient, filter: Filter, since: number | undefined, seen: Map<string, number>): Promise<Answers['changes']> {
  try {
    return await client.ask(
      'changes',
      { ...filter, ...(since === undefined ? {} : { since }), waitMs: WAIT_MS },
      { timeoutMs: 2 * WAIT_MS },
    );
  } catch (error) {
    if (!(error instanceof JobError) || error.code !== 'unavailable') throw error;
    if (seen.size > 0) await sleep(POLL_MS);
    return look(client, filter, since, seen);
  }
}

async function look(client: JobClient, filter: Filter, since: number | undefined, seen: Map<string, number>): Promise<Answers['changes']> {
  const jobs = filter.ids
    ? (await Promise.all(filter.ids.map((id) => getIfThere(client, id)))).filter((job) => job !== null)
    : (await client.list({ sort: '-updatedAt', limit: LIMITS.listMax, ...(filter.status ? { status: filter.status } : {}) })).jobs;
  const gone = filter.ids ? [...seen.keys()].filter((id) => !jobs.some((job) => job.id === id)) : [];
  return { seq: since ?? 0, jobs: jobs.filter((job) => seen.get(job.id) !== job.version), deleted: gone, reset: seen.size === 0 };
}

async function getIfThere(client: JobClient, id: string): Promise<Job | null> {
  try {
    return await client.get(id);
  } catch (error) {
    if (error instanceof JobError && error.code === 'job_not_found') return null;
    throw error;
  }
}

function remember(answer: Answers['changes'], seen: Map<string, number>): void {
  if (answer.reset) seen.clear();
  for (const job of answer.jobs) seen.set(job.id, job.version);
  for (const id of answer.deleted) seen.delete(id);
}
