import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Job } from '../../actors/job.js';
import { serveWebdav, webdav, writeRemotes } from '../engines/remote.js';
import { listTree, makeOddTree, newFolder, writeOldFile } from '../engines/trees.js';
import { findTool } from '../../src/tools.js';
import { openFrontEnd } from '../support/front-ends.js';
import { startTestService } from '../support/service.js';

it('A job of type rclone made over HTTP is completed with equal trees, verified by what was really compared', async () => {
  const service = await startTestService({ worker: true });
  const http = await openFrontEnd(service, 'HTTP');
  try {
    const [source, destination] = [`${service.files}/source`, `${service.files}/copy`];
    await mkdir(source, { recursive: true });
    const tree = await makeOddTree(source);
    const { id } = await http.ask<Job>('create', {
      type: 'rclone',
      source: `${source}/`,
      destination: `${destination}/`,
      options: { verify: 'checksum' },
    });
    await expect.poll(async () => (await http.ask<Job>('get', { id })).status, { timeout: 20_000 }).toBe('completed');
    const files = tree.files + tree.links;
    expect(await http.ask<Job>('get', { id })).toMatchObject({
      attempt: 1,
      error: null,
      progress: { percent: 100 },
      verification: { method: 'checksum', algorithm: 'md5', filesExpected: files, filesEqual: files, mismatches: 0 },
    });
    expect(await listTree(destination)).toEqual(await listTree(source));
  } finally {
    await http.close();
    await service.stop();
  }
});

it('A job copies to an allowed remote and back; a remote that is not allowed, or a setting in place of one, is refused', async () => {
  const folder = await newFolder();
  const served = path.join(folder, 'served');
  await mkdir(served);
  const configFile = await writeRemotes({
    cloud: webdav(await serveWebdav(findTool('rclone')!, served)),
    gone: webdav('http://127.0.0.1:9'),
  });
  const service = await startTestService({
    worker: true,
    settings: { TALLYMAN_REMOTES: 'cloud,gone', TALLYMAN_RCLONE_CONFIG: configFile },
  });
  onTestFinished(() => service.stop());
  const { client } = service;
  const run = async (source: string, destination: string) => {
    const { id } = await client.create({ type: 'rclone', source, destination, options: { verify: 'checksum', maxRetries: 0 } });
    await expect.poll(async () => (await client.get(id)).finishedAt, { timeout: 40_000 }).not.toBeNull();
    return client.get(id);
  };
  for (const name of ['a', 'b/c']) await writeOldFile(path.join(folder, 'source', name), name);

  const there = await run(`${folder}/source/`, 'cloud:photos/');
  expect(there).toMatchObject({ status: 'completed', verification: { method: 'bytes', filesEqual: 2, mismatches: 0 } });
  expect(await run('cloud:photos/', `${folder}/back/`)).toMatchObject({ status: 'completed', verification: { filesEqual: 2 } });
  expect(await listTree(path.join(folder, 'back'))).toEqual(await listTree(path.join(folder, 'source')));
  expect(await run('cloud:nothing/', `${folder}/back/`)).toMatchObject({ status: 'failed', error: { code: 'source_missing' } });
  expect(await run('gone:x/', `${folder}/back/`)).toMatchObject({ status: 'failed', error: { code: 'network', retriable: true } });

  for (const source of ['other:x', ':local:/etc', 'cloud,vendor=other:x']) {
    await expect(run(source, `${folder}/back/`)).rejects.toMatchObject({ code: 'remote_not_allowed' });
  }
  await expect(client.create({ type: 'rsync', source: 'cloud:x', destination: `${folder}/back/` })).rejects.toMatchObject({
    code: 'remote_not_allowed',
  });
}, 90_000);

it('A mirror to a remote is not begun, or waits, while its marker is not there; the marker stays', async () => {
  const folder = await newFolder();
  const near = path.join(folder, 'near');
  await writeOldFile(path.join(folder, 'source/a'), 'a');
  await writeOldFile(path.join(near, 'precious'), 'precious');
  const configFile = await writeRemotes({ near: { type: 'alias', remote: near } });
  const service = await startTestService({
    worker: true,
    settings: { TALLYMAN_REMOTES: 'near', TALLYMAN_RCLONE_CONFIG: configFile, TALLYMAN_ROOTS: folder },
  });
  onTestFinished(() => service.stop());
  const { client } = service;
  const mirror = (whenAway: 'wait' | 'fail') =>
    client.create({
      type: 'rclone',
      source: `${folder}/source/`,
      destination: 'near:',
      options: { deleteExtraneous: true, maxDelete: 9, marker: { destination: '.seven' }, whenAway },
    });
  const [fails, waits] = [await mirror('fail'), await mirror('wait')];
  await expect.poll(async () => (await client.get(fails.id)).error?.code, { timeout: 20_000 }).toBe('marker_missing');
  await expect
    .poll(async () => (await client.get(waits.id)).error, { timeout: 20_000 })
    .toMatchObject({ code: 'marker_missing', away: true });
  expect(await readdir(near)).toEqual(['precious']);
  await writeOldFile(path.join(near, '.seven'), '');
  await client.command('retry', waits.id);
  await expect.poll(async () => (await client.get(waits.id)).status, { timeout: 20_000 }).toBe('completed');
  expect((await readdir(near)).sort()).toEqual(['.seven', 'a']);
});
