import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { Answers } from '../../src/answers.js';
import type { JobClient } from '../../src/job-client.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let client: JobClient;
let frontEnds: FrontEnd[];
beforeAll(async () => {
  // The service's own cleanup runs all the time too, and forgets whatever has finished.
  service = await startTestService({ settings: { TALLYMAN_CLEANUP_EVERY_MS: '100', TALLYMAN_CLEANUP_AFTER_SECONDS: '0.001' } });
  client = service.client;
  frontEnds = await Promise.all(FRONT_ENDS.map((way) => openFrontEnd(service, way)));
});
afterAll(async () => {
  for (const frontEnd of frontEnds) await frontEnd.close();
  await service.stop();
});

async function everyJob(ask: FrontEnd['ask'], query: object = {}, limit = 100): Promise<Job[]> {
  const jobs: Job[] = [];
  let cursor: string | null = null;
  do {
    const page: Answers['list'] = await ask('list', { ...query, limit, cursor });
    jobs.push(...page.jobs);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return jobs;
}

test('ten thousand updates of one job at once: each is a version of its own, and a restarted manager tells the same', async () => {
  const { id } = await client.create({ type: 'busy' });
  const clients = await Promise.all(Array.from({ length: 10 }, () => service.connect()));
  const before = await everyJob(client.ask.bind(client) as FrontEnd['ask']);
  const answers = await Promise.all(
    Array.from({ length: 10_000 }, (_, n) => clients[n % 10]!.ask('update', { id, name: `name ${n}` }, { timeoutMs: 20_000 })),
  );
  expect(answers.map(({ version }) => version).sort((a, b) => a - b)).toEqual(answers.map((_, n) => n + 2));
  const last = answers.find(({ version }) => version === 10_001);
  const told = { job: await client.get(id), history: await client.ask('history', { id }), total: (await client.list()).total };
  expect(told).toMatchObject({ job: last, total: before.length });
  expect(told.history).toMatchObject({ truncated: true, history: expect.objectContaining({ length: 100 }) as unknown });
  expect(told.history.history.map(({ version }) => version)).toEqual(Array.from({ length: 100 }, (_, n) => 9902 + n));
  await service.restartManager();
  expect({ job: await client.get(id), history: await client.ask('history', { id }), total: (await client.list()).total }).toEqual(told);
});

test('while cleanup runs all the time pages repeat nothing and lose nothing that stays, and no job is seen half gone', async () => {
  const type = 'churned';
  const { jobs: staying } = await client.ask('create_many', { jobs: Array.from({ length: 500 }, () => ({ type, start: false })) });
  const stays = new Set(staying.map(({ id }) => id));
  let made = 0;
  let working = true;
  const churn = Promise.all(
    frontEnds.map(async ({ ask }) => {
      for (let round = 0; round < 30; round += 1) {
        const { jobs } = await ask<Answers['create_many']>('create_many', { jobs: Array.from({ length: 20 }, () => ({ type })) });
        await ask('cancel', { ids: jobs.map(({ id }) => id) });
        await ask('cleanup', {});
        made += jobs.length;
      }
    }),
  ).finally(() => (working = false));
  const pagers = frontEnds.flatMap(({ ask }) =>
    (['createdAt', '-createdAt', 'name'] as const).map(async (sort) => {
      while (working) {
        const ids = (await everyJob(ask, { type, sort }, 50)).map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.filter((id) => stays.has(id)).length).toBe(stays.size);
      }
    }),
  );
  const lookers = frontEnds.map(async ({ ask }) => {
    while (working) {
      const { jobs } = await ask<Answers['list']>('list', { type, status: ['cancelled'] });
      const found = await Promise.allSettled(jobs.slice(0, 5).map(({ id }) => ask<Job>('get', { id })));
      // Gone or whole, nothing between.
      for (const one of found) {
        if (one.status === 'fulfilled') expect(one.value).toMatchObject({ type, status: 'cancelled', version: 2 });
        else expect(one.reason).toMatchObject({ code: 'job_not_found' });
      }
    }
  });
  await Promise.all([churn, ...pagers, ...lookers]);
  expect(made).toBe(30 * 20 * frontEnds.length);
  await expect.poll(async () => (await client.list({ type })).total).toBe(stays.size);
});

test('a watcher ends with exactly what the list tells, whatever was made, changed, removed and restarted meanwhile', async () => {
  const type = 'watched';
  const mirrored = new Map<string, Job>();
  const stopping = new AbortController();
  const watching = (async () => {
    for await (const { jobs, deleted, reset } of client.watch({ signal: stopping.signal })) {
      if (reset) mirrored.clear();
      for (const job of jobs) {
        expect(job.version).toBeGreaterThanOrEqual(mirrored.get(job.id)?.version ?? 0);
        mirrored.set(job.id, job);
      }
      for (const id of deleted) mirrored.delete(id);
    }
  })();
  const work = async ({ ask }: FrontEnd) => {
    for (let round = 0; round < 10; round += 1) {
      const { jobs } = await ask<Answers['create_many']>('create_many', { jobs: Array.from({ length: 20 }, () => ({ type })) });
      const ids = jobs.map(({ id }) => id);
      await ask('pause', { ids });
      await ask('resume', { ids: ids.slice(5) });
      await ask('cancel', { ids: ids.slice(10) });
    }
  };
  await Promise.all(frontEnds.map(work));
  await service.restartManager();
  await Promise.all(frontEnds.map(work));
  await expect.poll(async () => (await client.list({ type })).total).toBe(2 * 10 * 10 * frontEnds.length);
  const listed = await everyJob(frontEnds[0]!.ask, { type }, 1000);
  const ofType = () => [...mirrored.values()].filter((job) => job.type === type).sort((a, b) => (a.id < b.id ? 1 : -1));
  await expect.poll(() => ofType().map(({ id, version }) => [id, version])).toEqual(listed.map(({ id, version }) => [id, version]));
  expect(ofType()).toEqual(listed);
  stopping.abort();
  await client.create({ type: 'farewell' });
  await watching;
});

test('operations that hold others within them never wait for each other: all end, whatever meets whatever', async () => {
  const type = 'nested';
  const { jobs } = await client.ask('create_many', { jobs: Array.from({ length: 200 }, () => ({ type })) });
  const ids = jobs.map(({ id }) => id);
  const every = frontEnds.flatMap(({ ask }, by) => [
    ...Array.from({ length: 10 }, () => ask('create_many', { jobs: [{ type }, { type }] })),
    ...(['pause', 'resume', 'cancel', 'retry', 'delete'] as const).flatMap((verb) =>
      Array.from({ length: 10 }, (_, n) => ask(verb, { ids: ids.slice(n * 10) })),
    ),
    ...Array.from({ length: 10 }, () => ask('cleanup', {})),
    ...Array.from({ length: 20 }, async (_, n) => {
      const { job } = await ask<Answers['claim']>('claim', { worker: `spec/${by}${n}`, types: [type], waitMs: 200 });
      if (job) await ask('complete', { id: job.id, attempt: job.attempt });
    }),
    ask('progress', { updates: ids.map((id) => ({ id, progress: { percent: 1 } })) }),
    ask('list', {}),
  ]);
  const outcomes = await Promise.allSettled(every);
  expect(outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))).toEqual([]);
});
