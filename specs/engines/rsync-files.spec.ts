import { execFileSync } from 'node:child_process';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { bytesOf, type FileEntry } from '../../src/file-record.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, scriptTool, withoutRoot } from './bench.js';
import { listTree, makeOddTree, newFolder, noise, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 60_000 });

const tool = findTool('rsync');
if (!tool) throw new Error('These specs need rsync: install it.');
const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const engine = createRsyncEngine({ markers, findRsync: () => tool });
/** No permission stops root: there rsync runs as another user. */
const asUser = async () => {
  const user = await withoutRoot(tool);
  return createRsyncEngine({ markers, findRsync: () => user });
};

async function sides(): Promise<{ source: string; destination: string }> {
  const folder = await newFolder();
  const [source, destination] = [path.join(folder, 'source'), path.join(folder, 'destination')];
  for (const each of [folder, source, destination]) {
    await mkdir(each, { recursive: true });
    await chmod(each, 0o777);
  }
  return { source, destination };
}
const namesOf = (files: FileEntry[], outcome: FileEntry['outcome']) =>
  files
    .filter((file) => file.outcome === outcome)
    .map((file) => bytesOf(file).toString('latin1'))
    .sort();
/** The files of a tree, as `makeOddTree` makes it, byte by byte. */
const filesIn = (folder: string) =>
  execFileSync('find', ['.', '-not', '-type', 'd', '-printf', '%P\\0'], { cwd: folder, encoding: 'latin1' })
    .split('\0')
    .slice(0, -1)
    .sort();

const HOSTILE = [
  'new\nline',
  'esc\u001b[2J',
  '\u202ebidi',
  'q"uote" failed: Permission denied (13)',
  '" -> "',
  '#x',
  ';y',
  '-z',
  '\\#012',
  'x'.repeat(255),
]
  .map((name) => Buffer.from(name))
  .concat(Buffer.from([0x66, 0xff, 0xfe]));

describe('what rsync tells of files', () => {
  for (const slash of ['/', '']) {
    it(`names every file that was transferred, from a source ${slash ? 'with' : 'without'} a slash, byte by byte`, async () => {
      const { source, destination } = await sides();
      await makeOddTree(source);
      const run = new Bench();
      await copy(engine, makeTask(`${source}${slash}`, `${destination}/`), run);
      expect(namesOf(run.files, 'transferred')).toEqual(filesIn(source));
      expect(run.files.every(({ provedBy }) => provedBy === 'none')).toBe(true);
      const again = new Bench();
      await copy(engine, makeTask(`${source}${slash}`, `${destination}/`), again);
      expect(again.files).toEqual([]);
    });

    it(`names every file that is equal, with its checksum, and what differs or is missing, from a source ${slash ? 'with' : 'without'} a slash`, async () => {
      const { source, destination } = await sides();
      await makeOddTree(source);
      const task = makeTask(`${source}${slash}`, `${destination}/`);
      await copy(engine, task);
      const run = new Bench();
      await engine.verify(task, 'checksum', run);
      expect(namesOf(run.files, 'equal')).toEqual(filesIn(source));
      for (const { path: name, provedBy, checksum } of run.files) {
        expect({ name, provedBy }).toEqual({ name, provedBy: name.endsWith('/link') ? 'bytes' : 'checksum' });
        if (provedBy === 'checksum') expect(checksum).toMatch(/^\w+:[0-9a-f]{16,}$/);
      }
      const copied = path.join(destination, slash ? '' : 'source', 'folder');
      await rm(path.join(copied, 'new\nline'));
      await writeFile(path.join(copied, 'host:path'), 'other length');
      await writeOldFile(path.join(copied, '-rf'), 'Content of -rf');
      const later = new Bench();
      expect(await engine.verify(task, 'checksum', later)).toMatchObject({ mismatches: 3 });
      expect(namesOf(later.files, 'missing')).toEqual(['folder/new\nline']);
      expect(namesOf(later.files, 'differs')).toEqual(['folder/-rf', 'folder/host:path']);
      expect(later.files.find(({ path: name }) => name.endsWith('-rf'))?.why).toBe('The contents differ.');
      expect(namesOf(later.files, 'equal')).toHaveLength(filesIn(source).length - 3);
    });
  }

  it('names the file itself when the source is one', async () => {
    const { source, destination } = await sides();
    await writeOldFile(path.join(source, 'a file'), 'x');
    const run = new Bench();
    const task = makeTask(path.join(source, 'a file'), path.join(destination, 'other name'));
    await copy(engine, task, run);
    await engine.verify(task, 'size', run);
    expect(run.files.map(({ path: name, outcome, provedBy }) => [name, outcome, provedBy])).toEqual([
      ['a file', 'transferred', 'none'],
      ['a file', 'equal', 'size'],
    ]);
  });

  it('names a link that was made while the progress of a file stood on the line', async () => {
    const { source, destination } = await sides();
    const glued = await scriptTool(`printf '\\r   9  42%%    0.00kB/s    0:00:00 (xfr#3, to-chk=5/13)cL+++++++++|4|sub/link\\n'
      echo 'Number of regular files transferred: 0'; echo 'Total transferred file size: 0 bytes'`);
    const run = new Bench();
    await createRsyncEngine({ markers, findRsync: () => glued }).transfer(
      makeTask(`${source}/`, `${destination}/`),
      { filesTotal: 13, bytesTotal: 21 },
      run,
    );
    expect(namesOf(run.files, 'transferred')).toEqual(['sub/link']);
  });

  it('names what could not be read and why, whatever the names are, and how many; the rest is transferred', async () => {
    const { source, destination } = await sides();
    for (const name of HOSTILE) {
      const file = Buffer.concat([Buffer.from(`${source}/`), name]);
      await writeFile(file, 'secret');
      await chmod(file, 0);
    }
    await writeOldFile(path.join(source, 'open'), 'x');
    await mkdir(path.join(source, 'closed'), { mode: 0 });
    const run = new Bench();
    const task = makeTask(`${source}/`, `${destination}/`);
    const failure = await failureOf(copy(await asUser(), task, run));
    const expected = [...HOSTILE.map((name) => name.toString('latin1')), 'closed'].sort();
    expect(namesOf(run.files, 'failed')).toEqual(expected);
    expect(namesOf(run.files, 'transferred')).toEqual(['open']);
    expect(run.files.find(({ path: name }) => name === 'closed')?.why).toBe('opendir failed: Permission denied (13)');
    expect(failure).toMatchObject({ code: 'permission_denied', exitCode: 23, filesFailed: expected.length });
    expect(failure.message).toMatch(new RegExp(`^${expected.length} files failed, the first: ".*" \\(.*Permission denied \\(13\\)\\)\\.`));
    for (const command of [`tallyman files ${task.jobId} --failed`, `tallyman retry ${task.jobId} --only-failed`]) {
      expect(failure.advice).toContain(command);
    }
  });

  it('names what could not be written, also where rsync names a file of its own', async () => {
    const { source, destination } = await sides();
    for (const name of ['fine', 'shut/a', 'shut/.hidden', `shut/${'y'.repeat(255)}`, 'shut/\u202eb'])
      await writeOldFile(path.join(source, name), name);
    for (const folder of [path.join(source, 'shut'), path.join(destination, 'shut')]) {
      await mkdir(folder, { recursive: true });
      await chmod(folder, 0o555);
    }
    const run = new Bench();
    const failure = await failureOf(copy(await asUser(), makeTask(`${source}/`, `${destination}/`), run));
    const files = namesOf(run.files, 'failed').filter((name) => name.startsWith('shut/'));
    expect(files).toEqual(['shut/.hidden', 'shut/a', 'shut/\u00e2\u0080\u00aeb', `shut/${'y'.repeat(255)}`].sort());
    expect(namesOf(run.files, 'transferred')).toEqual(['fine']);
    expect(failure.filesFailed).toBe(namesOf(run.files, 'failed').length);
  });

  it('copies all else when a folder stands in the way of a file, and takes just that one again', async () => {
    const { source, destination } = await sides();
    for (const name of ['fine', 'sub/blo\ncked']) await writeOldFile(path.join(source, name), name);
    await mkdir(path.join(destination, 'sub/blo\ncked/full'), { recursive: true });
    const task = makeTask(`${source}/`, `${destination}/`);
    const run = new Bench();
    const failure = await failureOf(copy(engine, task, run));
    expect(failure).toMatchObject({ code: 'destination_invalid', filesFailed: 1 });
    expect([namesOf(run.files, 'transferred'), namesOf(run.files, 'failed')]).toEqual([['fine'], ['sub/blo\ncked']]);
    await rm(path.join(destination, 'sub/blo\ncked'), { recursive: true });
    const again = new Bench();
    await copy(engine, { ...task, only: [Buffer.from('sub/blo\ncked')] }, again);
    expect(namesOf(again.files, 'transferred')).toEqual(['sub/blo\ncked']);
    expect(await listTree(destination)).toEqual(await listTree(source));
  });

  it('does not call the rest done when it stopped early, or said something of no single file', async () => {
    const { source, destination } = await sides();
    const saying = async (line: string, code: number) => {
      const program = await scriptTool(`echo '>f+++++++++|1|a'; echo '${line}' >&2
        echo 'rsync: [sender] send_files failed to open "${source}/b": Permission denied (13)' >&2; exit ${code}`);
      const run = new Bench();
      const task = makeTask(`${source}/`, `${destination}/`);
      const other = createRsyncEngine({ markers, findRsync: () => program });
      const failure = await failureOf(other.transfer(task, { filesTotal: 2, bytesTotal: 2 }, run));
      return [failure.filesFailed, namesOf(run.files, 'failed'), namesOf(run.files, 'transferred')];
    };
    expect(await saying('rsync error: some files (code 23)', 23)).toEqual([1, ['b'], ['a']]);
    expect(await saying('IO error encountered -- skipping file deletion', 23)).toEqual([undefined, ['b'], ['a']]);
    expect(await saying('rsync: [sender] change_dir "/elsewhere" failed: No such file or directory (2)', 23)).toEqual([
      undefined,
      ['b'],
      ['a'],
    ]);
    expect(await saying(`rsync: [receiver] mkstemp "${destination}/.c.ABCDEF" failed: Permission denied (13)`, 23)).toEqual([
      undefined,
      ['b'],
      ['a'],
    ]);
    for (const code of [11, 12, 20, 30]) expect(await saying('rsync error: x', code)).toEqual([undefined, ['b'], []]);
  });

  it.runIf(process.getuid?.() === 0)('leaves special files out without the rights of root, says so, and still verifies', async () => {
    const { source, destination } = await sides();
    execFileSync('mknod', [path.join(source, 'device'), 'c', '1', '3']);
    await writeOldFile(path.join(source, 'file'), 'x');
    const run = new Bench();
    const task = makeTask(`${source}/`, `${destination}/`);
    const nobody = await scriptTool(`exec setpriv --reuid=65534 --regid=65534 --clear-groups '${tool.path}' "$@"`);
    const user = createRsyncEngine({ markers, findRsync: () => nobody });
    expect((await copy(user, task, run)).warnings).toEqual([expect.stringContaining('"device"') as unknown]);
    expect(namesOf(run.files, 'skipped')).toEqual(['device']);
    expect(await user.verify(task, 'checksum', run)).toMatchObject({ filesExpected: 1, filesEqual: 1, mismatches: 0 });
  });

  it('names what vanished, and warns', async () => {
    const { source, destination } = await sides();
    const vanishing = await scriptTool(`'${tool.path}' "$@"; echo 'file has vanished: "${source}/new\\#012line"' >&2; exit 24`);
    const run = new Bench();
    const { warnings } = await copy(
      createRsyncEngine({ markers, findRsync: () => vanishing }),
      makeTask(`${source}/`, `${destination}/`),
      run,
    );
    expect(warnings).toEqual([expect.stringContaining('"new\\nline"') as unknown]);
    expect(namesOf(run.files, 'skipped')).toContain('new\nline');
  });
});

describe('a copy of given files only', () => {
  for (const slash of ['/', '']) {
    it(`takes exactly those, whatever their names are, from a source ${slash ? 'with' : 'without'} a slash`, async () => {
      const { source, destination } = await sides();
      for (const name of HOSTILE) await writeFile(Buffer.concat([Buffer.from(`${source}/`), name]), 'x');
      for (const name of ['other', 'folder/a', 'folder/deep/b', 'beside/c', 'beside/d'])
        await writeOldFile(path.join(source, name), noise(10));
      const only = [...HOSTILE, Buffer.from('folder'), Buffer.from('beside/c'), Buffer.from('gone')];
      const task = { ...makeTask(`${source}${slash}`, `${destination}/`), only };
      const run = new Bench();
      const { filesTransferred, warnings } = await copy(engine, task, run);
      const expected = [...HOSTILE.map((name) => name.toString('latin1')), 'folder/a', 'folder/deep/b', 'beside/c'].sort();
      expect(filesIn(path.join(destination, slash ? '' : 'source'))).toEqual(expected);
      expect(namesOf(run.files, 'transferred')).toEqual(expected);
      expect(filesTransferred).toBe(expected.length);
      expect(run.progress.at(-1)).toMatchObject({ filesTotal: expected.length, percent: 100 });
      expect(namesOf(run.files, 'skipped')).toEqual(['gone']);
      expect(warnings).toEqual([expect.stringContaining('"gone"') as unknown]);
      for (const { text } of run.lines.filter(({ stream }) => stream === 'worker')) expect(text).not.toContain('beside/c');
      const compared = new Bench();
      expect(await engine.verify(task, 'checksum', compared)).toMatchObject({ mismatches: 2 });
      expect(namesOf(compared.files, 'missing')).toEqual(['beside/d', 'other']);
      expect(namesOf(compared.files, 'equal')).toEqual(expected);
    });
  }

  it('of a source that is one file is that file', async () => {
    const { source, destination } = await sides();
    await writeOldFile(path.join(source, 'file'), 'x');
    await copy(engine, { ...makeTask(path.join(source, 'file'), path.join(destination, 'copy')), only: [Buffer.from('file')] });
    expect(await listTree(destination)).toHaveLength(1);
    expect(filesIn(destination)).toEqual(['copy']);
  });

  it('that is longer than a pipe holds ends when rsync ends early', async () => {
    const { source, destination } = await sides();
    const only = Array.from({ length: 20_000 }, (_, index) => Buffer.from(`folder/file number ${index}`));
    const deaf = await scriptTool('exit 12');
    const failure = await failureOf(
      createRsyncEngine({ markers, findRsync: () => deaf }).count({ ...makeTask(`${source}/`, `${destination}/`), only }, new Bench()),
    );
    expect(failure).toMatchObject({ exitCode: 12 });
  });
});

it('What needs no copy is told when asked for, and is in no log', async () => {
  const { source, destination } = await sides();
  for (const name of ['same', 'new\nline']) await writeOldFile(path.join(source, name), 'content');
  const task = makeTask(`${source}/`, `${destination}/`, { listUnchanged: true });
  await copy(engine, task);
  await writeOldFile(path.join(source, 'later'), 'more');
  await chmod(path.join(source, 'same'), 0o600);
  const run = new Bench();
  await copy(engine, task, run);
  const told = run.files.map(({ path: name, outcome, provedBy, bytes, why }) => [name, outcome, provedBy, bytes, why]);
  expect(told.sort()).toEqual([
    ['later', 'transferred', 'none', 4, null],
    ['new\nline', 'unchanged', 'none', 7, null],
    ['same', 'unchanged', 'none', 7, 'Only its times or rights were set.'],
  ]);
  expect(run.lines.filter(({ stream, text }) => stream === 'stdout' && text.includes('line'))).toEqual([]);
  const plain = new Bench();
  await copy(engine, { ...task, options: { ...task.options, listUnchanged: false } }, plain);
  expect(plain.files).toEqual([]);
});
