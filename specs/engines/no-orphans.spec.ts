import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startKeeper } from '../../src/engines/keeper.js';
import { endLeftovers, findLeftovers, markerEnv } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { packageRoot } from '../../src/package-root.js';
import { Bench, copy, makeTask } from './bench.js';
import { listTree, newFolder, noise, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 60_000 });

const built = path.join(packageRoot, 'dist/src/engines');
if (!existsSync(built)) throw new Error('These specs need the built package: run "npm run build".');
const WAIT = { timeout: 20_000, interval: 50 };
const MEGABYTE = 1024 * 1024;

/** A process that does what a worker does: a keeper, a lease, a copy that takes a minute. It tells nothing and waits for nothing. */
function workerProgram(
  folder: string,
  { owner, worker }: { owner: string; worker: string },
  withKeeper: { leaseMs: number } | null,
): string {
  const url = (file: string) => JSON.stringify(pathToFileURL(path.join(built, file)).href);
  const task = { ...makeTask(`${folder}/source/`, `${folder}/destination/`, { bandwidthLimit: 100_000 }), jobId: `job-${owner}` };
  return `
    import { createRsyncEngine } from ${url('rsync.js')};
    import { startKeeper } from ${url('keeper.js')};
    const task = ${JSON.stringify(task)};
    const lease = ${JSON.stringify(withKeeper)};
    if (lease) {
      const keeper = await startKeeper('${worker}');
      const hold = () => keeper.extend(task.jobId + '/1', lease.leaseMs);
      hold();
      setInterval(hold, lease.leaseMs / 4);
    }
    const engine = createRsyncEngine({ markers: { owner: '${owner}', worker: '${worker}' } });
    const run = { signal: new AbortController().signal, onProgress() {}, log() {} };
    await engine.transfer(task, { filesTotal: 1, bytesTotal: 6 * 1024 * 1024 }, run);
  `;
}

async function startWorker(
  withKeeper: { leaseMs: number } | null,
): Promise<{ process: ChildProcess; owner: string; worker: string; folder: string }> {
  const [owner, worker] = [randomUUID(), randomUUID()];
  const folder = await newFolder();
  await writeOldFile(path.join(folder, 'source', 'file'), noise(6 * MEGABYTE));
  const child = spawn(process.execPath, ['--input-type=module', '-e', workerProgram(folder, { owner, worker }, withKeeper)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await endLeftovers({ owner }, { graceMs: 0 });
  });
  // Once data flows, rsync has printed its line for the file: it would end by itself when nobody is there to read that one.
  await vi.waitFor(async () => expect(await writtenBytes(path.join(folder, 'destination'))).toBeGreaterThan(0), WAIT);
  return { process: child, owner, worker, folder };
}

/** What lies in a folder so far, in the hidden files too that rsync writes to. */
async function writtenBytes(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(path.join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const noneLeft = (owner: string) => vi.waitFor(async () => expect(await findLeftovers({ owner })).toEqual([]), WAIT);

it('a transfer ends with its worker, even when that is killed', async () => {
  const worker = await startWorker({ leaseMs: 60_000 });
  worker.process.kill('SIGKILL');
  await noneLeft(worker.owner);
});

it('a transfer ends before the lease of its attempt does when the worker hangs', async () => {
  const leaseMs = 8000;
  const worker = await startWorker({ leaseMs });
  const stoppedMs = performance.now();
  worker.process.kill('SIGSTOP');
  await noneLeft(worker.owner);
  // The last renewal was before the stop, so the lease ends before this.
  expect(performance.now() - stoppedMs).toBeLessThan(leaseMs);
  expect(worker.process.exitCode).toBeNull();
});

it('a transfer goes on while the lease is renewed', async () => {
  const leaseMs = 3000;
  const worker = await startWorker({ leaseMs });
  const before = await findLeftovers({ owner: worker.owner });
  const sinceMs = performance.now();
  await vi.waitFor(() => expect(performance.now() - sinceMs).toBeGreaterThan(2 * leaseMs), WAIT);
  expect(await findLeftovers({ owner: worker.owner })).toEqual(before);
});

it('a keeper that is killed is replaced, and the new one knows the leases and the worker', async () => {
  const [owner, worker] = [randomUUID(), randomUUID()];
  const keeper = await startKeeper(worker);
  onTestFinished(() => keeper.stop());
  const child = startMarked({ owner, worker }, 'job-k');
  keeper.extend('job-k/1', 4000);
  const first = keeper.pid;
  if (first === null) throw new Error('The keeper has no process.');
  process.kill(first, 'SIGKILL');
  await once(child, 'exit');
  expect(keeper.pid).not.toBe(first);
});

it('a keeper that is stopped ends what its worker still runs, and only that', async () => {
  const [owner, worker, other] = [randomUUID(), randomUUID(), randomUUID()];
  const keeper = await startKeeper(worker);
  startMarked({ owner, worker }, 'job-a');
  const foreign = startMarked({ owner, worker: other }, 'job-b');
  await keeper.stop();
  expect(await findLeftovers({ worker })).toEqual([]);
  expect(await findLeftovers({ worker: other })).toEqual([foreign.pid]);
});

it('an attempt that is forgotten is not ended', async () => {
  const [owner, worker] = [randomUUID(), randomUUID()];
  const keeper = await startKeeper(worker);
  onTestFinished(() => keeper.stop());
  const forgotten = startMarked({ owner, worker }, 'job-f');
  const kept = startMarked({ owner, worker }, 'job-g');
  keeper.extend('job-f/1', 2000);
  keeper.extend('job-g/1', 2000);
  keeper.forget('job-f/1');
  await once(kept, 'exit');
  expect(await findLeftovers({ worker })).toEqual([forgotten.pid]);
});

it('a new attempt first ends what an earlier one of the same job left running', async () => {
  const orphaned = await startWorker(null);
  orphaned.process.kill('SIGKILL');
  await once(orphaned.process, 'exit');
  const before = await findLeftovers({ owner: orphaned.owner });
  expect(before).toHaveLength(3);
  const engine = createRsyncEngine({ markers: { owner: orphaned.owner, worker: randomUUID() } });
  const task = { ...makeTask(`${orphaned.folder}/source/`, `${orphaned.folder}/destination/`), jobId: `job-${orphaned.owner}`, attempt: 2 };
  await copy(engine, task, new Bench());
  expect(await findLeftovers({ owner: orphaned.owner })).toEqual([]);
  expect(await listTree(`${orphaned.folder}/destination`)).toEqual(await listTree(`${orphaned.folder}/source`));
});

it('and leaves the processes of another service alone', async () => {
  const [owner, other] = [randomUUID(), randomUUID()];
  const child = startMarked({ owner: other, worker: randomUUID() }, 'job-same');
  expect(await endLeftovers({ owner, job: 'job-same' })).toBe(0);
  expect(await findLeftovers({ owner: other, job: 'job-same' })).toEqual([child.pid]);
});

it('an empty match is refused, since it would mean every process', async () => {
  await expect(endLeftovers({})).rejects.toThrow('Say which processes are meant');
});

/** Any process that carries the marker. */
function startMarked(markers: { owner: string; worker: string }, jobId: string): ChildProcess {
  const child = spawn('sleep', ['600'], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, ...markerEnv(markers, { jobId, attempt: 1 }) },
  });
  onTestFinished(async () => {
    await endLeftovers({ owner: markers.owner }, { graceMs: 0 });
  });
  return child;
}
