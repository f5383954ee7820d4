import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { JobClient } from '../../src/job-client.js';
import type { Job } from '../../actors/job.js';
import { startTestService, type TestService } from '../support/service.js';
import { versionsOf } from './mirror.js';

let service: TestService;

beforeEach(async () => {
  service = await startTestService();
});

afterEach(async () => {
  await service.stop();
});

/** Keeps a copy of the jobs from the answers of `changes`, until its signal says stop. Goes on after errors, from where it was. */
async function follow(client: JobClient, ids: string[] | undefined, copy: Map<string, Job>, signal: AbortSignal): Promise<void> {
  let since: number | undefined;
  while (!signal.aborted) {
    try {
      const request = { ...(ids && { ids }), ...(since !== undefined && { since }), waitMs: 300 };
      const { seq, jobs, deleted, reset } = await client.ask('changes', request, { timeoutMs: 2000 });
      if (reset) copy.clear();
      for (const job of jobs) copy.set(job.id, job);
      for (const id of deleted) copy.delete(id);
      since = seq;
    } catch {
      // The service or its NATS server is away for a moment.
    }
  }
}

test('watchers end with what list says, through restarts of the manager and of nats-server', { timeout: 90_000 }, async () => {
  const { client } = service;
  const ending = new AbortController();
  const first = await client.create({ type: 'work', name: 'first' });
  const all = new Map<string, Job>();
  const one = new Map<string, Job>();
  const following = [
    follow(await service.connect(), undefined, all, ending.signal),
    follow(await service.connect(), [first.id], one, ending.signal),
  ];
  const work = async (round: number): Promise<void> => {
    const { jobs } = await client.ask('create_many', {
      jobs: Array.from({ length: 20 }, (_, index) => ({ type: 'work', name: `${round} ${index}` })),
    });
    await client.ask('cancel', { ids: jobs.slice(0, 10).map((job) => job.id) });
    await client.ask('delete', { ids: jobs.slice(0, 5).map((job) => job.id) });
    await client.ask('update', { id: first.id, priority: round });
  };

  await work(1);
  await service.restartManager();
  await work(2);
  await service.nats.kill();
  await service.nats.restart();
  // Reads are served again before the connection that writes the journal is back; until then a change may end unknown.
  await vi.waitFor(() => client.ask('update', { id: first.id, priority: 2 }), { timeout: 30_000, interval: 100 });
  await work(3);
  await client.command('cancel', first.id);

  const { jobs } = await client.list({ limit: 1000 });
  expect(jobs.length).toBe(46);
  await expect.poll(() => versionsOf(all.values()), { timeout: 20_000 }).toEqual(versionsOf(jobs));
  await expect.poll(() => one.get(first.id)?.status, { timeout: 20_000 }).toBe('cancelled');
  ending.abort();
  await Promise.all(following);
});
