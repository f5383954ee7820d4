import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { Verb } from '../../actors/requests.js';
import type { Answers } from '../../src/answers.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

/** The rules of the queue, with real parts: through every front end, and after a restart of the manager. */
let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

describe.each(FRONT_ENDS)('over %s', (way) => {
  let frontEnd: FrontEnd;
  const type = `queue-${way.toLowerCase()}`;
  beforeAll(async () => {
    frontEnd = await openFrontEnd(service, way);
  });
  afterAll(() => frontEnd.close());

  const ask = <V extends Verb>(verb: V, body: object) => frontEnd.ask<Answers[V]>(verb, body);
  const create = (more: object = {}): Promise<Job> => ask('create', { type, ...more });
  const claim = async () => (await ask('claim', { worker: 'w', types: [type] })).job?.id;

  test('a job waits for others, says so, and still does after a restart of the manager', async () => {
    const one = await create();
    const { id } = await create({ after: [one.id], priority: 10 });
    await service.restartManager();
    expect((await ask('why', { id })).reasons).toMatchObject([{ code: 'after', jobs: [one.id] }]);
    expect(await claim()).toBe(one.id);
    await ask('complete', { id: one.id, attempt: 1 });
    expect(await claim()).toBe(id);
  });

  test('past its deadline a job that waits fails and one that runs is stopped, whoever leads by then', async () => {
    const deadlineAt = new Date(Date.now() + 1500).toISOString();
    const [runs, waits] = [await create({ options: { deadlineAt } }), await create({ options: { deadlineAt }, priority: -1 })];
    expect(await claim()).toBe(runs.id);
    await service.restartManager();
    await expect.poll(async () => (await ask('get', { id: waits.id })).error?.code, { timeout: 5000 }).toBe('deadline_passed');
    expect(await ask('heartbeat', { id: runs.id, attempt: 1 })).toMatchObject({ wanted: 'stop' });
    expect(await ask('release', { id: runs.id, attempt: 1 })).toMatchObject({ status: 'failed', error: { code: 'deadline_passed' } });
  });

  test('an attempt that takes too long is stopped and tried again, though the manager was restarted meanwhile', async () => {
    const { id } = await create({ options: { attemptTimeoutSeconds: 1 } });
    expect(await claim()).toBe(id);
    await service.restartManager();
    await expect.poll(async () => (await ask('heartbeat', { id, attempt: 1 })).wanted, { timeout: 5000 }).toBe('stop');
    expect(await ask('release', { id, attempt: 1 })).toMatchObject({ status: 'queued', retries: 1, error: { code: 'attempt_timeout' } });
    await ask('cancel', { id });
  });

  test('hours are kept, and wrong ones are refused by their field', async () => {
    const soon = new Date(Date.now() + 3_600_000).toISOString().slice(11, 16);
    const later = new Date(Date.now() + 7_200_000).toISOString().slice(11, 16);
    const { id } = await create({ options: { hours: { from: soon, to: later, timeZone: 'UTC' } } });
    expect(await claim()).toBeUndefined();
    expect((await ask('why', { id })).reasons).toMatchObject([{ code: 'hours' }]);
    await ask('cancel', { id });
    await expect(create({ options: { hours: { from: soon, to: later, timeZone: 'Mars/Base' } } })).rejects.toMatchObject({
      code: 'invalid_request',
      details: { field: 'options.hours.timeZone' },
    });
  });

  test('waiting jobs are moved, and run in the new order after a restart of the manager', async () => {
    const [a, b, c] = [await create(), await create(), await create()];
    await ask('reorder', { id: c.id, to: 'first' });
    await ask('reorder', { id: b.id, to: { before: c.id } });
    await service.restartManager();
    const { jobs } = await ask('list', { type, status: ['queued'], sort: 'queue' });
    expect(jobs.map(({ id }) => id)).toEqual([b.id, c.id, a.id]);
    expect([await claim(), await claim(), await claim()]).toEqual([b.id, c.id, a.id]);
    await expect(ask('reorder', { id: a.id, to: 'first' })).rejects.toMatchObject({ code: 'illegal_transition' });
  });

  test('a duplicate is made once for one key', async () => {
    const { id } = await create({ input: { n: 1 }, start: false });
    const asked = { id, overrides: { name: 'again', start: false }, idempotencyKey: `again ${way}` };
    const made = await ask('duplicate', asked);
    expect(made).toMatchObject({ name: 'again', input: { n: 1 }, status: 'pending' });
    expect((await ask('duplicate', asked)).id).toBe(made.id);
  });
});

test('no more jobs run than the settings allow, in all and of one label, whoever leads', async () => {
  const limited = await startTestService({ gateway: false, settings: { TALLYMAN_MAX_RUNNING: '3', TALLYMAN_LABEL_LIMITS: 'disk=1' } });
  const { client } = limited;
  const create = (labels: Record<string, string> = {}) => client.create({ type: 'limited', labels });
  const claim = async () => (await client.ask('claim', { worker: 'w', types: ['limited'] })).job?.id;
  const [a, b, c, d, e] = [await create({ disk: 'one' }), await create({ disk: 'one' }), await create(), await create(), await create()];
  expect([await claim(), await claim()]).toEqual([a.id, c.id]);
  expect((await client.ask('why', { id: b.id })).reasons[0]?.message).toContain('disk=one');
  await limited.restartManager();
  expect([await claim(), await claim()]).toEqual([d.id, undefined]);
  expect((await client.ask('why', { id: e.id })).reasons[0]?.message).toContain('TALLYMAN_MAX_RUNNING');
  await client.ask('complete', { id: a.id, attempt: 1 });
  expect(await claim()).toBe(b.id);
  await limited.stop();
});
