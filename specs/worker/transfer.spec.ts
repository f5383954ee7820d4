import { mkdir, readdir, stat } from 'node:fs/promises';
import { expect, it, vi } from 'vitest';
import type { Engine } from '../../src/engines/engine.js';
import { findLeftovers } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { listTree, makeOddTree, noise, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

const MEGABYTE = 1024 * 1024;
const PARTIAL = '.tallyman-partial';

/** rsync, but for some of what it does. */
const engineThat = ({ markers }: WorkerBench, differently: Partial<Engine>): Engine =>
  Object.assign(createRsyncEngine({ markers }), differently);

it('A copy ends completed, with identical trees, true totals and a log that tells how', async () => {
  const bench = await WorkerBench.start();
  const tree = await makeOddTree(bench.at('source'));
  await bench.startWorker();
  const { id } = await bench.create({ options: { verify: 'checksum' } });
  const job = await bench.reaches(id, 'completed');
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
  expect(job).toMatchObject({
    attempt: 1,
    error: null,
    progress: { percent: 100, bytesTransferred: tree.bytes, bytesTotal: tree.bytes },
    verification: { method: 'checksum', mismatches: 0 },
  });
  expect(job.verification?.filesEqual).toBe(job.verification?.filesExpected);
  for (const said of ['--partial-dir', 'To copy: ', 'Copied ', 'Verified: ', 'Completed.']) expect(bench.lines.text).toContain(said);
  expect(await readdir(`${bench.nats.dir}/worker/attempts`)).toEqual([]);
});

it('A paused copy keeps its partial file, and a resumed one goes on to an identical tree', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/big'), noise(8 * MEGABYTE));
  await bench.startWorker();
  const { id } = await bench.create({ options: { bandwidthLimit: 2 * MEGABYTE } });
  await expect.poll(async () => (await bench.client.get(id)).progress.bytesTransferred ?? 0, { timeout: 20_000 }).toBeGreaterThan(0);
  await bench.client.command('pause', id);
  await bench.reaches(id, 'paused');
  expect(await findLeftovers({ owner: bench.markers.owner })).toEqual([]);
  expect((await stat(bench.at(`copy/${PARTIAL}/big`))).size).toBeGreaterThan(0);
  await bench.client.command('resume', id);
  await bench.reaches(id, 'completed');
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
  expect(bench.lines.text).toContain('given back: pause');
});

it('A cancelled copy is stopped and its job is cancelled', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/big'), noise(4 * MEGABYTE));
  await bench.startWorker();
  const { id } = await bench.create({ options: { bandwidthLimit: 100_000 } });
  await expect.poll(async () => (await bench.client.get(id)).phase).toBe('transferring');
  await bench.client.command('cancel', id);
  await bench.reaches(id, 'cancelled');
  expect(await findLeftovers({ owner: bench.markers.owner })).toEqual([]);
});

it('What is wrong before the copy fails the job with its cause and what to do', async () => {
  const bench = await WorkerBench.start();
  await bench.startWorker();
  const { id } = await bench.create();
  const job = await bench.reaches(id, 'failed');
  expect(job.error?.code).toBe('source_missing');
  expect(job.error?.advice).toContain('source');
});

it('A worker without the program fails the job and says how to get it', async () => {
  const bench = await WorkerBench.start();
  await mkdir(bench.at('source'));
  await bench.startWorker(createRsyncEngine({ markers: bench.markers, findRsync: () => null }));
  const { id } = await bench.create();
  const { error } = await bench.reaches(id, 'failed');
  expect(error?.code).toBe('engine_missing');
  expect(error?.advice).toContain('nstall');
});

it('A copy whose two sides differ afterwards is not complete', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/file'), 'content');
  const differs = { method: 'checksum', algorithm: 'xxh128', filesExpected: 2, filesEqual: 1, mismatches: 0 } as const;
  await bench.startWorker(engineThat(bench, { verify: () => Promise.resolve(differs) }));
  const { id } = await bench.create({ options: { verify: 'checksum' } });
  const { error } = await bench.reaches(id, 'failed');
  expect(error?.code).toBe('verification_failed');
  expect(error?.message).toContain('1 of 2 files');
});

it('A defect fails the job as such; where it is stands in the log of the process alone', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/file'), 'content');
  const defect = new TypeError('x is not a function');
  const told = vi.spyOn(console, 'error').mockReturnValue();
  await bench.startWorker(engineThat(bench, { transfer: () => Promise.reject(defect) }));
  const { id } = await bench.create();
  const { error } = await bench.reaches(id, 'failed');
  expect(error).toMatchObject({ code: 'internal', retriable: false });
  expect(JSON.stringify(error) + bench.lines.text).not.toContain('transfer.spec');
  expect(told).toHaveBeenCalledWith(expect.stringContaining(id), defect);
  told.mockRestore();
});

it('A worker that stops gives its jobs back, and they go on at the next start', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/big'), noise(4 * MEGABYTE));
  const first = await bench.startWorker();
  const { id } = await bench.create({ options: { bandwidthLimit: MEGABYTE } });
  await expect.poll(async () => (await bench.client.get(id)).progress.bytesTransferred ?? 0, { timeout: 20_000 }).toBeGreaterThan(0);
  await first.stop();
  expect(await bench.client.get(id)).toMatchObject({ status: 'queued', attempt: 1, worker: null });
  expect(first.running).toBe(0);
  expect(await findLeftovers({ owner: bench.markers.owner })).toEqual([]);
  await bench.startWorker();
  expect(await bench.reaches(id, 'completed')).toMatchObject({ attempt: 2 });
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
});

it('A restart of the job manager does not end a copy, and its end is reported to the new one', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/big'), noise(4 * MEGABYTE));
  await bench.startWorker();
  const { id } = await bench.create({ options: { bandwidthLimit: 2 * MEGABYTE } });
  await expect.poll(async () => (await bench.client.get(id)).phase).toBe('transferring');
  await bench.stopManager();
  await bench.startManager();
  expect(await bench.reaches(id, 'completed')).toMatchObject({ attempt: 1 });
});

it('As many copies run at once as the worker has slots', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/big'), noise(MEGABYTE));
  const worker = await bench.startWorker(undefined, 2);
  const options = { bandwidthLimit: 200_000 };
  const jobs = await Promise.all([1, 2, 3].map((number) => bench.create({ destination: bench.at(`copy${number}/`), options })));
  await expect.poll(() => worker.running).toBe(2);
  const statuses = await Promise.all(jobs.map(async ({ id }) => (await bench.client.get(id)).status));
  expect(statuses.sort()).toEqual(['queued', 'running', 'running']);
});

it('The bandwidth limit of a running copy is changed: it is stopped, goes on with its partial file, and is quick', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/big'), noise(8 * MEGABYTE));
  await bench.startWorker();
  const { id } = await bench.create({ options: { bandwidthLimit: 100_000 } });
  await expect.poll(async () => (await bench.client.get(id)).progress.bytesTransferred ?? 0, { timeout: 20_000 }).toBeGreaterThan(0);
  await expect(bench.client.ask('update', { id, options: { verify: 'size' } })).rejects.toMatchObject({ code: 'illegal_transition' });
  await bench.client.ask('update', { id, name: 'quick now', options: { bandwidthLimit: 0 } });
  expect(await bench.reaches(id, 'completed')).toMatchObject({ attempt: 2, name: 'quick now', retries: 0, options: { bandwidthLimit: 0 } });
  expect((await bench.client.history(id)).some(({ note }) => note === 'it goes on with another bandwidth limit')).toBe(true);
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
});
