import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { Answers } from '../../src/answers.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

/** What the lock-guarded manager was asked to survive, at a hundred times the load, through every front end. */
describe.each(FRONT_ENDS)('over %s', (way) => {
  let service: TestService;
  let ask: FrontEnd['ask'];
  const open: FrontEnd[] = [];
  const connect = async (): Promise<FrontEnd['ask']> => {
    const frontEnd = await openFrontEnd(service, way);
    open.push(frontEnd);
    return frontEnd.ask;
  };
  const create = (fields: object = {}) => ask<Job>('create', { type: 'probe', start: false, ...fields });
  const everyJob = async (): Promise<Job[]> => {
    const jobs: Job[] = [];
    let cursor: string | null = null;
    do {
      const page: Answers['list'] = await ask('list', { limit: 100, cursor });
      jobs.push(...page.jobs);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return jobs;
  };

  beforeAll(async () => {
    service = await startTestService();
    ask = await connect();
  });
  afterAll(async () => {
    for (const frontEnd of open) await frontEnd.close();
    await service.stop();
  });

  test('ten readers list while five writers update one job: every list is whole, and versions only rise', async () => {
    const { id } = await create({ name: 'one' });
    const writers = await Promise.all(Array.from({ length: 5 }, connect));
    const readers = await Promise.all(Array.from({ length: 10 }, connect));
    let writing = true;
    const written = Promise.all(
      writers.map(async (write, writer) => {
        for (let n = 0; n < 100; n += 1) await write('update', { id, name: `writer ${writer} ${n}` });
      }),
    ).finally(() => (writing = false));
    const read = readers.map(async (readIt) => {
      let version = 0;
      while (writing) {
        const { jobs } = await readIt<Answers['list']>('list', {});
        const job = jobs.find((one) => one.id === id);
        expect(job?.version).toBeGreaterThanOrEqual(version);
        version = job?.version ?? 0;
      }
    });
    await Promise.all([written, ...read]);
    expect((await ask<Job>('get', { id })).version).toBe(501);
  });

  test('cleanup runs all the time while others list: no list holds a job twice or loses one that stays', async () => {
    const staying = await Promise.all(Array.from({ length: 150 }, (_, n) => create({ name: `stays ${n}` })));
    let going = true;
    const churn = (async () => {
      for (let n = 0; n < 40; n += 1) {
        const { jobs } = await ask<Answers['create_many']>('create_many', { jobs: Array.from({ length: 10 }, () => ({ type: 'probe' })) });
        await ask('cancel', { ids: jobs.map(({ id }) => id) });
        await ask('cleanup', {});
      }
    })().finally(() => (going = false));
    const lists = (async () => {
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it changes while this waits
      while (going) {
        const ids = (await everyJob()).map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(staying.filter(({ id }) => !ids.includes(id))).toEqual([]);
      }
    })();
    await Promise.all([churn, lists]);
  });

  test('a hundred updates of one job at once: none is lost, and what is stored is what is in memory', async () => {
    const { id } = await create();
    const askers = await Promise.all(Array.from({ length: 10 }, connect));
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, n) =>
        (askers[n % 10] as FrontEnd['ask'])<Job>('progress', { id, progress: { bytesTransferred: n } }),
      ),
    );
    expect(answers.map(({ version }) => version).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 1000 }, (_, n) => n + 2).filter((version) => answers.some((answer) => answer.version === version)),
    );
    const before = await everyJob();
    const history = await ask('history', { id });
    await service.restartManager();
    expect(await everyJob()).toEqual(before);
    expect(await ask('history', { id })).toEqual(history);
    expect(before.find((job) => job.id === id)?.version).toBe(Math.max(...answers.map(({ version }) => version)));
  });

  test('operations that hold others within them all end, however they meet', async () => {
    const { jobs } = await ask<Answers['create_many']>('create_many', { jobs: Array.from({ length: 100 }, () => ({ type: 'nested' })) });
    const ids = jobs.map(({ id }) => id);
    const many = (['pause', 'resume', 'cancel', 'retry', 'delete'] as const).flatMap((verb) =>
      Array.from({ length: 10 }, () => ask<{ results: unknown[] }>(verb, { ids })),
    );
    const cleanups = Array.from({ length: 20 }, () => ask('cleanup', { statuses: ['cancelled'] }));
    const claims = Array.from({ length: 20 }, () => ask('claim', { worker: 'w', types: ['nested'], waitMs: 10 }));
    const answers = await Promise.all([...many, ...cleanups, ...claims]);
    expect(answers).toHaveLength(90);
  });

  test('a create repeated with its key is one job; with another body it is an error', async () => {
    const body = { type: 'probe', idempotencyKey: `key by ${way}` };
    const jobs = await Promise.all(Array.from({ length: 50 }, () => ask<Job>('create', body)));
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(1);
    await service.restartManager();
    expect((await ask<Job>('create', body)).id).toBe(jobs[0]?.id);
    await expect(ask('create', { ...body, name: 'other' })).rejects.toMatchObject({ code: 'idempotency_conflict' });
  });

  test('what is refused says why and changes nothing', async () => {
    const { id, version } = await create();
    await expect(ask('resume', { id })).rejects.toMatchObject({ code: 'illegal_transition', details: { status: 'pending' } });
    await expect(ask('update', { id, name: 'x', ifVersion: 9 })).rejects.toMatchObject({ code: 'version_conflict', details: { version } });
    await expect(ask('get', { id: 'nobody' })).rejects.toMatchObject({ code: 'job_not_found' });
    await expect(ask('create', { type: 'rsync', source: 'host:path', destination: '/tmp/x' })).rejects.toMatchObject({
      code: 'remote_not_allowed',
    });
    await expect(ask('create', { type: 'rsync', source: '/tmp/../etc', destination: '/tmp/x' })).rejects.toMatchObject({
      code: 'path_not_allowed',
    });
    await expect(ask('create_many', { jobs: [{ type: 'probe' }, { type: 'rsync' }] })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(
      ask('create_many', { jobs: [{ type: 'probe' }, { type: 'rsync', source: '/tmp/../etc/', destination: '/tmp/x' }] }),
    ).rejects.toMatchObject({
      code: 'path_not_allowed',
      message: expect.stringMatching(/^jobs\[1\]\.source: /) as unknown,
      details: { field: 'jobs[1].source' },
    });
    await expect(
      ask('create_many', {
        jobs: [
          { type: 'probe', idempotencyKey: 'k' },
          { type: 'other', idempotencyKey: 'k' },
        ],
      }),
    ).rejects.toMatchObject({ code: 'idempotency_conflict', message: expect.stringMatching(/^jobs\[1\]: This /) as unknown });
    await expect(ask('create', { type: 'probe', colour: 'red' })).rejects.toMatchObject({ details: { field: 'colour' } });
    expect(await ask<Job>('get', { id })).toMatchObject({ version, status: 'pending' });
  });
});
