import { stat } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { listTree, noise, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

/** The bandwidth limit in all, with real programs: what they were told stands in the log. */
const MEBI = 1024 * 1024;
const limitsOf = (bench: WorkerBench, job: string) =>
  bench.lines.all
    .filter((line) => line.job === job && / -a .*--bwlimit=/.test(line.text))
    .map(({ text }) => Number(/--bwlimit=(\d+)/.exec(text)?.[1]));
const bytesOf = async (bench: WorkerBench, id: string) => (await bench.client.get(id)).progress.bytesTransferred ?? 0;

it('Two copies share it, and the first goes on from its partial file; another limit comes while they run', async () => {
  const bench = await WorkerBench.start({ TALLYMAN_BANDWIDTH_LIMIT: '2MiB' });
  for (const name of ['one', 'two']) await writeOldFile(bench.at(`${name}/big`), noise(12 * MEBI));
  await bench.startWorker();
  const copy = (name: string) => bench.create({ source: bench.at(`${name}/`), destination: bench.at(`${name}-copy/`) });
  const one = await copy('one');
  await expect.poll(() => bytesOf(bench, one.id), { timeout: 20_000 }).toBeGreaterThan(0);
  const two = await copy('two');
  await expect.poll(async () => (await bench.client.get(one.id)).attempt, { timeout: 20_000 }).toBe(2);
  expect((await stat(bench.at('one-copy/.tallyman-partial/big'))).size).toBeGreaterThan(0);
  await expect.poll(() => limitsOf(bench, one.id), { timeout: 20_000 }).toEqual([2048, 1024]);
  await expect.poll(() => limitsOf(bench, two.id), { timeout: 20_000 }).toEqual([1024]);
  await bench.client.ask('set_bandwidth', { limit: MEBI });
  await expect
    .poll(() => [...limitsOf(bench, one.id), ...limitsOf(bench, two.id)], { timeout: 20_000 })
    .toEqual([2048, 1024, 512, 1024, 512]);
  await bench.client.ask('set_bandwidth', { limit: 0 });
  for (const { id } of [one, two]) await bench.client.command('pause', id);
  for (const { id } of [one, two]) await bench.reaches(id, 'paused');
  for (const { id } of [one, two]) await bench.client.command('resume', id);
  for (const { id } of [one, two]) expect(await bench.reaches(id, 'completed')).not.toHaveProperty('bandwidthShare');
  for (const name of ['one', 'two']) expect(await listTree(bench.at(`${name}-copy`))).toEqual(await listTree(bench.at(name)));
}, 120_000);

it('rclone is told its share, and never more than its own limit', async () => {
  const bench = await WorkerBench.start({ TALLYMAN_BANDWIDTH_LIMIT: '30M' });
  await writeOldFile(bench.at('source/file'), noise(MEBI));
  const { markers } = bench;
  await bench.startWorker(createRcloneEngine({ markers, configFile: '/dev/null', remotes: [] }));
  const { id } = await bench.create({ type: 'rclone' });
  await bench.reaches(id, 'completed');
  expect(bench.lines.text).toContain('--bwlimit 30000000B');
  const own = await bench.create({ type: 'rclone', destination: bench.at('other/'), options: { bandwidthLimit: 10_000_000 } });
  await bench.reaches(own.id, 'completed');
  expect(bench.lines.text).toContain('--bwlimit 10000000B');
});

it('an rclone that runs is stopped and goes on with another limit, and the copy is whole', async () => {
  const bench = await WorkerBench.start({ TALLYMAN_BANDWIDTH_LIMIT: '2MiB' });
  for (let file = 0; file < 6; file++) await writeOldFile(bench.at(`source/${file}`), noise(2 * MEBI));
  await bench.startWorker(createRcloneEngine({ markers: bench.markers, configFile: '/dev/null', remotes: [] }));
  const { id } = await bench.create({ type: 'rclone' });
  const limits = () =>
    bench.lines.all.flatMap(({ text }) => (text.includes(' copy ') ? [/--bwlimit (\d+)B/.exec(text)?.[1]] : [])).filter(Boolean);
  await expect.poll(() => bytesOf(bench, id), { timeout: 20_000 }).toBeGreaterThan(2 * MEBI);
  await bench.client.ask('set_bandwidth', { limit: MEBI });
  await expect.poll(limits, { timeout: 20_000 }).toEqual([String(2 * MEBI), String(MEBI)]);
  await bench.client.ask('update', { id, options: { bandwidthLimit: 20 * MEBI } });
  await bench.client.ask('set_bandwidth', { limit: 0 });
  const job = await bench.reaches(id, 'completed');
  expect(job.retries).toBe(0);
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
}, 120_000);
