import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Job, Phase } from '../../actors/job.js';
import { findLeftovers } from '../../src/engines/leftovers.js';
import { listTree, newFolder, noise, writeOldFile } from '../engines/trees.js';
import { startTestService, type TestService } from '../support/service.js';
import { WorkerProcess } from './worker-process.js';

/** Whatever is killed in whatever phase: nothing writes on, and the next attempt begins only when what outlived it has ended. */

vi.setConfig({ testTimeout: 60_000 });

const MEGABYTE = 1024 * 1024;
const LEASE_MS = 3000;
let service: TestService;
let folder: string;
beforeAll(async () => {
  service = await startTestService({ settings: { TALLYMAN_LEASE_MS: String(LEASE_MS) } });
});
afterAll(() => service.stop());
beforeEach(async () => {
  folder = await newFolder();
});

const at = (name: string) => path.join(folder, name);
const processesOf = ({ id }: Job) => findLeftovers({ job: id });

/** A move or copy that takes long enough to be met in each phase, and a worker that runs it. */
async function begun(phase: Phase): Promise<{ job: Job; before: string[]; worker: WorkerProcess }> {
  await writeOldFile(at('source/big'), noise(4 * MEGABYTE));
  for (let file = 0; file < 600; file++) await writeOldFile(at(`source/sub/${file}`), 'content');
  const before = await listTree(at('source'));
  const moves = phase === 'deleting_source';
  const job = await service.client.create({
    type: 'rsync',
    source: at('source/'),
    destination: at('copy/'),
    start: false,
    options: {
      verify: 'checksum',
      resume: 'auto',
      bandwidthLimit: phase === 'transferring' ? 2 * MEGABYTE : 0,
      ...(moves && { deleteSource: { mode: 'per_file', confirmed: true } }),
    },
  });
  const worker = await WorkerProcess.start({ nats: service.nats });
  await service.client.command('start', job.id);
  for await (const { jobs } of service.client.watch({ ids: [job.id] })) {
    if (jobs.some((each) => each.phase === phase || each.finishedAt !== null)) return { job, before, worker };
  }
  throw new Error('it did not begin');
}

/** Looks at what is there when it has completed: no file of rsync's own is left either. */
async function completes({ id }: Job, before: string[]): Promise<void> {
  await expect.poll(async () => (await service.client.get(id)).status, { timeout: 40_000 }).toBe('completed');
  expect(await findLeftovers({ job: id })).toEqual([]);
  const copied = await listTree(at('copy'));
  // The lines hold the content: of those that differ the beginning is enough.
  const only = (here: string[], there: string[]) => here.filter((line) => !there.includes(line)).map((line) => line.slice(0, 200));
  expect({ missing: only(before, copied), more: only(copied, before) }).toEqual({ missing: [], more: [] });
}

describe.each(['counting', 'transferring', 'verifying', 'deleting_source'] as const)('In the phase %s', (phase) => {
  it('kill -9 of the worker ends all that it had running, and its next start goes on', async () => {
    const { job, before, worker } = await begun(phase);
    await worker.kill();
    await expect.poll(() => processesOf(job), { timeout: 20_000 }).toEqual([]);
    const next = await WorkerProcess.start({ nats: service.nats });
    await completes(job, before);
    await next.stop();
  });
});

describe('Of the three processes of rsync', () => {
  it.each([0, 1, 2])('kill -9 of number %i ends the other two, and the job goes on', async (number) => {
    const { job, before, worker } = await begun('transferring');
    await expect.poll(() => processesOf(job), { timeout: 20_000 }).toHaveLength(3);
    const pids = (await processesOf(job)).sort((a, b) => a - b);
    process.kill(pids[number] ?? 0, 'SIGKILL');
    await expect.poll(async () => (await processesOf(job)).filter((pid) => pids.includes(pid)), { timeout: 20_000 }).toEqual([]);
    await service.client.command('pause', job.id).catch(() => undefined);
    await expect.poll(async () => (await service.client.get(job.id)).status, { timeout: 20_000 }).toBe('paused');
    await service.client.ask('update', { id: job.id, options: { bandwidthLimit: 0 } });
    await service.client.command('resume', job.id);
    await completes(job, before);
    await worker.stop();
  });
});

it('A second worker takes the job over only when nothing of the first runs any more', async () => {
  const { job, before, worker: first } = await begun('transferring');
  await expect.poll(() => processesOf(job), { timeout: 20_000 }).not.toEqual([]);
  first.suspend();
  const second = await WorkerProcess.start({ nats: service.nats, settings: { TALLYMAN_DATA: at('another machine') } });
  for await (const { jobs } of service.client.watch({ ids: [job.id] })) if (jobs.some(({ attempt }) => attempt > 1)) break;
  expect(await findLeftovers({ attempt: `${job.id}/1` })).toEqual([]);
  first.wake();
  await completes(job, before);
  await Promise.all([first.stop(), second.stop()]);
});
