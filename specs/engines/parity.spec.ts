import { appendFile, chmod, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { TransferOptions } from '../../actors/job.js';
import { bytesOf } from '../../src/file-record.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool, type Tool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, withoutRoot } from './bench.js';
import { listTree, makeOddTree, newFolder, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 60_000 });

const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const MIRROR = { deleteExtraneous: true, maxDelete: 100 };

function mustFind(name: 'rsync' | 'rclone'): Tool {
  const tool = findTool(name);
  if (!tool) throw new Error(`These specs need ${name}: install it.`);
  return tool;
}

async function sides(options: Partial<TransferOptions> = {}) {
  const folder = await newFolder();
  const at = (name: string) => path.join(folder, name);
  await mkdir(at('source'));
  return {
    folder,
    at,
    source: at('source'),
    destination: at('destination'),
    task: makeTask(`${at('source')}/`, `${at('destination')}/`, options),
  };
}

const namesOf = (run: Bench, outcome: string): string[] =>
  run.files
    .filter((file) => file.outcome === outcome)
    .map((file) => bytesOf(file).toString('latin1'))
    .sort();

/** Files and links of a tree, byte by byte. */
const filesIn = async (root: string): Promise<string[]> =>
  (await listTree(root))
    .filter((line) => !line.endsWith(' folder'))
    .map((line) => line.replace(/(?: -> .*| [A-Za-z0-9+/=]*)$/s, '').slice(1))
    .sort();

describe.each([
  { name: 'rsync', tool: mustFind('rsync'), make: (find: () => Tool) => createRsyncEngine({ markers, findRsync: find }) },
  {
    name: 'rclone',
    tool: mustFind('rclone'),
    make: (find: () => Tool) => createRcloneEngine({ markers, findRclone: find, configFile: '/dev/null', remotes: [] }),
  },
])('$name, as the other engine,', ({ tool, make }) => {
  const engine = make(() => tool);

  it('tells of every file that was copied, whatever its name is, and by what it is equal', async () => {
    const { source, task } = await sides();
    await makeOddTree(source);
    const run = new Bench();
    await copy(engine, task, run);
    expect(namesOf(run, 'transferred')).toEqual(await filesIn(source));
    expect(new Set(run.files.map(({ provedBy }) => provedBy))).toEqual(new Set(['none']));
    const compared = new Bench();
    const { method } = await engine.verify(task, 'checksum', compared);
    expect(namesOf(compared, 'equal')).toEqual(await filesIn(source));
    for (const file of compared.files) expect(['bytes', method]).toContain(file.provedBy);
  });

  it('tells which files differ, are missing, or are equal by size alone', async () => {
    const { source, destination, task } = await sides();
    for (const file of ['equal', 'missing', 'longer']) await writeOldFile(path.join(source, file), file);
    await copy(engine, task);
    await rm(path.join(destination, 'missing'));
    await appendFile(path.join(destination, 'longer'), 'more');
    const run = new Bench();
    await engine.verify(task, 'size', run);
    expect([namesOf(run, 'equal'), namesOf(run, 'differs'), namesOf(run, 'missing')]).toEqual([['equal'], ['longer'], ['missing']]);
    expect(run.files.find(({ outcome }) => outcome === 'equal')).toMatchObject({ provedBy: 'size' });
    expect(run.files.find(({ outcome }) => outcome === 'differs')).toMatchObject({ provedBy: null, why: expect.any(String) as unknown });
  });

  it('names the files that failed, and takes just these again', async () => {
    const { folder, source, destination, task } = await sides();
    await makeOddTree(source);
    const failing = [Buffer.from('secret\nline'), Buffer.from([0x73, 0xfe])].map((name) =>
      Buffer.concat([Buffer.from(`${source}/`), name]),
    );
    for (const file of failing) await writeFile(file, 'secret');
    await mkdir(destination);
    for (const open of [folder, source, destination]) await chmod(open, 0o777);
    for (const file of failing) await chmod(file, 0);
    const plain = await withoutRoot(tool);
    const run = new Bench();
    const failure = await failureOf(
      copy(
        make(() => plain),
        task,
        run,
      ),
    );
    expect(failure).toMatchObject({
      code: 'permission_denied',
      filesFailed: 2,
      advice: expect.stringContaining('--only-failed') as unknown,
    });
    expect(namesOf(run, 'failed')).toEqual(['secret\nline', 's\xfe'].sort());
    for (const file of failing) await chmod(file, 0o600);
    await writeOldFile(path.join(source, 'another'), 'not now');
    const only = [...run.files.filter(({ outcome }) => outcome === 'failed').map(bytesOf), Buffer.from('gone')];
    const again = new Bench();
    const { filesTransferred, warnings } = await copy(engine, { ...task, only }, again);
    expect(filesTransferred).toBe(2);
    expect(namesOf(again, 'transferred')).toEqual(namesOf(run, 'failed'));
    expect(namesOf(again, 'skipped')).toEqual(['gone']);
    expect(warnings).toEqual([expect.stringContaining('"gone"') as unknown]);
    await rm(path.join(source, 'another'));
    expect(await listTree(destination)).toEqual(await listTree(source));
  });

  it('does not call the rest done when a folder could not be read', async () => {
    const { folder, source, destination, task } = await sides();
    await writeOldFile(path.join(source, 'secret'), 'secret');
    await writeOldFile(path.join(source, 'closed/file'), 'never seen');
    await mkdir(destination);
    for (const open of [folder, source, destination]) await chmod(open, 0o777);
    for (const closed of ['secret', 'closed']) await chmod(path.join(source, closed), 0);
    const plain = await withoutRoot(tool);
    const run = new Bench();
    const copying = make(() => plain).transfer(task, { filesTotal: 1, bytesTotal: 7 }, run);
    const failure = await failureOf(copying);
    expect(failure).toMatchObject({ code: 'permission_denied' });
    // rsync names the folder, so it is taken again with what is in it; rclone does not.
    const failed = namesOf(run, 'failed');
    expect(failed).toEqual(engine.type === 'rclone' ? ['secret'] : ['closed', 'secret']);
    expect(failure.filesFailed).toBe(engine.type === 'rclone' ? undefined : 2);
  });

  it('shows before a copy what it will make, change, delete and leave out, and changes nothing', async () => {
    const { source, destination, task } = await sides({ ...MIRROR, excludes: ['*.tmp'] });
    await writeOldFile(path.join(source, 'equal'), 'equal');
    await writeOldFile(path.join(destination, 'equal'), 'equal');
    await writeOldFile(path.join(source, 'sub/new\nline'), '12345');
    await writeOldFile(path.join(source, 'changed'), '123');
    await writeOldFile(path.join(destination, 'changed'), '1');
    await writeOldFile(path.join(destination, 'old/gone'), '1234567');
    await writeOldFile(path.join(destination, 'kept.tmp'), 'kept');
    await writeOldFile(path.join(source, 'a.tmp'), 'a');
    const before = await listTree(destination);
    const found = await engine.preview!(task, new Bench());
    expect(found).toMatchObject({
      counts: {
        create: { files: 1, folders: 1, bytes: 5 },
        change: { files: 1, bytes: 3 },
        delete: { files: 1, folders: 1, bytes: 7 },
        skip: { files: 1 },
        equal: { files: 1 },
      },
      truncated: false,
      failure: null,
    });
    expect(found.names).toEqual(
      expect.arrayContaining([
        { change: 'delete', path: 'old/gone', bytes: 7 },
        { change: 'create', path: 'sub/new\nline', bytes: 5 },
        { change: 'change', path: 'changed', bytes: 3 },
      ]),
    );
    expect(found.command[0]).toBe(tool.path);
    expect(await listTree(destination)).toEqual(before);
    // "equal", "changed" and what is new; what the patterns leave out is not there.
    expect(await engine.count(task, new Bench())).toMatchObject({ changes: found.changes, source: { files: 3, bytes: 13 } });
  });

  it('shows what it will do with the rest when a folder of the source cannot be read, and names that one', async () => {
    const { folder, source, task } = await sides({ excludes: ['*.tmp'] });
    await writeOldFile(path.join(source, 'file'), '12345');
    await writeFile(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0x66, 0xfe])]), '123');
    await mkdir(path.join(source, 'closed'), { mode: 0 });
    for (const open of [folder, source]) await chmod(open, 0o777);
    const user = await withoutRoot(tool);
    const found = await make(() => user).preview!(task, new Bench());
    expect(found).toMatchObject({ counts: { create: { files: 2, bytes: 8 } }, failure: { code: 'permission_denied' } });
    expect(found.failure?.message).toContain('closed');
    expect(found.names).toContainEqual({ change: 'create', path: 'file', bytes: 5 });
  });

  it('makes the destination of a mirror equal to its source, whatever the names are, and logs each deletion', async () => {
    const { source, destination, task } = await sides(MIRROR);
    await writeOldFile(path.join(source, 'kept'), 'kept');
    await mkdir(path.join(source, 'empty'));
    await makeOddTree(path.join(destination, 'extra'));
    await writeFile(Buffer.concat([Buffer.from(`${destination}/`), Buffer.from([0xff])]), 'extra');
    const counted = await engine.count(task, new Bench());
    const { files, folders } = counted.changes?.delete ?? { files: 0, folders: 0 };
    const before = await listTree(destination);
    const run = new Bench();
    await engine.transfer(task, counted, run);
    expect(await listTree(destination)).toEqual(await listTree(source));
    expect(files + folders).toBe(before.length);
    expect(run.lines.filter(({ level, text }) => level === 'info' && text.startsWith('*deleting'))).toHaveLength(files + folders);
    expect(run.files.filter(({ outcome }) => outcome === 'deleted')).toHaveLength(files + folders);
    expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ mismatches: 0 });
  });

  it('does not take one name that is no UTF-8 for another in a mirror', async () => {
    const { source, destination, task } = await sides(MIRROR);
    const at = (side: string, last: number) => Buffer.concat([Buffer.from(`${side}/a`), Buffer.from([last])]);
    await mkdir(destination);
    for (const file of [at(source, 0xff), at(destination, 0xff), at(destination, 0xfe)]) await writeFile(file, 'content');
    for (const folder of [at(`${source}/d`, 0xff), at(`${destination}/d`, 0xff), at(`${destination}/d`, 0xfe)])
      await mkdir(folder, { recursive: true });
    await copy(engine, task);
    expect(await listTree(destination)).toEqual(await listTree(source));
  });

  it('deletes no more than a mirror may when the source shrinks after the count', async () => {
    const { source, destination, task } = await sides({ ...MIRROR, maxDelete: 2 });
    const names = ['1', '2', '3', '4'];
    for (const name of [...names, 'kept']) for (const side of [source, destination]) await writeOldFile(path.join(side, name), name);
    const counted = await engine.count(task, new Bench());
    for (const name of names) await rm(path.join(source, name));
    expect(await failureOf(engine.transfer(task, counted, new Bench()))).toMatchObject({ code: 'delete_limit', retriable: false });
    expect((await readdir(destination)).length).toBeGreaterThanOrEqual(names.length + 1 - 2);
  });

  it('deletes nothing when a folder of the source cannot be read', async () => {
    const { folder, source, destination, task } = await sides(MIRROR);
    await mkdir(path.join(source, 'closed'), { mode: 0 });
    await writeOldFile(path.join(destination, 'closed/file'), 'precious');
    await writeOldFile(path.join(destination, 'other'), 'precious');
    for (const open of [folder, destination, `${destination}/closed`]) await chmod(open, 0o777);
    const user = await withoutRoot(tool);
    const failure = await failureOf(make(() => user).transfer(task, { filesTotal: 0, bytesTotal: 0 }, new Bench()));
    expect(failure.code).toBe('permission_denied');
    expect(await filesIn(destination)).toEqual(['closed/file', 'other']);
  });

  it('keeps in a mirror what an exclude names and the marker, and deletes a link itself', async () => {
    const { at, source, destination, task } = await sides({ ...MIRROR, excludes: ['*.keep'], marker: { destination: '.disk' } });
    await writeOldFile(at('outside/precious'), 'precious');
    await writeOldFile(path.join(source, 'kept'), 'kept');
    for (const name of ['.disk', 'a.keep', 'sub/b.keep', 'sub/c']) await writeOldFile(path.join(destination, name), name);
    await symlink(at('outside'), path.join(destination, 'link'));
    await copy(engine, task);
    expect(await filesIn(destination)).toEqual(['.disk', 'a.keep', 'kept', 'sub/b.keep']);
    expect(await readdir(at('outside'))).toEqual(['precious']);
    expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ mismatches: 0, filesEqual: 1, extra: 0 });
    await writeOldFile(path.join(destination, 'left over'), 'left over');
    expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ mismatches: 0, filesEqual: 1, extra: 1 });
  });

  it('puts what a mirror deletes and replaces into the trash', async () => {
    const { at, source, destination, task } = await sides(MIRROR);
    const withTrash = { ...task, attempt: 7, options: { ...task.options, trash: at('trash') } };
    await writeOldFile(path.join(destination, 'sub/deleted'), 'deleted');
    await writeOldFile(path.join(source, 'replaced'), 'new content');
    await writeOldFile(path.join(destination, 'replaced'), 'old');
    await copy(engine, withTrash);
    expect(await listTree(destination)).toEqual(await listTree(source));
    const trash = at(`trash/${task.jobId}-7`);
    expect(await filesIn(trash)).toEqual(['replaced', 'sub/deleted']);
    expect(await readFile(path.join(trash, 'replaced'), 'utf8')).toBe('old');
  });

  it('lists what a copy looks at, by kind', async () => {
    const { source, task } = await sides({ excludes: ['*.tmp'] });
    await makeOddTree(source);
    await writeOldFile(path.join(source, 'left.tmp'), 'left out');
    const entries = (await engine.list!(task, new Bench())).filter(({ path: name }) => name !== './');
    const files = entries.filter(({ type }) => type !== 'folder').map(({ path: name }) => name);
    expect(files.sort()).toEqual((await filesIn(source)).filter((name) => name !== 'left.tmp'));
    expect(entries.filter(({ type }) => type === 'link').map(({ path: name }) => name)).toEqual(['folder/link']);
    expect(entries.filter(({ type }) => type === 'folder').map(({ path: name }) => name)).toEqual(['folder/', 'folder/empty folder/']);
  });
});
