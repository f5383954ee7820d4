import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Job } from '../../actors/job.js';
import { announce, runCli } from '../cli/cli.js';
import { freePort, startDaemon, startServer } from '../engines/hosts.js';
import { webdav, writeRemotes } from '../engines/remote.js';
import { listTree, newFolder, noise, writeOldFile } from '../engines/trees.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool } from '../../src/tools.js';
import { FRONT_ENDS, openFrontEnd } from '../support/front-ends.js';
import { startTestService } from '../support/service.js';
import { WorkerBench } from './bench.js';

const isAway = expect.objectContaining({ away: true, retriable: true }) as unknown;

it.each(['source', 'destination'] as const)(
  'A job whose %s is not mounted waits for its marker, through a restart, without a word more, and runs when it is there',
  async (side) => {
    const bench = await WorkerBench.start();
    for (const folder of ['source', 'copy']) {
      await writeOldFile(bench.at(`${folder}/file`), 'content');
      await writeOldFile(bench.at(`${folder}/.disk`), '');
    }
    const mount = bench.at(side === 'source' ? 'source' : 'copy');
    await rename(mount, bench.at('elsewhere'));
    if (side === 'destination') await mkdir(mount);
    const worker = await bench.startWorker();
    const { id } = await bench.create({ options: { whenAway: 'wait', maxRetries: 0, marker: { [side]: '.disk' } } });
    const attempts = async (n: number) => {
      await expect.poll(async () => (await bench.client.get(id)).attempt, { timeout: 20_000 }).toBeGreaterThanOrEqual(n);
      return bench.reaches(id, 'queued');
    };
    const first = await attempts(1);
    expect(first).toMatchObject({ retries: 0, error: { code: 'marker_missing', away: true }, awaySince: expect.any(String) as unknown });
    const lines = bench.lines.all.length;
    expect(bench.lines.text).toContain('A side is away (marker_missing)');
    await attempts(2);
    await worker.stop();
    await bench.stopManager();
    await bench.startManager();
    await bench.startWorker();
    const later = await attempts(4);
    expect(later).toMatchObject({ retries: 0, awaySince: first.awaySince });
    expect(bench.lines.all.slice(lines).map(({ text }) => text)).toEqual([]);
    if (side === 'destination') await rename(mount, bench.at('empty'));
    await rename(bench.at('elsewhere'), mount);
    await bench.client.command('retry', id);
    const done = await bench.reaches(id, 'completed');
    expect(done).toMatchObject({ retries: 0, error: null });
    expect(done.awaySince).toBeUndefined();
    expect(bench.lines.text.match(/A side is away/g)).toHaveLength(1);
  },
  60_000,
);

it('A disk that goes away in the middle of a copy is waited for, and the copy goes on where it was', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/big'), noise(3_000_000));
  await writeOldFile(bench.at('copy/.disk'), '');
  const engine = createRsyncEngine({ markers: bench.markers });
  // The copy fails as it does when its disk is gone.
  let isFirst = true;
  await bench.startWorker({
    ...engine,
    probe: () => engine.probe(),
    count: (task, run) => engine.count(task, run),
    verify: (task, method, run) => engine.verify(task, method, run),
    async transfer(task, counted, run) {
      const begun = isFirst;
      isFirst = false;
      if (begun) await rename(bench.at('copy/.disk'), bench.at('disk'));
      return engine.transfer(begun ? { ...task, source: bench.at('nowhere/') } : task, counted, run);
    },
  });
  const { id } = await bench.create({ options: { whenAway: 'wait', maxRetries: 0, marker: { destination: '.disk' }, verify: 'checksum' } });
  await expect.poll(async () => (await bench.client.get(id)).error, { timeout: 20_000 }).toEqual(isAway);
  await rename(bench.at('disk'), bench.at('copy/.disk'));
  expect(await bench.reaches(id, 'completed')).toMatchObject({ retries: 0, verification: { filesEqual: 1 } });
});

/** A service with a worker, and how a job waits for what is away and completes when it is back. */
async function start(settings: Record<string, string>) {
  const service = await startTestService({ worker: true, settings });
  onTestFinished(() => service.stop());
  const { client } = service;
  const waits = (id: string) => expect.poll(() => client.get(id), { timeout: 30_000 }).toMatchObject({ status: 'queued', error: isAway });
  const completes = async (id: string): Promise<Job> => {
    await expect.poll(async () => (await client.get(id)).finishedAt, { timeout: 60_000 }).not.toBeNull();
    const job = await client.get(id);
    expect(job).toMatchObject({ status: 'completed', retries: 0, error: null });
    return job;
  };
  return { service, client, waits, completes };
}

it('A job waits for an rsync daemon that is stopped, over every front end, and runs when it is started', async () => {
  const daemon = await startDaemon();
  const place = `rsync://127.0.0.1:${daemon.port}/open`;
  const { service, waits, completes } = await start({ TALLYMAN_HOSTS: place });
  const source = await newFolder();
  await writeOldFile(path.join(source, 'a'), 'a');
  await daemon.stop();
  const ids: string[] = [];
  const options = { whenAway: 'wait', maxRetries: 0 };
  for (const way of FRONT_ENDS) {
    const end = await openFrontEnd(service, way);
    ids.push((await end.ask<Job>('create', { type: 'rsync', source: `${source}/`, destination: `${place}/${way}/`, options })).id);
    await end.close();
  }
  const dataDir = await announce(service);
  const typed = await runCli(['copy', '-d', '--when-away', 'wait', '--max-retries', '0', `${source}/`, `${place}/typed/`], { dataDir });
  ids.push(typed.stdout.trim());
  for (const id of ids) await waits(id);
  const shown = await runCli(['show', ids[0] ?? ''], { dataDir });
  expect(shown.stdout).toContain('away since');
  await daemon.start();
  for (const id of ids) await completes(id);
  expect(await listTree(path.join(daemon.folderOf('open'), 'typed'))).toEqual(await listTree(source));
}, 120_000);

it('A daemon that is killed in the middle of a copy is waited for', async () => {
  const daemon = await startDaemon();
  const place = `rsync://127.0.0.1:${daemon.port}/open`;
  const { client, waits, completes } = await start({ TALLYMAN_HOSTS: place });
  const source = await newFolder();
  await writeOldFile(path.join(source, 'big'), noise(4_000_000));
  const options = { whenAway: 'wait' as const, maxRetries: 0, bandwidthLimit: 1_000_000, verify: 'checksum' as const };
  const { id } = await client.create({ type: 'rsync', source: `${source}/`, destination: `${place}/`, options });
  await expect.poll(async () => (await client.get(id)).phase, { timeout: 30_000 }).toBe('transferring');
  await daemon.stop();
  await waits(id);
  await daemon.start();
  expect((await completes(id)).verification).toMatchObject({ method: 'checksum', filesEqual: 1, mismatches: 0 });
}, 120_000);

it('A job of type rclone waits for a remote that is not served, and runs when it is', async () => {
  const folder = await newFolder();
  const rclone = findTool('rclone')?.path ?? 'rclone';
  const port = await freePort();
  const serve = ['serve', 'webdav', folder, '--config', '/dev/null', '--addr', `127.0.0.1:${port}`, '--dir-cache-time', '0s'];
  const server = await startServer(rclone, serve, {}, port);
  await server.stop();
  const { client, waits, completes } = await start({
    TALLYMAN_REMOTES: 'cloud',
    TALLYMAN_RCLONE_CONFIG: await writeRemotes({ cloud: webdav(`http://127.0.0.1:${port}`) }),
  });
  const source = await newFolder();
  await writeOldFile(path.join(source, 'a'), 'a');
  const options = { whenAway: 'wait' as const, maxRetries: 0 };
  const to = await client.create({ type: 'rclone', source: `${source}/`, destination: 'cloud:copy', options });
  await waits(to.id);
  await server.start();
  await completes(to.id);
  await server.stop();
  const from = await client.create({ type: 'rclone', source: 'cloud:copy/', destination: `${source}/back/`, options });
  await waits(from.id);
  await server.start();
  await completes(from.id);
  expect(await listTree(path.join(source, 'back'))).toEqual(await listTree(path.join(folder, 'copy')));
}, 120_000);
