import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { listTree, makeOddTree, noise, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

const MEGABYTE = 1024 * 1024;
const deletes = (mode: 'after_verify' | 'per_file', emptyFolders = false) => ({ deleteSource: { mode, confirmed: true, emptyFolders } });

it.each(['after_verify', 'per_file'] as const)(
  'A source that is deleted %s goes whole, whatever its names are, and all of it is in the log',
  async (mode) => {
    const bench = await WorkerBench.start();
    const { files, bytes } = await makeOddTree(bench.at('source'));
    const before = await listTree(bench.at('source'));
    await bench.startWorker();
    const { id } = await bench.create({ options: deletes(mode, true) });
    const job = await bench.reaches(id, 'completed');
    expect(await listTree(bench.at('copy'))).toEqual(before);
    expect(await readdir(bench.at('source'))).toEqual([]);
    expect(job).toMatchObject({
      warnings: [],
      verification: { method: 'bytes', algorithm: 'sha256', filesExpected: files + 1, filesEqual: files + 1, mismatches: 0 },
      deletion: { filesDeleted: files + 1, foldersDeleted: 2, filesKept: 0, kept: [] },
    });
    expect(job.deletion?.bytesDeleted).toBeGreaterThanOrEqual(bytes);
    const announced = bench.lines.all.filter(({ text }) => text.startsWith('Deleting in the source: '));
    expect(announced).toHaveLength(files + 1);
    expect(announced.some(({ text }) => text.includes('\\xff\\xfe'))).toBe(true);
    const receipt = bench.files.all.filter(({ outcome }) => outcome === 'deleted');
    expect(receipt).toHaveLength(files + 1);
    for (const { bytes, checksum } of receipt.filter((entry) => entry.checksum !== null)) {
      expect([typeof bytes, checksum]).toEqual(['number', expect.stringMatching(/^sha256:[0-9a-f]{64}$/)]);
    }
  },
);

it.each(['after_verify', 'per_file'] as const)(
  'rclone moves as rsync does, %s: the same proof, list and log',
  async (mode) => {
    const bench = await WorkerBench.start();
    const { files, bytes } = await makeOddTree(bench.at('source'));
    const before = await listTree(bench.at('source'));
    await writeOldFile(bench.at('source/left.tmp'), 'left out');
    await bench.startWorker(createRcloneEngine({ markers: bench.markers, configFile: '/dev/null', remotes: [] }));
    const { id } = await bench.create({ type: 'rclone', options: { excludes: ['*.tmp'], ...deletes(mode, true) } });
    const job = await bench.reaches(id, 'completed', 40_000);
    expect(await listTree(bench.at('copy'))).toEqual(before);
    expect(await readdir(bench.at('source'))).toEqual(['left.tmp']);
    expect(job).toMatchObject({
      verification: { method: 'bytes', algorithm: 'sha256', filesExpected: files + 1, filesEqual: files + 1, mismatches: 0 },
      deletion: { filesDeleted: files + 1, foldersDeleted: 2, filesKept: 0 },
    });
    expect(job.deletion?.bytesDeleted).toBeGreaterThanOrEqual(bytes);
    expect(bench.lines.all.filter(({ text }) => text.startsWith('Deleting in the source: '))).toHaveLength(files + 1);
  },
  60_000,
);

it('rclone: a copy whose size and time deceive stops the deletion, and the next attempt copies by content', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/bad'), 'AAAA');
  await writeOldFile(bench.at('copy/bad'), 'BBBB');
  await bench.startWorker(createRcloneEngine({ markers: bench.markers, configFile: '/dev/null', remotes: [] }));
  const { id } = await bench.create({ type: 'rclone', options: deletes('after_verify') });
  expect(await bench.reaches(id, 'completed', 40_000)).toMatchObject({ attempt: 2, deletion: { filesDeleted: 1 } });
  expect(await listTree(bench.at('copy'))).toEqual([`/bad ${Buffer.from('AAAA').toString('base64')}`]);
}, 60_000);

it('A deletion needs a yes in the request, also in a later change of the options', async () => {
  const bench = await WorkerBench.start();
  await expect(bench.create({ options: { deleteSource: { mode: 'after_verify' } } })).rejects.toMatchObject({
    code: 'invalid_request',
    details: { field: 'options.deleteSource.confirmed' },
  });
  const { id } = await bench.create({ start: false });
  await expect(bench.client.ask('update', { id, options: { deleteSource: { mode: 'per_file' } } })).rejects.toMatchObject({
    code: 'invalid_request',
  });
});

it('What the patterns leave out, folders that were not asked for and the source folder itself stay', async () => {
  const bench = await WorkerBench.start();
  for (const file of ['a.txt', 'b.tmp', 'sub/c.txt']) await writeOldFile(bench.at(`source/${file}`), file);
  await bench.startWorker();
  const { id } = await bench.create({ options: { excludes: ['*.tmp'], ...deletes('after_verify') } });
  expect(await bench.reaches(id, 'completed')).toMatchObject({ deletion: { filesDeleted: 2, foldersDeleted: 0 } });
  expect((await listTree(bench.at('source'))).map((line) => line.split(' ')[0])).toEqual(['/b.tmp', '/sub']);
});

it('A copy whose size and time deceive stops the deletion; the next attempt copies by content and then deletes', async () => {
  const bench = await WorkerBench.start();
  for (const [name, content] of [
    ['good', 'good'],
    ['bad', 'AAAA'],
  ] as const)
    await writeOldFile(bench.at(`source/${name}`), content);
  await writeOldFile(bench.at('copy/bad'), 'BBBB');
  const before = await listTree(bench.at('source'));
  await bench.startWorker();
  const { id } = await bench.create({ options: deletes('after_verify') });
  const job = await bench.reaches(id, 'completed');
  expect(job).toMatchObject({ attempt: 2, deletion: { filesDeleted: 2, filesKept: 0 } });
  expect(bench.lines.text).toContain('Kept in the source: bad: its copy has other content');
  expect(await listTree(bench.at('copy'))).toEqual(before);
  expect(await readdir(bench.at('source'))).toEqual([]);
});

it('Nothing is deleted while the log takes nothing; the job is tried again and says why', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/file'), 'content');
  bench.lines.storeError = new Error('no room');
  await bench.startWorker();
  const { id } = await bench.create({ options: { ...deletes('per_file'), maxRetries: 0 } });
  const { error, deletion } = await bench.reaches(id, 'failed');
  expect(error).toMatchObject({ code: 'log_unavailable', retriable: true });
  expect(deletion).toMatchObject({ filesDeleted: 0 });
  expect(await readdir(bench.at('source'))).toEqual(['file']);
});

it('A copy that fails deletes nothing', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/file'), 'content');
  const engine = Object.assign(createRsyncEngine({ markers: bench.markers }), { transfer: () => Promise.reject(new Error('broken')) });
  await bench.startWorker(engine);
  const { id } = await bench.create({ options: deletes('per_file') });
  await bench.reaches(id, 'failed');
  expect(await readdir(bench.at('source'))).toEqual(['file']);
});

it('A pause between copy and deletion, and a resume, delete in the end, and the counts add up', async () => {
  const bench = await WorkerBench.start();
  for (let number = 0; number < 5; number++) await writeOldFile(bench.at(`source/${number}`), noise(MEGABYTE));
  const before = await listTree(bench.at('source'));
  await bench.startWorker();
  const { id } = await bench.create({ options: { bandwidthLimit: 2 * MEGABYTE, ...deletes('per_file') } });
  await expect.poll(async () => (await bench.client.get(id)).phase, { timeout: 20_000 }).toBe('transferring');
  await bench.client.command('pause', id);
  await bench.reaches(id, 'paused');
  await bench.client.command('resume', id);
  const job = await bench.reaches(id, 'completed');
  expect(job.deletion).toMatchObject({ filesDeleted: 5, bytesDeleted: 5 * MEGABYTE });
  expect(await listTree(bench.at('copy'))).toEqual(before);
});

it('A single file is moved under the name that the destination gives; a link is not followed', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/file'), 'content');
  await mkdir(bench.at('copy'));
  await bench.startWorker();
  const file = await bench.create({
    source: bench.at('source/file'),
    destination: bench.at('copy/other'),
    options: deletes('after_verify'),
  });
  expect(await bench.reaches(file.id, 'completed')).toMatchObject({ deletion: { filesDeleted: 1 } });
  expect([await readdir(bench.at('source')), await readdir(bench.at('copy'))]).toEqual([[], ['other']]);

  await writeFile(bench.at('target'), 'not to be deleted');
  await symlink(bench.at('target'), bench.at('source/link'));
  const link = await bench.create({ source: bench.at('source/link'), destination: bench.at('copy/'), options: deletes('after_verify') });
  expect((await bench.reaches(link.id, 'failed')).error).toMatchObject({ code: 'path_not_allowed' });
  expect(await readdir(bench.at('source'))).toEqual(['link']);
});

it('A folder without a slash at its end is moved as a folder of its name', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/sub/file'), 'content');
  await bench.startWorker();
  const { id } = await bench.create({ source: bench.at('source'), options: deletes('after_verify', true) });
  expect(await bench.reaches(id, 'completed')).toMatchObject({ deletion: { filesDeleted: 1, foldersDeleted: 1 } });
  expect([await listTree(bench.at('source')), await readdir(bench.at('copy/source/sub'))]).toEqual([[], ['file']]);
});
