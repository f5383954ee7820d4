import { mkdir, readdir, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Job, JobFailure, JobStatus, TransferType } from '../../actors/job.js';
import { findLeftovers } from '../../src/engines/leftovers.js';
import type { RequestBody } from '../../src/job-client.js';
import { newMarkers } from '../../src/worker/markers.js';
import { startWorkerRole } from '../../src/roles/worker-role.js';
import type { RunningRole } from '../../src/roles/role.js';
import { listTree, makeOddTree, newFolder, noise, writeOldFile } from '../engines/trees.js';
import { call } from '../http/http.js';
import { startAskedManager } from '../support/asked-manager.js';
import { startTestService, type TestService } from '../support/service.js';
import { WorkerProcess } from './worker-process.js';

/** What the tool could do that this service replaces, each in its own words. */

vi.setConfig({ testTimeout: 60_000 });

const MEGABYTE = 1024 * 1024;
let service: TestService;
let worker: RunningRole;
let folder: string;
beforeAll(async () => {
  service = await startTestService();
  worker = await startWorkerRole(service.config, service.nats.logins.worker);
});
afterAll(async () => {
  await worker.stop();
  await service.stop();
});
beforeEach(async () => {
  folder = await newFolder();
  await mkdir(at('source'));
});

const at = (name: string) => path.join(folder, name);
const create = (type: TransferType, body: Partial<RequestBody<'create'>> = {}): Promise<Job> =>
  service.client.create({ type, source: at('source/'), destination: at('copy/'), ...body } as RequestBody<'create'>);
const reaches = async (id: string, status: JobStatus): Promise<Job> => {
  await expect.poll(async () => (await service.client.get(id)).status, { timeout: 40_000 }).toBe(status);
  return service.client.get(id);
};
const hasBegun = (id: string) =>
  expect.poll(async () => (await service.client.get(id)).progress.bytesTransferred ?? 0, { timeout: 30_000 }).toBeGreaterThan(0);

describe.each(['rsync', 'rclone'] as const)('A job of %s', (type) => {
  it('is created, started, paused, resumed and deleted', async () => {
    await writeOldFile(at('source/big'), noise(4 * MEGABYTE));
    const { id } = await create(type, { start: false, options: { bandwidthLimit: MEGABYTE } });
    expect((await service.client.get(id)).status).toBe('pending');
    await service.client.command('start', id);
    await hasBegun(id);
    await service.client.command('pause', id);
    await reaches(id, 'paused');
    await service.client.ask('update', { id, options: { bandwidthLimit: 0 } });
    await service.client.command('resume', id);
    expect(await reaches(id, 'completed')).toMatchObject({ attempt: 2 });
    expect(await listTree(at('copy'))).toEqual(await listTree(at('source')));
    await service.client.ask('delete', { id });
    await expect(service.client.get(id)).rejects.toMatchObject({ code: 'job_not_found' });
  });

  it('is retried after a failure', async () => {
    await rm(at('source'), { recursive: true });
    const { id } = await create(type);
    await reaches(id, 'failed');
    await writeOldFile(at('source/file'), 'content');
    await service.client.command('retry', id);
    expect(await reaches(id, 'completed')).toMatchObject({ attempt: 2, error: null });
  });

  it('tells live progress: bytes, files, speed, the current file, a percent that only grows', async () => {
    await writeOldFile(at('source/big'), noise(4 * MEGABYTE));
    const { id } = await create(type, { options: { bandwidthLimit: MEGABYTE } });
    const seen: Job[] = [];
    for await (const { jobs } of service.client.watch({ ids: [id] })) {
      seen.push(...jobs);
      if (jobs.some(({ finishedAt }) => finishedAt)) break;
    }
    const copying = seen.filter(({ phase }) => phase === 'transferring').map(({ progress }) => progress);
    const percents = copying.flatMap(({ percent }) => percent ?? []);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(copying.some(({ percent }) => percent !== null && percent > 0 && percent < 100)).toBe(true);
    expect(copying.some(({ bytesPerSecond, currentFile }) => (bytesPerSecond ?? 0) > 0 && currentFile === 'big')).toBe(true);
    expect(seen.at(-1)).toMatchObject({ status: 'completed', progress: { percent: 100, bytesTransferred: 4 * MEGABYTE, filesTotal: 1 } });
  });

  it.each(['size', 'checksum'] as const)('is verified by %s', async (verify) => {
    const { files, links } = await makeOddTree(at('source'));
    const { id } = await create(type, { options: { verify } });
    const { verification } = await reaches(id, 'completed');
    expect(verification).toMatchObject({ method: verify, filesExpected: files + links, filesEqual: files + links, mismatches: 0 });
  });

  it('keeps its bandwidth limit', async () => {
    await writeOldFile(at('source/big'), noise(3 * MEGABYTE));
    const startedMs = performance.now();
    const { id } = await create(type, { options: { bandwidthLimit: MEGABYTE } });
    await reaches(id, 'completed');
    // The first burst is free.
    expect(performance.now() - startedMs).toBeGreaterThan(1800);
  });

  it('has its paths and permissions checked before the start', async () => {
    const failure = async (body: Partial<RequestBody<'create'>>) => (await reaches((await create(type, body)).id, 'failed')).error;
    expect(await failure({ source: at('nothing/') })).toMatchObject({ code: 'source_missing', exitCode: null });
    await writeOldFile(at('in the way'), '');
    expect(await failure({ destination: at('in the way/copy/') })).toMatchObject({ code: 'destination_invalid', exitCode: null });
    await expect(create(type, { destination: at('source/sub/') })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe.each(['after_verify', 'per_file'] as const)('The source is deleted %s', (mode) => {
  it('only with an explicit confirmation', async () => {
    await expect(create('rsync', { options: { deleteSource: { mode } } })).rejects.toMatchObject({
      code: 'invalid_request',
      details: { field: 'options.deleteSource.confirmed' },
    });
  });

  it('once every file is proved', async () => {
    await makeOddTree(at('source'));
    const before = await listTree(at('source'));
    const { id } = await create('rsync', { options: { deleteSource: { mode, confirmed: true, emptyFolders: true } } });
    const { verification } = await reaches(id, 'completed');
    expect(verification).toMatchObject({ method: 'bytes', mismatches: 0 });
    expect([await listTree(at('copy')), await readdir(at('source'))]).toEqual([before, []]);
  });
});

describe('A failure of the network', () => {
  const NETWORK: JobFailure = { code: 'network', message: 'away', exitCode: 30, retriable: true, advice: null };

  it('is retried from 1 s to 60 s, at most ten times', async () => {
    const { ask, claim, turn, clock } = await startAskedManager();
    const { id } = await ask<'create'>('create', { type: 'probe' });
    const waitedMs: number[] = [];
    for (;;) {
      expect(await claim()).toBe(id);
      await ask('fail', { id, attempt: waitedMs.length + 1, error: NETWORK });
      const { status, retryAt } = await ask<'get'>('get', { id });
      if (status === 'failed') break;
      waitedMs.push(Date.parse(retryAt ?? '') - clock.ms);
      await turn(60_000);
    }
    expect(waitedMs).toHaveLength(10);
    expect(waitedMs[0]).toBe(1000);
    for (const ms of waitedMs) expect([ms >= 1000, ms <= 60_000]).toEqual([true, true]);
    expect(Math.max(...waitedMs)).toBeGreaterThanOrEqual(30_000);
  });
});

it('Space is checked before the start', async () => {
  await writeOldFile(at('source/file'), '');
  // A hole of more bytes than any disk here has free.
  await truncate(at('source/file'), 8 * 1024 ** 4);
  const { id } = await create('rsync');
  expect((await reaches(id, 'failed')).error).toMatchObject({ code: 'disk_full', exitCode: null });
  expect(await readdir(folder)).toEqual(['source']);
});

it('The log of a job is filtered and exported', async () => {
  await writeOldFile(at('source/file'), 'content');
  const { id } = await create('rsync');
  await reaches(id, 'completed');
  const { lines } = await service.client.ask('logs', { id, level: 'info', stream: 'worker', text: 'Copied 1' });
  expect(lines.map(({ text }) => text)).toEqual([expect.stringContaining('Copied 1 files with 7 bytes') as unknown]);
  const text = await call(service, `/v1/jobs/${id}/log?format=text&download=true`);
  expect(text.headers['content-disposition']).toContain(`${id}.log`);
  expect(text.text).toContain('Completed.');
  const jsonl = await call(service, `/v1/jobs/${id}/log?format=jsonl&download=true`);
  expect(jsonl.text.trimEnd().split('\n').map((line) => (JSON.parse(line) as { job: string }).job)).toContain(id); // prettier-ignore
});

it('Jobs are kept over a restart', async () => {
  const { id } = await create('rsync', { start: false, name: 'kept', labels: { of: 'the origin' } });
  const before = await service.client.get(id);
  await service.restartManager();
  expect(await service.client.get(id)).toEqual(before);
});

it('A running job that was left over is found at the start and gone on with', async () => {
  await worker.stop();
  await writeOldFile(at('source/big'), noise(6 * MEGABYTE));
  const { id } = await create('rsync', { options: { bandwidthLimit: MEGABYTE } });
  const killed = await WorkerProcess.start({ nats: service.nats });
  await hasBegun(id);
  await killed.kill();
  worker = await startWorkerRole(service.config, service.nats.logins.worker);
  expect(await reaches(id, 'completed')).toMatchObject({ attempt: 2 });
  expect(await findLeftovers({ owner: (await newMarkers(service.config.dataDir)).owner })).toEqual([]);
  expect(await listTree(at('copy'))).toEqual(await listTree(at('source')));
});
