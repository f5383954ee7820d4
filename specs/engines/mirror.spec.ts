import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { TransferOptions } from '../../actors/job.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, withoutRoot } from './bench.js';
import { listTree, makeOddTree, newFolder, writeOldFile } from './trees.js';

const tool = findTool('rsync');
if (!tool) throw new Error('These specs need rsync: install it.');
const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const engine = createRsyncEngine({ markers });

async function sides(options: Partial<TransferOptions> = {}) {
  const folder = await newFolder();
  const [source, destination, trash] = ['source', 'destination', 'trash'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeOldFile(path.join(source, 'kept'), 'kept');
  await writeOldFile(path.join(destination, 'kept'), 'kept');
  const task = makeTask(`${source}/`, `${destination}/`, { deleteExtraneous: true, maxDelete: 100, ...options });
  return { source, destination, trash, task };
}

it('makes the destination equal to the source, whatever the names are, and tells of every deletion', async () => {
  const { source, destination, task } = await sides();
  await makeOddTree(destination);
  const run = new Bench();
  const counted = await engine.count(task, run);
  const { files, folders } = counted.changes?.delete ?? { files: 0, folders: 0 };
  const before = (await listTree(destination)).length;
  await engine.transfer(task, counted, run);
  expect(await listTree(destination)).toEqual(await listTree(source));
  expect(files + folders).toBe(before - 1);
  expect(run.lines.filter(({ level, text }) => level === 'info' && text.startsWith('*deleting'))).toHaveLength(files + folders);
});

it('counts what would be made, changed and deleted, and what is equal', async () => {
  const { source, destination, task } = await sides();
  await writeOldFile(path.join(source, 'new/file'), '12345');
  await symlink('file', path.join(source, 'new/link'));
  await writeOldFile(path.join(source, 'changed'), '123');
  await writeOldFile(path.join(destination, 'changed'), '1');
  await writeOldFile(path.join(destination, 'old/file'), '1');
  const counted = await engine.count(task, new Bench());
  expect(counted.changes).toMatchObject({
    create: { files: 2, folders: 1, bytes: 5 },
    change: { files: 1, bytes: 3 },
    delete: { files: 1, folders: 1 },
    equal: 1,
  });
  expect(await readdir(destination)).toEqual(['changed', 'kept', 'old']);
});

it('deletes no more than it may when the source shrinks after the count', async () => {
  const { source, destination, task } = await sides({ maxDelete: 2 });
  const names = ['1', '2', '3', '4', '5'];
  for (const name of names) for (const side of [source, destination]) await writeOldFile(path.join(side, name), name);
  const counted = await engine.count(task, new Bench());
  for (const name of names) await rm(path.join(source, name));
  const failure = await failureOf(engine.transfer(task, counted, new Bench()));
  expect(failure).toMatchObject({ code: 'delete_limit', exitCode: 25, retriable: false });
  expect(failure.message).toContain('3 skipped');
  expect(await readdir(destination)).toHaveLength(names.length + 1 - 2);
});

it('deletes nothing when a folder of the source cannot be read', async () => {
  const user = await withoutRoot(tool);
  const { source, destination, task } = await sides();
  await mkdir(path.join(source, 'closed'), { mode: 0o000 });
  await writeOldFile(path.join(destination, 'closed/file'), 'precious');
  await writeOldFile(path.join(destination, 'other'), 'precious');
  for (const folder of [path.dirname(source), destination, `${destination}/closed`]) await chmod(folder, 0o777);
  const failure = await failureOf(
    createRsyncEngine({ markers, findRsync: () => user }).transfer(task, { filesTotal: 0, bytesTotal: 0 }, new Bench()),
  );
  expect(failure.code).toBe('permission_denied');
  expect((await listTree(destination)).filter((line) => line.includes(Buffer.from('precious').toString('base64')))).toHaveLength(2);
});

it('keeps what an exclude names, partial files and the marker of the destination, though an include names all', async () => {
  const { destination, task } = await sides({ excludes: ['*.keep'], includes: ['*.keep.too', '.*'], marker: { destination: '.disk' } });
  for (const name of ['.disk', 'a.keep', 'b.keep.too', '.tallyman-partial/half', 'sub/.disk'])
    await writeOldFile(path.join(destination, name), name);
  await copy(engine, task);
  expect((await readdir(destination)).sort()).toEqual(['.disk', '.tallyman-partial', 'a.keep', 'kept']);
});

it('puts what it deletes and replaces into the trash, a folder for each attempt', async () => {
  const { source, destination, trash, task } = await sides();
  const withTrash = { ...task, attempt: 7, options: { ...task.options, trash } };
  await writeOldFile(path.join(destination, 'sub/deleted'), 'deleted');
  await writeOldFile(path.join(source, 'replaced'), 'new content');
  await writeOldFile(path.join(destination, 'replaced'), 'old');
  await copy(engine, withTrash);
  expect(await listTree(destination)).toEqual(await listTree(source));
  expect(await listTree(path.join(trash, `${task.jobId}-7`))).toEqual([
    `/replaced ${Buffer.from('old').toString('base64')}`,
    '/sub folder',
    `/sub/deleted ${Buffer.from('deleted').toString('base64')}`,
  ]);
});

it('deletes a link itself and never what it leads to', async () => {
  const { destination, task } = await sides();
  const outside = await newFolder();
  await writeFile(path.join(outside, 'precious'), 'precious');
  await symlink(outside, path.join(destination, 'link'));
  await symlink(outside, path.join(destination, 'link to slash'));
  await copy(engine, task);
  expect(await readdir(destination)).toEqual(['kept']);
  expect(await readdir(outside)).toEqual(['precious']);
});

it('is not verified while something is left over', async () => {
  const { destination, task } = await sides();
  expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ mismatches: 0, filesEqual: 1, extra: 0 });
  await writeOldFile(path.join(destination, 'left over'), 'left over');
  expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ mismatches: 0, filesEqual: 1, extra: 1 });
  expect(await readdir(destination)).toEqual(['kept', 'left over']);
});

it('deletes nothing while it takes only the files that failed', async () => {
  const { source, destination, task } = await sides();
  await writeOldFile(path.join(source, 'sub/failed'), 'failed');
  await writeOldFile(path.join(destination, 'sub/other'), 'other');
  await copy(engine, { ...task, only: [Buffer.from('sub'), Buffer.from('sub/failed')] });
  expect((await readdir(path.join(destination, 'sub'))).sort()).toEqual(['failed', 'other']);
});
