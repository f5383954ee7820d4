import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { JobClient } from '../../src/job-client.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let client: JobClient;
let type = '';
let types = 0;
beforeAll(async () => {
  service = await startTestService({ gateway: false, settings: { TALLYMAN_LEASE_MS: '700', TALLYMAN_REMOTES: 'cloud,store' } });
  client = service.client;
});
afterAll(() => service.stop());
beforeEach(() => {
  type = `kind-${(types += 1)}`;
});

const claim = async (waitMs = 0): Promise<Job | null> => (await client.ask('claim', { worker: 'spec/1', types: [type], waitMs })).job;
const statusOf = (id: string) => expect.poll(async () => (await client.get(id)).status);

test('a claim that waits gets the job that is created meanwhile', async () => {
  const waiting = claim(5000);
  const { id } = await client.create({ type });
  expect(await waiting).toMatchObject({ id, status: 'running', attempt: 1, worker: 'spec/1' });
});

test('a claim that waits is answered without a job when its time is over', async () => {
  expect(await claim(50)).toBeNull();
});

test('of two claims one gets the job', async () => {
  await client.create({ type });
  const jobs = await Promise.all(Array.from({ length: 20 }, () => claim()));
  expect(jobs.filter((job) => job !== null)).toHaveLength(1);
});

test('higher priority runs first, then the older job', async () => {
  const [low, old, high] = await Promise.all([0, 5, 9].map((priority) => client.create({ type, priority })));
  expect([await claim(), await claim(), await claim()].map((job) => job?.id)).toEqual([high?.id, old?.id, low?.id]);
});

test('an attempt whose lease passed goes back to the queue, and its worker is told', async () => {
  const { id } = await client.create({ type });
  await claim();
  await statusOf(id).toBe('queued');
  await expect(client.ask('progress', { id, attempt: 1, progress: { percent: 5 } })).rejects.toMatchObject({ code: 'attempt_expired' });
  await expect(client.ask('complete', { id, attempt: 1 })).rejects.toMatchObject({ code: 'attempt_expired' });
  expect(await claim()).toMatchObject({ id, attempt: 2 });
  expect((await client.history(id)).map(({ verb }) => verb)).toEqual(['create', 'claim', 'expire', 'claim']);
});

test('a sign of life keeps the lease, a restart of the manager does not end it, and silence after it does', async () => {
  const { id } = await client.create({ type });
  await claim();
  for (let beats = 0; beats < 4; beats += 1) {
    await new Promise((resolve) => setTimeout(resolve, 300)); // the passing of the lease's time is what is tried
    expect(await client.ask('heartbeat', { id, attempt: 1 })).toMatchObject({ wanted: 'run' });
  }
  await service.restartManager();
  expect(await client.ask('heartbeat', { id, attempt: 1 })).toMatchObject({ wanted: 'run' });
  await statusOf(id).toBe('queued');
});

test('pause and cancel are told to the worker, and come true when it lets go', async () => {
  for (const [verb, status] of [
    ['pause', 'paused'],
    ['cancel', 'cancelled'],
  ] as const) {
    const { id } = await client.create({ type });
    await claim();
    expect(await client.command(verb, id)).toMatchObject({ status: 'running', wanted: verb });
    expect(await client.ask('progress', { updates: [{ id, attempt: 1 }] })).toMatchObject({ results: [{ id, wanted: verb }] });
    expect(await client.ask('release', { id, attempt: 1 })).toMatchObject({ status, wanted: 'run' });
  }
});

test('what waiting can help is tried again after a second, also by a manager that was started meanwhile', async () => {
  const { id } = await client.create({ type, options: { maxRetries: 1 } });
  await claim();
  const failed = await client.ask('fail', { id, attempt: 1, error: { code: 'network', message: 'gone', retriable: true } });
  expect(failed).toMatchObject({ status: 'queued', retries: 1, error: { code: 'network' } });
  expect(Date.parse(failed.retryAt ?? '') - Date.parse(failed.updatedAt)).toBeGreaterThanOrEqual(1000);
  expect(await claim()).toBeNull();
  await service.restartManager();
  expect(await claim(5000)).toMatchObject({ id, attempt: 2, error: null });
  const last = await client.ask('fail', { id, attempt: 2, error: { code: 'network', message: 'gone', retriable: true } });
  expect(last).toMatchObject({ status: 'failed', retryAt: null });
});

test('what waiting cannot help is not tried again', async () => {
  const { id } = await client.create({ type });
  await claim();
  expect(await client.ask('fail', { id, attempt: 1, error: { code: 'disk_full', message: 'full' } })).toMatchObject({ status: 'failed' });
});

test('within a phase percent never falls; a new phase begins anew', async () => {
  const { id } = await client.create({ type });
  await claim();
  const percentAfter = async (phase: 'transferring' | 'verifying', percent: number) => {
    await client.ask('progress', { id, attempt: 1, phase, progress: { percent } });
    return (await client.get(id)).progress.percent;
  };
  expect(await percentAfter('transferring', 50)).toBe(50);
  expect(await percentAfter('transferring', 40)).toBe(50);
  expect(await percentAfter('verifying', 1)).toBe(1);
});

test('a job that is to run later waits for its time', async () => {
  const runAt = new Date(Date.now() + 400).toISOString();
  const { id } = await client.create({ type, runAt });
  expect(await claim()).toBeNull();
  const job = await claim(5000);
  expect(job?.id).toBe(id);
  expect(Date.parse(job?.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(runAt));
});

test('one writer to a destination: a job that overlaps a running one waits for its end', async () => {
  const claimRsync = async () => (await client.ask('claim', { worker: 'spec/1', types: ['rsync'] })).job;
  const first = await client.create({ type: 'rsync', source: '/a/', destination: '/backup/photos' });
  const inner = await client.create({ type: 'rsync', source: '/b/', destination: '/backup/photos/2026/' });
  const beside = await client.create({ type: 'rsync', source: '/c/', destination: '/backup/photos-old' });
  expect((await claimRsync())?.id).toBe(first.id);
  expect((await claimRsync())?.id).toBe(beside.id);
  expect(await claimRsync()).toBeNull();
  await client.ask('complete', { id: first.id, attempt: 1 });
  expect((await claimRsync())?.id).toBe(inner.id);
});

test('one writer to a destination also on a remote, by its name and path', async () => {
  const claimRclone = async () => (await client.ask('claim', { worker: 'spec/1', types: ['rclone'] })).job;
  const create = (destination: string) => client.create({ type: 'rclone', source: '/a/', destination });
  const first = await create('cloud:photos/');
  const same = await create('cloud:/photos/2026');
  const elsewhere = await create('store:photos');
  expect((await claimRclone())?.id).toBe(first.id);
  expect((await claimRclone())?.id).toBe(elsewhere.id);
  expect(await claimRclone()).toBeNull();
  await client.ask('complete', { id: first.id, attempt: 1 });
  expect((await claimRclone())?.id).toBe(same.id);
});
