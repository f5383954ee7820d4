import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Job, JobStatus } from '../../actors/job.js';
import { bytesOf, type FileRecord } from '../../src/file-record.js';
import type { RequestBody } from '../../src/job-client.js';
import { writeRemotes } from '../engines/remote.js';
import { listTree, newFolder, writeOldFile } from '../engines/trees.js';
import { startTestService, type TestService } from '../support/service.js';
import { WorkerProcess } from './worker-process.js';

/** What a killed worker deleted is counted by what it had stored before. */

vi.setConfig({ testTimeout: 60_000 });

const LEASE_MS = 6000;
let service: TestService;
let folder: string;
beforeAll(async () => {
  service = await startTestService({ settings: { TALLYMAN_LEASE_MS: String(LEASE_MS), TALLYMAN_REMOTES: 'cloud' } });
});
afterAll(() => service.stop());
beforeEach(async () => {
  folder = await newFolder();
});

const at = (name: string) => path.join(folder, name);
const startWorker = async (settings: Record<string, string> = {}, diesReporting = false) => {
  const worker = await WorkerProcess.start({ nats: service.nats, settings, diesReporting });
  onTestFinished(() => worker.kill());
  return worker;
};
const create = (body: Partial<RequestBody<'create'>>): Promise<Job> =>
  service.client.create({ type: 'rsync', source: at('source/'), destination: at('copy/'), ...body } as RequestBody<'create'>);
const reaches = async (id: string, status: JobStatus): Promise<Job> => {
  await expect.poll(async () => (await service.client.get(id)).status, { timeout: 30_000 }).toBe(status);
  return service.client.get(id);
};
const recordsOf = async (id: string, attempt: number): Promise<FileRecord[]> =>
  (await service.client.ask('files', { id, attempt, outcome: ['deleting', 'deleted'], limit: 5000 })).files;

const MANY = 500;
const BYTES = 'content'.length;

/** Runs a job by a worker that is killed between the deletion and its report. */
async function runUnreported(body: Partial<RequestBody<'create'>>): Promise<Job> {
  const worker = await startWorker({}, true);
  const { id } = await create(body);
  await worker.ended();
  return service.client.get(id);
}

/** Starts a move and kills its worker when some files have gone. */
async function killedMove(options: RequestBody<'create'>['options']): Promise<{ id: string; before: string[]; gone: number }> {
  for (let file = 0; file < MANY; file++) await writeOldFile(at(`source/folder ${file % 5}/${file}`), 'content');
  const before = await listTree(at('source'));
  const worker = await startWorker({}, true);
  const { id } = await create({ options });
  while (!existsSync(at('copy/folder 4/499'))) await setImmediate();
  while (worker.isRunning && readdirSync(at('source/folder 0')).length === MANY / 5) await setImmediate();
  await worker.kill();
  const left = (await listTree(at('source'))).filter((line) => !line.endsWith(' folder'));
  return { id, before, gone: MANY - left.length };
}

describe('After kill -9 of a worker that deletes', () => {
  it.each(['after_verify', 'per_file'] as const)(
    '%s, the next worker gives the job back with the count of what is gone, and in the end all are counted once',
    async (mode) => {
      const { id, before, gone } = await killedMove({ deleteSource: { mode, confirmed: true, emptyFolders: true } });
      const worker = await startWorker();
      const paused = await reaches(id, 'paused');
      expect(gone).toBeGreaterThan(0);
      expect(paused.deletion).toMatchObject({ filesDeleted: gone, bytesDeleted: gone * BYTES });
      await service.client.command('resume', id);
      expect((await reaches(id, 'completed')).deletion).toMatchObject({
        filesDeleted: MANY,
        bytesDeleted: MANY * BYTES,
        foldersDeleted: 5,
        filesKept: 0,
      });
      await worker.stop();
      expect([await readdir(at('source')), await listTree(at('copy'))]).toEqual([[], before]);
      // Of all attempts together, each file is named before it goes, and once.
      const named = [...(await recordsOf(id, 1)), ...(await recordsOf(id, 2))].filter(
        ({ outcome, bytes }) => outcome === 'deleting' && bytes !== null,
      );
      expect(new Set(named.map((record) => bytesOf(record).toString('latin1'))).size).toBe(MANY);
    },
  );

  it('a worker of another machine, which takes the job when the lease has passed, counts it too', async () => {
    const { id } = await killedMove({ deleteSource: { mode: 'per_file', confirmed: true }, resume: 'auto' });
    const worker = await startWorker({ TALLYMAN_DATA: at('another machine') });
    expect((await reaches(id, 'completed')).deletion).toMatchObject({ filesDeleted: MANY, bytesDeleted: MANY * BYTES, foldersDeleted: 0 });
    await worker.stop();
  });
});

describe.each(['after_verify', 'per_file'] as const)('A single file that was moved %s, of which no report came', (mode) => {
  /** Moves the file; the worker is killed between the deletion and its report. */
  async function lostReport(harm: () => Promise<unknown>): Promise<Job> {
    await writeOldFile(at('source/one file'), 'content');
    await mkdir(at('copy'));
    const options = { deleteSource: { mode, confirmed: true }, resume: 'auto' } as const;
    const body = { source: at('source/one file'), destination: at('copy/new name'), options };
    const { id } = await runUnreported(body);
    expect(await readdir(at('source'))).toEqual([]);
    await harm();
    const next = await startWorker();
    await expect.poll(async () => (await service.client.get(id)).finishedAt, { timeout: 20_000 }).not.toBeNull();
    await next.stop();
    return service.client.get(id);
  }

  it('is completed by the next attempt, which compares the copy with what the records say', async () => {
    const job = await lostReport(() => Promise.resolve());
    expect(job).toMatchObject({
      status: 'completed',
      attempt: 2,
      verification: { method: 'bytes', algorithm: 'sha256', filesExpected: 1, filesEqual: 1, mismatches: 0 },
      deletion: { filesDeleted: 1, bytesDeleted: BYTES },
    });
    expect(await readFile(at('copy/new name'), 'utf8')).toBe('content');
  });

  it('is not completed when the copy is another one by then, or gone', async () => {
    const changed = await lostReport(() => writeFile(at('copy/new name'), 'CONTENT'));
    expect(changed).toMatchObject({ status: 'failed', error: { code: 'source_missing' } });
    folder = await newFolder();
    const gone = await lostReport(() => rename(at('copy/new name'), at('copy/other name')));
    expect(gone).toMatchObject({ status: 'failed', error: { code: 'source_missing' } });
  });
});

it('A folder that was moved whole with its empty folders, of which no report came, is completed by the next attempt', async () => {
  for (const name of ['a', 'sub/b']) await writeOldFile(at(`source/${name}`), 'content');
  const options = { deleteSource: { mode: 'per_file', confirmed: true, emptyFolders: true }, resume: 'auto' } as const;
  const { id } = await runUnreported({ options });
  expect(await readdir(at('source'))).toEqual([]);
  const next = await startWorker();
  expect((await reaches(id, 'completed')).deletion).toMatchObject({ filesDeleted: 2, bytesDeleted: 2 * BYTES, foldersDeleted: 1 });
  await next.stop();
});

it('A file that a job did not delete itself is missing, whoever took it', async () => {
  await writeOldFile(at('source/file'), 'content');
  const { id } = await create({
    source: at('source/file'),
    options: { deleteSource: { mode: 'per_file', confirmed: true } },
    start: false,
  });
  await mkdir(at('copy'));
  await rename(at('source/file'), at('copy/file'));
  const worker = await startWorker();
  await service.client.command('start', id);
  await reaches(id, 'failed');
  await service.client.command('retry', id);
  await expect.poll(async () => (await service.client.get(id)).attempt).toBe(2);
  expect((await reaches(id, 'failed')).error).toMatchObject({ code: 'source_missing' });
  await worker.stop();
});

it('A single file that was moved to a remote, of which no report came, is completed when its copy there has the sum of before, and not when it has another', async () => {
  const configFile = await writeRemotes({ cloud: { type: 'alias', remote: at('there') } });
  const settings = { TALLYMAN_REMOTES: 'cloud', TALLYMAN_RCLONE_CONFIG: configFile };
  const lostReport = async (name: string, harm: () => Promise<unknown>): Promise<Job> => {
    await writeOldFile(at('source/one file'), 'content');
    const killed = await startWorker(settings, true);
    const options = { deleteSource: { mode: 'per_file', confirmed: true }, resume: 'auto', maxRetries: 0 } as const;
    const { id } = await create({ type: 'rclone', source: at('source/one file'), destination: `cloud:folder/${name}`, options });
    await killed.ended();
    expect(await readdir(at('source'))).toEqual([]);
    await harm();
    const next = await startWorker(settings);
    await expect.poll(async () => (await service.client.get(id)).finishedAt, { timeout: 20_000 }).not.toBeNull();
    await next.stop();
    return service.client.get(id);
  };
  expect(await lostReport('a', () => Promise.resolve())).toMatchObject({ status: 'completed', attempt: 2, deletion: { filesDeleted: 1 } });
  const changed = await lostReport('b', () => writeFile(at('there/folder/b'), 'CONTENT'));
  expect(changed).toMatchObject({ status: 'failed', error: { code: 'source_missing' } });
});
