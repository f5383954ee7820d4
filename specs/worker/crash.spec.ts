import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, onTestFinished, vi } from 'vitest';
import { findLeftovers } from '../../src/engines/leftovers.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { packageRoot } from '../../src/package-root.js';
import { writeRemotes } from '../engines/remote.js';
import { listTree, newFolder, noise, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

vi.setConfig({ testTimeout: 60_000 });

const MEGABYTE = 1024 * 1024;
const built = path.join(packageRoot, 'dist/src');
if (!existsSync(built)) throw new Error('These specs need the built package: run "npm run build".');

/** A worker in a process of its own, to be killed or stopped. */
function spawnWorker({ nats, folder }: WorkerBench, settings: Record<string, string>): ChildProcess {
  const url = (file: string) => JSON.stringify(pathToFileURL(path.join(built, file)).href);
  const program = `
    import { readConfig } from ${url('config.js')};
    import { startWorkerRole } from ${url('roles/worker-role.js')};
    await startWorkerRole(readConfig(), ${JSON.stringify(nats.logins.worker)});
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'], TALLYMAN_DATA: nats.dir, TALLYMAN_ROOTS: folder, ...settings },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function startSlowCopy(bench: WorkerBench): Promise<string> {
  await writeOldFile(bench.at('source/big'), noise(6 * MEGABYTE));
  const { id } = await bench.create({ options: { bandwidthLimit: MEGABYTE } });
  return id;
}

const hasBegun = (bench: WorkerBench, id: string) =>
  expect.poll(async () => (await bench.client.get(id)).progress.bytesTransferred ?? 0, { timeout: 30_000 }).toBeGreaterThan(0);

it('After kill -9 of a worker its next start goes on with the same job at once, and not when the lease has passed', async () => {
  const settings = { TALLYMAN_LEASE_MS: '600000' };
  const bench = await WorkerBench.start(settings);
  const id = await startSlowCopy(bench);
  const killed = spawnWorker(bench, settings);
  await hasBegun(bench, id);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  await bench.startWorker();
  expect(await bench.reaches(id, 'completed', 40_000)).toMatchObject({ attempt: 2 });
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
  expect(await findLeftovers({ owner: bench.markers.owner })).toEqual([]);
  expect(await readdir(`${bench.nats.dir}/worker/attempts`)).toEqual([]);
});

it('The copy of a worker that hangs has ended before its lease does, and the worker changes nothing when it wakes up', async () => {
  const settings = { TALLYMAN_LEASE_MS: '6000' };
  const bench = await WorkerBench.start(settings);
  const id = await startSlowCopy(bench);
  const hanging = spawnWorker(bench, settings);
  await hasBegun(bench, id);
  hanging.kill('SIGSTOP');
  await expect.poll(() => findLeftovers({ owner: bench.markers.owner, attempt: `${id}/1` }), { timeout: 20_000 }).toEqual([]);
  expect(await bench.client.get(id)).toMatchObject({ status: 'running', attempt: 1 });
  await bench.startWorker();
  await expect.poll(async () => (await bench.client.get(id)).attempt, { timeout: 20_000 }).toBe(2);
  hanging.kill('SIGCONT');
  expect(await bench.reaches(id, 'completed', 40_000)).toMatchObject({ attempt: 2 });
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
});

it('The copy of a worker that no manager answers has ended before its lease does, and goes on when there is a manager again', async () => {
  const bench = await WorkerBench.start({ TALLYMAN_LEASE_MS: '3000' });
  const id = await startSlowCopy(bench);
  await bench.startWorker();
  await hasBegun(bench, id);
  const silentSince = performance.now();
  await bench.stopManager();
  await expect.poll(() => findLeftovers({ owner: bench.markers.owner }), { timeout: 20_000, interval: 20 }).toEqual([]);
  expect(performance.now() - silentSince).toBeLessThan(3000);
  await bench.startManager();
  expect((await bench.reaches(id, 'completed', 40_000)).attempt).toBeGreaterThan(1);
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
});

it('After kill -9 of a worker in the middle of deleting a source nothing is lost, the job asks, and a resume deletes the rest', async () => {
  const settings = { TALLYMAN_LEASE_MS: '600000' };
  const bench = await WorkerBench.start(settings);
  const files = 1500;
  await Promise.all(
    Array.from({ length: files }, (_, index) => writeOldFile(bench.at(`source/${index % 30}/${index}`), `content of ${index}`)),
  );
  const before = await listTree(bench.at('source'));
  const left = async () => (await readdir(bench.at('source'), { recursive: true })).length;
  const { id } = await bench.create({ options: { deleteSource: { mode: 'per_file', confirmed: true, emptyFolders: true } } });
  const killed = spawnWorker(bench, settings);
  await expect.poll(left, { timeout: 30_000, interval: 5 }).toBeLessThan(before.length);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  expect(await left()).toBeGreaterThan(0);
  expect(await listTree(bench.at('copy'))).toEqual(before);
  await bench.startWorker();
  // A job that deletes does not go on by itself.
  expect((await bench.reaches(id, 'paused')).error?.advice).toContain('resume');
  await bench.client.command('resume', id);
  const job = await bench.reaches(id, 'completed', 40_000);
  expect(job).toMatchObject({ attempt: 2, deletion: { filesKept: 0 } });
  expect(await readdir(bench.at('source'))).toEqual([]);
  expect(await listTree(bench.at('copy'))).toEqual(before);
});

it('After kill -9 of a worker in the middle of a move to a remote nothing is lost, and a resume moves the rest and removes the probes that were left', async () => {
  const served = await newFolder();
  const configFile = await writeRemotes({ cloud: { type: 'alias', remote: served } });
  const settings = { TALLYMAN_LEASE_MS: '600000', TALLYMAN_REMOTES: 'cloud', TALLYMAN_RCLONE_CONFIG: configFile };
  const bench = await WorkerBench.start(settings);
  await Promise.all(
    Array.from({ length: 260 }, (_, index) => writeOldFile(bench.at(`source/${index % 20}/${index}`), `content of ${index}`)),
  );
  const before = await listTree(bench.at('source'));
  const left = async () => (await readdir(bench.at('source'), { recursive: true })).filter((name) => !name.includes('probe')).length;
  const { id } = await bench.create({
    type: 'rclone',
    destination: 'cloud:there/',
    options: { deleteSource: { mode: 'per_file', confirmed: true, emptyFolders: true } },
  });
  const killed = spawnWorker(bench, settings);
  await expect.poll(left, { timeout: 50_000, interval: 5 }).toBeLessThan(before.length);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  expect(await left()).toBeGreaterThan(0);
  const probe = `.tallyman-probe-${id}-0000`;
  for (const file of [bench.at(`source/${probe}`), bench.at(`source/7/${probe}`), path.join(served, 'there', probe)])
    await writeFile(file, '');
  await bench.startWorker(createRcloneEngine({ markers: bench.markers, configFile, remotes: ['cloud'] }));
  await bench.reaches(id, 'paused');
  await bench.client.command('resume', id);
  expect(await bench.reaches(id, 'completed', 50_000)).toMatchObject({
    attempt: 2,
    deletion: { foldersDeleted: 20, filesKept: 0 },
  });
  expect(await readdir(bench.at('source'))).toEqual([]);
  expect(await listTree(path.join(served, 'there'))).toEqual(before);
}, 120_000);
