import { beforeEach, describe, expect, test } from 'vitest';
import { startAskedManager, type AskedManager } from '../support/asked-manager.js';

let manager: AskedManager;
beforeEach(async () => {
  manager = await startAskedManager({ leaseMs: 1_000_000_000 });
});

const inMs = (ms: number) => new Date(manager.clock.ms + ms).toISOString();
const make = async (options: object, more: object = {}) => (await manager.ask('create', { type: 'probe', options, ...more })).id;
const jobOf = (id: string) => manager.ask('get', { id });
const verbsOf = async (id: string) => (await manager.ask('history', { id })).history.map(({ verb }) => verb);

describe('past its deadline', () => {
  test.each(['pending', 'queued', 'paused', 'delayed'] as const)('a %s job fails, and its history says so', async (how) => {
    const id = await make({ deadlineAt: inMs(5000) }, { start: how !== 'pending', ...(how === 'delayed' ? { runAt: inMs(9000) } : {}) });
    if (how === 'paused') await manager.ask('pause', { id });
    await manager.turn(4900);
    expect((await jobOf(id)).status).toBe(how === 'delayed' ? 'queued' : how);
    await manager.turn(100);
    expect(await jobOf(id)).toMatchObject({ status: 'failed', error: { code: 'deadline_passed' }, finishedAt: inMs(0) });
    expect((await verbsOf(id)).at(-1)).toBe('deadline');
  });

  test('a job that was given one later fails by itself, without being asked for', async () => {
    const id = await make({});
    await manager.ask('update', { id, options: { deadlineAt: inMs(5000) } });
    await manager.turn(5000);
    expect(manager.journal.records.at(-1)?.changes).toMatchObject([{ put: { id, status: 'failed' } }]);
  });

  test('a running job is told to stop, and fails when its worker has let go', async () => {
    const id = await make({ deadlineAt: inMs(5000) });
    await manager.claim();
    await manager.turn(5000);
    expect(await manager.ask('heartbeat', { id, attempt: 1 })).toMatchObject({ wanted: 'stop' });
    expect((await jobOf(id)).status).toBe('running');
    await manager.ask('release', { id, attempt: 1, reason: 'stop' });
    expect(await jobOf(id)).toMatchObject({ status: 'failed', wanted: 'run', retries: 0, error: { code: 'deadline_passed' } });
  });

  test('a job whose manager was away then fails at its start', async () => {
    const [waits, runs] = [await make({ deadlineAt: inMs(5000) }), await make({ deadlineAt: inMs(6000) }, { priority: 1 })];
    expect(await manager.claim()).toBe(runs);
    manager.clock.ms += 7000;
    manager = await manager.restart();
    expect((await jobOf(waits)).status).toBe('failed');
    expect((await jobOf(runs)).wanted).toBe('stop');
  });

  test('a job that completes while it is being stopped has completed', async () => {
    const id = await make({ deadlineAt: inMs(5000) });
    await manager.claim();
    await manager.turn(5000);
    await manager.ask('complete', { id, attempt: 1 });
    expect((await jobOf(id)).status).toBe('completed');
  });

  test('a job is not created, and one that failed runs again with a later one', async () => {
    await expect(make({ deadlineAt: inMs(-1) })).rejects.toMatchObject({ details: { field: 'options.deadlineAt' } });
    const id = await make({ deadlineAt: inMs(5000) });
    await manager.turn(5000);
    await manager.ask('update', { id, options: { deadlineAt: null } });
    await manager.ask('retry', { id });
    await manager.turn(5000);
    expect(await manager.claim()).toBe(id);
  });
});

describe('an attempt that takes too long', () => {
  test('is stopped and counts as a failed one, that is tried again until no retry is left', async () => {
    const id = await make({ attemptTimeoutSeconds: 60, maxRetries: 1 });
    await manager.claim();
    await manager.turn(59_900);
    expect((await jobOf(id)).wanted).toBe('run');
    manager = await manager.restart();
    expect(await manager.ask('heartbeat', { id, attempt: 1 })).toMatchObject({ wanted: 'stop' });
    await manager.ask('release', { id, attempt: 1 });
    expect(await jobOf(id)).toMatchObject({ status: 'queued', retries: 1, error: { code: 'attempt_timeout', retriable: true } });
    await manager.turn(10_000);
    expect(await manager.claim()).toBe(id);
    await manager.turn(60_000);
    await manager.ask('release', { id, attempt: 2 });
    expect(await jobOf(id)).toMatchObject({ status: 'failed', error: { code: 'attempt_timeout' } });
    expect(await verbsOf(id)).toEqual(['create', 'claim', 'stop', 'fail', 'claim', 'stop', 'fail']);
  });

  test('and is paused meanwhile stays paused', async () => {
    const id = await make({ attemptTimeoutSeconds: 60 });
    await manager.claim();
    await manager.turn(60_000);
    await manager.ask('pause', { id });
    await manager.ask('release', { id, attempt: 1 });
    expect(await jobOf(id)).toMatchObject({ status: 'paused', error: null });
  });
});

describe('a job with hours', () => {
  // The clock begins at 08:00 UTC.
  const hours = { from: '09:00', to: '10:30', timeZone: 'UTC' };
  const HOUR_MS = 3_600_000;

  test('is handed out within them only, also to a claim that waits', async () => {
    const id = await make({ hours });
    let got: string | undefined;
    void manager.ask('claim', { worker: 'w', types: ['probe'], waitMs: 4000 }).then(({ job }) => (got = job?.id));
    await manager.turn(0);
    expect((await manager.ask('why', { id })).reasons).toMatchObject([
      { code: 'hours', message: expect.stringContaining('T09:00:00.000Z') as string },
    ]);
    await manager.turn(HOUR_MS - 2000 - (manager.clock.ms % 1000));
    expect(await manager.claim()).toBeNull();
    await manager.turn(1000);
    expect(got ?? (await manager.claim())).toBe(id);
  });

  test('is stopped at their end and waits for the next time, without a retry being counted', async () => {
    const id = await make({ hours, maxRetries: 0 });
    await manager.turn(HOUR_MS);
    expect(await manager.claim()).toBe(id);
    await manager.turn(1.5 * HOUR_MS);
    expect(await manager.ask('heartbeat', { id, attempt: 1 })).toMatchObject({ wanted: 'stop' });
    await manager.ask('release', { id, attempt: 1, reason: 'stop' });
    expect(await jobOf(id)).toMatchObject({ status: 'queued', retries: 0, retryAt: null, error: null });
    expect(await manager.claim()).toBeNull();
    manager = await manager.restart();
    expect(await manager.claim()).toBeNull();
    await manager.turn(22.5 * HOUR_MS);
    expect(await manager.claim()).toBe(id);
  });

  test('that are closed does not keep others from running', async () => {
    await make({ hours }, { priority: 5 });
    const id = await make({});
    expect(await manager.claim()).toBe(id);
  });
});

describe('an interrupted job that asks', () => {
  const options = { resume: 'ask' };
  const transfer = async (more: object = options) =>
    (await manager.ask('create', { type: 'rsync', source: '/from', destination: '/to', options: more })).id;

  test('pauses when its worker gives it back, says why, and goes on when it is resumed', async () => {
    const id = await transfer();
    await manager.claim(['rsync']);
    await manager.ask('release', { id, attempt: 1, reason: 'the worker stops' });
    expect(await jobOf(id)).toMatchObject({ status: 'paused', error: { code: 'interrupted' } });
    expect((await manager.ask('why', { id })).reasons[0]?.message).toContain('the worker stops');
    await manager.ask('resume', { id });
    expect(await jobOf(id)).toMatchObject({ status: 'queued', error: null });
    expect(await manager.claim(['rsync'])).toBe(id);
  });

  test('pauses when its lease passes, however many retries are left', async () => {
    manager = await startAskedManager();
    const id = await transfer({ ...options, maxRetries: 0 });
    await manager.claim(['rsync']);
    await manager.turn(10_001);
    expect(await jobOf(id)).toMatchObject({ status: 'paused', error: { code: 'worker_lost' } });
  });

  test.each([
    [{}, 'queued'],
    [{ deleteSource: { mode: 'after_verify', confirmed: true }, verify: 'checksum' }, 'paused'],
    [{ deleteSource: { mode: 'after_verify', confirmed: true }, verify: 'checksum', resume: 'auto' }, 'queued'],
  ])('is one with the options %j or not: it is %s', async (more, status) => {
    const id = await transfer(more);
    await manager.claim(['rsync']);
    await manager.ask('release', { id, attempt: 1 });
    expect((await jobOf(id)).status).toBe(status);
  });

  test('waits again by itself when it is its hours that have ended', async () => {
    const id = await transfer({ ...options, hours: { from: '07:00', to: '09:00', timeZone: 'UTC' } });
    await manager.claim(['rsync']);
    await manager.turn(3_600_000);
    await manager.ask('release', { id, attempt: 1 });
    expect((await jobOf(id)).status).toBe('queued');
  });
});
