import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EngineStopped } from '../../src/engines/engine.js';
import { attemptName, findLeftovers } from '../../src/engines/leftovers.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { findTool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, withoutRoot } from './bench.js';
import { crypt, serveSftp, serveWebdav, webdav, writeRemotes, wrongLogin } from './remote.js';
import { listTree, makeOddTree, newFolder, noise, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 90_000 });

const tool = findTool('rclone');
if (!tool) throw new Error('These specs need rclone: install it.');
const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const MEGABYTE = 1024 * 1024;

/** A folder with a source, and the remotes: `dav` is somewhere else, `safe` encrypts into a folder, `near` is a folder by another name. */
async function remotes() {
  const folder = await newFolder();
  const at = (name: string) => path.join(folder, name);
  for (const name of ['source', 'served', 'near']) await mkdir(at(name));
  const configFile = await writeRemotes({
    dav: webdav(await serveWebdav(tool!, at('served'))),
    safe: crypt(at('encrypted')),
    near: { type: 'alias', remote: at('near') },
    gone: webdav('http://127.0.0.1:9'),
    stranger: webdav(await serveWebdav(tool!, at('served'), ['--user', 'somebody', '--pass', 'another']), wrongLogin),
  });
  const allowed = ['dav', 'safe', 'near', 'gone', 'stranger', 'unknown'];
  return { at, configFile, allowed, source: at('source'), engine: createRcloneEngine({ markers, configFile, remotes: allowed }) };
}

const sorted = (numbers: number[]) => [...numbers].sort((a, b) => a - b);

describe('On a remote', () => {
  it('a tree arrives whatever its names are, is compared byte by byte, and comes back the same but for its links', async () => {
    const { at, source, engine } = await remotes();
    const tree = await makeOddTree(source);
    const task = makeTask(`${source}/`, 'dav:a/b/');
    const run = new Bench();
    const { warnings } = await copy(engine, task, run);
    expect(warnings).toEqual([expect.stringContaining('.rclonelink') as unknown]);
    const files = tree.files + tree.links;
    expect(await engine.verify(task, 'checksum', new Bench())).toEqual({
      method: 'bytes',
      algorithm: null,
      filesExpected: files,
      filesEqual: files,
      mismatches: 0,
    });
    expect(await engine.verify(task, 'size', new Bench())).toMatchObject({ method: 'size', filesEqual: files, mismatches: 0 });
    expect(await readdir(at('served/a'))).toEqual(['b']);
    await copy(engine, makeTask('dav:a/b', at('back')));
    const [there, back] = [await listTree(source), await listTree(at('back/b'))];
    const isLink = (line: string) => line.includes('link');
    expect(back.filter((line) => !isLink(line))).toEqual(there.filter((line) => !isLink(line)));
    expect(back.filter(isLink)).toEqual([`/folder/link.rclonelink ${Buffer.from('../elsewhere').toString('base64')}`]);
  });

  it('a marker is looked for, beside a single file, and another disk is told before anything is copied', async () => {
    const { at, source, engine } = await remotes();
    for (const file of ['file', '.here']) await writeOldFile(path.join(source, file), '');
    for (const file of ['disk/.seven', 'disk/file', 'disk/.folder/x']) await writeOldFile(at(`served/${file}`), '');
    const check = (from: string, to: string, marker: object) => engine.checkMarkers!(makeTask(from, to, { marker }), new Bench());
    for (const to of ['dav:disk/', 'dav:disk']) await check(`${source}/`, to, { destination: '.seven' });
    for (const to of ['dav:disk/', 'dav:disk', 'dav:disk/file', 'dav:disk/new'])
      await check(`${source}/file`, to, { destination: '.seven' });
    for (const from of ['dav:disk/', 'dav:disk', 'dav:disk/file']) await check(from, `${source}/`, { source: '.seven' });
    for (const name of ['.eight', '.folder']) {
      for (const checked of [check(`${source}/`, 'dav:disk/', { destination: name }), check('dav:disk', source, { source: name })]) {
        const failure = await failureOf(checked);
        expect(failure).toMatchObject({ code: 'marker_missing', message: expect.stringContaining('dav:disk') as unknown });
      }
    }
    expect(await failureOf(check(`${source}/`, 'dav:gone/', { destination: '.seven' }))).toMatchObject({ code: 'marker_missing' });
    expect(await failureOf(check(`${source}/`, 'gone:disk/', { destination: '.seven' }))).toMatchObject({ retriable: true });
    await check(`${source}/`, 'dav:disk/', { source: '.eight' });
  });

  it('that is the memory of another rclone, a tree arrives, is compared, and comes back', async () => {
    const folder = await newFolder();
    const [source, back] = [path.join(folder, 'source'), path.join(folder, 'back')];
    for (const [name, content] of Object.entries({ a: 'a', 'sub/ünï ☃': 'b', 'sub/deep/empty': '' })) {
      await writeOldFile(path.join(source, name), content);
    }
    const configFile = await writeRemotes({ ram: webdav(await serveWebdav(tool, ':memory:bucket')) });
    const engine = createRcloneEngine({ markers, configFile, remotes: ['ram'] });
    const task = makeTask(`${source}/`, 'ram:there/');
    expect(await copy(engine, task)).toMatchObject({ filesTransferred: 3, bytesTransferred: 2 });
    expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ method: 'bytes', filesEqual: 3, mismatches: 0 });
    await writeOldFile(path.join(source, 'a'), 'c');
    expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ filesEqual: 2, mismatches: 1 });
    await writeOldFile(path.join(source, 'a'), 'a');
    await copy(engine, makeTask('ram:there/', `${back}/`));
    expect(await listTree(back)).toEqual(await listTree(source));
  });

  it('a second copy has nothing to do, a changed file replaces the old one, and a changed byte is found', async () => {
    const { at, source, engine } = await remotes();
    for (const file of ['a', 'b']) await writeOldFile(path.join(source, file), file);
    const task = makeTask(`${source}/`, 'dav:there/');
    await copy(engine, task);
    expect(await engine.count(task, new Bench())).toMatchObject({ filesTotal: 0, bytesTotal: 0 });
    expect(await copy(engine, task)).toMatchObject({ filesTransferred: 0 });
    await writeFile(path.join(source, 'a'), 'longer');
    expect(await copy(engine, task)).toMatchObject({ filesTransferred: 1, bytesTransferred: 6 });
    expect(await readFile(at('served/there/a'), 'utf8')).toBe('longer');
    expect(await readdir(at('served'))).toEqual(['there']);
    await writeFile(at('served/there/b'), 'c');
    expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ method: 'bytes', filesEqual: 1, mismatches: 1 });
  });

  it('a single file keeps or gets its name, both ways, and is compared', async () => {
    const { at, source, engine } = await remotes();
    await writeOldFile(path.join(source, 'file'), 'content');
    for (const [from, to, file] of [
      [path.join(source, 'file'), 'dav:', 'served/file'],
      [path.join(source, 'file'), 'dav:folder/', 'served/folder/file'],
      [path.join(source, 'file'), 'dav:folder/other', 'served/folder/other'],
      ['dav:folder/other', at('here'), 'here'],
    ] as const) {
      const task = makeTask(from, to);
      await copy(engine, task);
      expect(await readFile(at(file), 'utf8')).toBe('content');
      expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ method: 'checksum', filesEqual: 1, mismatches: 0 });
    }
    expect(await readdir(at('served/folder'))).toEqual(['file', 'other']);
  });

  it('no truncated file is under its final name when rclone is killed, and the next attempt completes', async () => {
    const { at, source, engine } = await remotes();
    await writeOldFile(path.join(source, 'big'), noise(6 * MEGABYTE));
    await writeOldFile(at('served/there/big'), 'the old one');
    const task = makeTask(`${source}/`, 'dav:there/', { bandwidthLimit: 2 * MEGABYTE });
    const run = new Bench();
    const copying = failureOf(copy(engine, task, run));
    await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(2 * MEGABYTE), 20_000);
    for (const pid of await findLeftovers({ attempt: attemptName(task) })) process.kill(pid, 'SIGKILL');
    expect(await copying).toMatchObject({ code: 'interrupted', retriable: true });
    expect(await listTree(at('served/there'))).toEqual([`/big ${Buffer.from('the old one').toString('base64')}`]);
    await copy(engine, { ...task, attempt: 2, options: { ...task.options, bandwidthLimit: 0 } });
    expect(await listTree(at('served/there'))).toEqual(await listTree(source));
    expect(await readdir(at('served'))).toEqual(['there']);
  });

  it('progress never falls, and a stop ends everything', async () => {
    const { at, source, engine } = await remotes();
    await writeOldFile(path.join(source, 'big'), noise(6 * MEGABYTE));
    const task = makeTask(`${source}/`, 'dav:there/', { bandwidthLimit: 2 * MEGABYTE });
    const run = new Bench();
    const copying = copy(engine, task, run);
    copying.catch(() => undefined);
    await vi.waitFor(() => expect(run.numbers('percent').at(-1)).toBeGreaterThan(20), 20_000);
    run.abort.abort();
    await expect(copying).rejects.toThrow(EngineStopped);
    expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);
    const percents = run.numbers('percent');
    expect(percents).toEqual(sorted(percents));
    expect(percents.at(-1)).toBeLessThan(100);
    expect(await readdir(at('served'))).not.toContain('there');
  });

  it('a mirror deletes what the source has not, shows it before, and puts it into the trash of the remote', async () => {
    const { at, source, engine } = await remotes();
    await writeOldFile(path.join(source, 'kept'), 'kept');
    await writeOldFile(path.join(source, 'replaced'), 'new content');
    for (const file of ['kept', 'replaced', 'old/a\u240ab', 'old/deep/c']) await writeOldFile(at(`served/there/${file}`), file);
    const options = { deleteExtraneous: true, maxDelete: 4, trash: 'dav:trash' };
    const task = makeTask(`${source}/`, 'dav:there/', options);
    const { counts, changes } = await engine.preview!(task, new Bench());
    expect(counts).toMatchObject({ create: { files: 0 }, delete: { files: 2, folders: 2, bytes: 19 } });
    expect((await engine.count(task, new Bench())).changes).toEqual(changes);
    const run = new Bench();
    await copy(engine, task, run);
    expect((await readdir(at('served/there'))).sort()).toEqual(['kept', 'replaced']);
    expect(await readFile(at('served/there/replaced'), 'utf8')).toBe('new content');
    expect(run.lines.filter(({ text }) => text.startsWith('*deleting'))).toHaveLength(4);
    expect(run.files.filter(({ outcome }) => outcome === 'deleted')).toHaveLength(4);
    const trash = at(`served/trash/${task.jobId}-1`);
    expect((await listTree(trash)).filter((line) => !line.endsWith(' folder'))).toHaveLength(3);
    expect(await readFile(path.join(trash, 'replaced'), 'utf8')).toBe('replaced');
  });

  it('what became of each file is told, also where nothing but the size can be compared', async () => {
    const { at, source, engine } = await remotes();
    for (const file of ['a', 'b']) await writeOldFile(path.join(source, file), file);
    const task = makeTask(`${source}/`, 'dav:there/');
    const run = new Bench();
    await copy(engine, task, run);
    const told = ({ files }: Bench) => files.map(({ path: name, outcome, provedBy }) => `${name} ${outcome} ${provedBy}`).sort();
    expect(told(run)).toEqual(['a transferred none', 'b transferred none']);
    await writeFile(at('served/there/b'), 'c');
    const [bySize, byBytes] = [new Bench(), new Bench()];
    await engine.verify(task, 'size', bySize);
    expect(told(bySize)).toEqual(['a equal size', 'b equal size']);
    await engine.verify(task, 'checksum', byBytes);
    expect(told(byBytes)).toEqual(['a equal bytes', 'b differs null']);
  });

  it('that knows hashes each file is proved by checksum, and a mirror keeps no more than the source has', async () => {
    const { at, source } = await remotes();
    const configFile = await writeRemotes({ box: await serveSftp(tool, at('served')) });
    const engine = createRcloneEngine({ markers, configFile, remotes: ['box'] });
    for (const file of ['a', 'sub/b']) await writeOldFile(path.join(source, file), file);
    await writeOldFile(at('served/there/old/c'), 'c');
    const task = makeTask(`${source}/`, 'box:there/', { deleteExtraneous: true, maxDelete: 2 });
    await copy(engine, task);
    expect(await listTree(at('served/there'))).toEqual(await listTree(source));
    const run = new Bench();
    expect(await engine.verify(task, 'checksum', run)).toMatchObject({ method: 'checksum', algorithm: 'md5', filesEqual: 2, extra: 0 });
    expect(run.files.map(({ outcome, provedBy }) => `${outcome} ${provedBy}`)).toEqual(['equal checksum', 'equal checksum']);
    await writeFile(at('served/there/a'), 'b');
    expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ filesEqual: 1, mismatches: 1 });
  });

  it('nothing is told as transferred that is not at its final place, and the rest is not called done', async () => {
    const { at, source, configFile, allowed } = await remotes();
    for (const file of ['a', 'secret']) await writeOldFile(path.join(source, file), file);
    await chmod(at('.'), 0o777);
    await chmod(path.join(source, 'secret'), 0);
    const plain = await withoutRoot(tool);
    await chmod(path.dirname(configFile), 0o755);
    const engine = createRcloneEngine({ markers, configFile, remotes: allowed, findRclone: () => plain });
    const run = new Bench();
    const failure = await failureOf(copy(engine, makeTask(`${source}/`, 'dav:there/'), run));
    expect(failure).toMatchObject({ code: 'permission_denied' });
    expect(failure).not.toHaveProperty('filesFailed');
    expect(run.files.map(({ path: name, outcome }) => `${name} ${outcome}`)).toEqual(['secret failed']);
    expect(await readdir(at('served'))).not.toContain('there');
  });

  it('only given files are taken, there and back', async () => {
    const { at, source, engine } = await remotes();
    for (const file of ['a', 'b\nc', 'd']) await writeOldFile(path.join(source, file), file);
    const only = [Buffer.from('b\nc'), Buffer.from('gone')];
    await copy(engine, { ...makeTask(`${source}/`, 'dav:there/'), only });
    const run = new Bench();
    const { warnings } = await copy(engine, { ...makeTask('dav:there/', `${at('back')}/`), only }, run);
    expect(await readdir(at('back'))).toEqual(['b\nc']);
    expect(run.files).toMatchObject([
      { path: 'b\nc', outcome: 'transferred', bytes: 3 },
      { path: 'gone', outcome: 'skipped' },
    ]);
    expect(warnings).toHaveLength(1);
  });

  it('that encrypts no hash is in common: nothing is called equal by checksum, the bytes are compared', async () => {
    const { at, source, engine } = await remotes();
    await writeOldFile(path.join(source, 'file'), 'content');
    const task = makeTask(`${source}/`, 'safe:');
    await copy(engine, task);
    expect(await readdir(at('encrypted'))).not.toContain('file');
    expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({
      method: 'bytes',
      algorithm: null,
      filesEqual: 1,
      mismatches: 0,
    });
  });

  it('that encrypts a further attempt of a move copies what has another time, since there is no hash to compare by', async () => {
    const { source, engine } = await remotes();
    await writeOldFile(path.join(source, 'a'), 'first');
    const move = makeTask(`${source}/`, 'safe:there/', { deleteSource: { mode: 'per_file', confirmed: true, emptyFolders: false } });
    await copy(engine, move);
    await writeFile(path.join(source, 'a'), 'other');
    expect(await copy(engine, { ...move, attempt: 2 })).toMatchObject({ filesTransferred: 1 });
    expect(await engine.verify(move, 'checksum', new Bench())).toMatchObject({ filesEqual: 1, mismatches: 0 });
  });

  it('a name that the remote cannot hold is told by its cause', async () => {
    const { source, engine } = await remotes();
    await writeOldFile(path.join(source, 'x'.repeat(255)), 'content');
    expect(await failureOf(copy(engine, makeTask(`${source}/`, 'safe:')))).toMatchObject({ code: 'name_too_long', retriable: false });
  });
});

describe('Before a copy', () => {
  it('a remote that is there is in order, and its room is known or not', async () => {
    const { source, engine } = await remotes();
    const check = (from: string, to: string) => engine.checkRemotes!(makeTask(from, to), new Bench());
    expect(await check(source, 'dav:x')).toEqual({ freeBytes: null });
    expect((await check(source, 'near:x')).freeBytes).toBeGreaterThan(0);
    expect(await check('near:', '/copy')).toEqual({ freeBytes: null });
  });

  it.each([
    ['dav:nothing/', '/copy', 'source_missing', false],
    ['unknown:x', '/copy', 'remote_not_configured', false],
    ['/source', 'unknown:x', 'remote_not_configured', false],
    ['forbidden:x', '/copy', 'remote_not_allowed', false],
    ['/source', 'forbidden:x', 'remote_not_allowed', false],
    ['gone:x', '/copy', 'network', true],
    ['stranger:x', '/copy', 'login_refused', false],
    ['near:', 'near:inside', 'source_is_destination', false],
  ])('%s to %s is refused: %s', async (from, to, code, retriable) => {
    const { engine } = await remotes();
    expect(await failureOf(engine.checkRemotes!(makeTask(from, to), new Bench()))).toMatchObject({ code, retriable });
  });

  it('a remote that this worker may not use is used by no step', async () => {
    const { source, engine } = await remotes();
    const task = makeTask(`${source}/`, 'forbidden:x');
    const steps = [
      () => engine.count(task, new Bench()),
      () => engine.transfer(task, { filesTotal: 0, bytesTotal: 0 }, new Bench()),
      () => engine.verify(task, 'size', new Bench()),
    ];
    // One after the other: a rejection that nobody waits for yet would end the run.
    for (const step of steps) expect(await failureOf(step())).toMatchObject({ code: 'remote_not_allowed' });
  });
});
