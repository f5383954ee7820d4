import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Job } from '../../actors/job.js';
import { announce, runCli } from '../cli/cli.js';
import { startDaemon, startSshHost } from '../engines/hosts.js';
import { listTree, newFolder, writeOldFile } from '../engines/trees.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { FRONT_ENDS, openFrontEnd } from '../support/front-ends.js';
import { startTestService } from '../support/service.js';

async function start(settings: Record<string, string>) {
  const service = await startTestService({ worker: true, settings });
  onTestFinished(() => service.stop());
  const { client } = service;
  const run = async (source: string, destination: string, options: object = {}): Promise<Job> => {
    const { id } = await client.create({ type: 'rsync', source, destination, options: { verify: 'checksum', maxRetries: 0, ...options } });
    await expect.poll(async () => (await client.get(id)).finishedAt, { timeout: 40_000 }).not.toBeNull();
    return client.get(id);
  };
  return { service, client, run };
}

it('A job copies to an allowed host over ssh and back, proved by checksum, and says that the room there is not known', async () => {
  const host = await startSshHost();
  const [source, folder] = [await newFolder(), await newFolder()];
  const { service, client, run } = await start({ TALLYMAN_HOSTS: 'ada@127.0.0.1', TALLYMAN_SSH_CONFIG: host.config });
  for (const name of ['a', 'b/c']) await writeOldFile(path.join(source, name), name);
  const there = await run(`${source}/`, `ada@127.0.0.1:${folder}/photos/`);
  expect(there).toMatchObject({ status: 'completed', verification: { method: 'checksum', filesEqual: 2, mismatches: 0 } });
  expect(await listTree(path.join(folder, 'photos'))).toEqual(await listTree(source));
  const back = await run(`ada@127.0.0.1:${folder}/photos`, `${folder}/back/`);
  expect(back).toMatchObject({ status: 'completed', verification: { filesEqual: 2, mismatches: 0 } });
  expect(await listTree(path.join(folder, 'back/photos'))).toEqual(await listTree(source));
  const typed = await runCli(['copy', `ada@127.0.0.1:${folder}/photos`, `${folder}/typed/`], { dataDir: await announce(service) });
  expect(typed).toMatchObject({ code: 0 });
  expect(await listTree(path.join(folder, 'typed/photos'))).toEqual(await listTree(source));
  const { lines } = await client.ask('logs', { id: there.id });
  expect(lines.map(({ text }) => text).join('\n')).toContain('How much room there is, it does not tell');
  expect(await run('ada@127.0.0.1:/nothing/here/', `${folder}/back/`)).toMatchObject({
    status: 'failed',
    attempt: 1,
    error: { code: 'source_missing' },
  });
}, 90_000);

it('A preview of a mirror on a daemon shows what would go, and the job does that', async () => {
  const daemon = await startDaemon();
  const place = `rsync://127.0.0.1:${daemon.port}/open`;
  const { client } = await start({ TALLYMAN_HOSTS: place });
  const source = await newFolder();
  await writeOldFile(path.join(source, 'a'), 'a');
  await writeOldFile(path.join(daemon.folderOf('open'), 'old'), 'old');
  const body = {
    type: 'rsync' as const,
    source: `${source}/`,
    destination: `${place}/`,
    options: { deleteExtraneous: true, maxDelete: 1 },
  };
  const preview = await client.ask('preview', body);
  expect(preview).toMatchObject({ findings: [], counts: { create: { files: 1 }, delete: { files: 1 } } });
  expect(preview.commandText).toContain(`${place}/`);
  const { id } = await client.create({ ...body, previewId: preview.previewId });
  await expect.poll(async () => (await client.get(id)).status, { timeout: 20_000 }).toBe('completed');
  expect(await readdir(daemon.folderOf('open'))).toEqual(['a']);
  await daemon.stop();
  await expect(client.ask('preview', body)).rejects.toMatchObject({ code: 'unavailable', details: { reason: 'network' } });
}, 90_000);

it('A host that is not allowed is refused over every front end, with what to set', async () => {
  const { service } = await start({ TALLYMAN_HOSTS: 'ada@nas,rsync://nas/photos' });
  for (const way of FRONT_ENDS) {
    const end = await openFrontEnd(service, way);
    for (const place of ['eve@nas:/photos', 'nas:/photos', 'rsync://nas/music/', 'ada@nas:photos', '-oProxyCommand=reboot:/y']) {
      const request = { type: 'rsync', source: place, destination: `${service.files}/copy/` };
      for (const verb of ['create', 'preview'] as const) {
        await expect(end.ask(verb, request), `${way} ${verb} ${place}`).rejects.toMatchObject({ code: 'remote_not_allowed', status: 403 });
      }
    }
    await expect(end.ask('create', { type: 'rsync', source: 'nas:/photos', destination: '/x' })).rejects.toThrow('TALLYMAN_HOSTS');
    await end.close();
  }
  const { code, stderr } = await runCli(['copy', 'nas:/photos', '/x'], { dataDir: await announce(service) });
  expect(code).toBe(EXIT_CODES.refused.code);
  expect(stderr).toContain('TALLYMAN_HOSTS');
}, 60_000);
