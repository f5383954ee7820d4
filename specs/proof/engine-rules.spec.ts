import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, open, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { EngineStopped, type Engine, type TransferTask } from '../../src/engines/engine.js';
import { attemptName, findLeftovers, markerEnv } from '../../src/engines/leftovers.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { STAGING_PREFIX } from '../../src/engines/staging.js';
import { findTool, type Tool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, scriptTool, smallDisk, withoutRoot } from '../engines/bench.js';
import { crypt, writeRemotes } from '../engines/remote.js';
import { listTree, newFolder, noise, writeOldFile } from '../engines/trees.js';

/** What rsync and rclone really do decides how they are run and what of them is believed: fifteen rules, each shown with the real program. */

vi.setConfig({ testTimeout: 60_000 });

const toolOf = (name: 'rsync' | 'rclone'): Tool => {
  const tool = findTool(name);
  if (!tool) throw new Error(`These specs need ${name}: install it.`);
  return tool;
};
const [rsync, rclone] = [toolOf('rsync'), toolOf('rclone')];
const markers = { owner: `rules-${process.pid}`, worker: `rules-${process.pid}-worker` };
const rsyncEngine = (tool: Tool = rsync) => createRsyncEngine({ markers, findRsync: () => tool });
const rcloneEngine = (tool: Tool = rclone) => createRcloneEngine({ markers, findRclone: () => tool, configFile: '/dev/null', remotes: [] });
const MEGABYTE = 1024 * 1024;

/** The real program behind a script: `"$@"` are its arguments. */
const behind = (tool: Tool, before: string, after = '') => scriptTool(`${before} '${tool.path}' "$@" ${after}`);

async function sides(files: Record<string, string | Buffer> = { file: 'content' }, options: Partial<TransferTask['options']> = {}) {
  const folder = await newFolder();
  await chmod(folder, 0o755);
  const at = (name: string) => path.join(folder, name);
  await mkdir(at('source'));
  for (const [name, content] of Object.entries(files)) await writeOldFile(at(`source/${name}`), content);
  return { folder, at, task: makeTask(`${at('source')}/`, `${at('copy')}/`, options) };
}

/** Starts a copy and resolves when it has got `bytes` through. */
async function underWay(engine: Engine, task: TransferTask, bytes = 0) {
  const run = new Bench();
  const copying = copy(engine, task, run);
  copying.catch(() => undefined);
  await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(bytes), 30_000);
  return { run, copying };
}

it('rule 1: exit 0 is the only proof that an engine finished; 100 %, xfr#N and a silent stderr prove nothing', async () => {
  for (const engine of [rsyncEngine(await behind(rsync, '', '; exit 12')), rcloneEngine(await behind(rclone, '', '; exit 5'))]) {
    const { at, task } = await sides();
    const run = new Bench();
    const failure = await failureOf(engine.transfer(task, { filesTotal: 1, bytesTotal: 7 }, run));
    expect(failure.exitCode).toBe(engine.type === 'rsync' ? 12 : 5);
    expect(run.numbers('percent')).not.toContain(100);
    // rsync has copied all, and said so.
    if (engine.type === 'rsync') expect(await listTree(at('copy'))).toEqual(await listTree(at('source')));
  }
});

it('rule 2: rsync runs with LC_ALL=C.UTF-8, --no-h, --no-i-r, stdout and stderr on separate pipes, stdin closed', async () => {
  const { folder, at, task } = await sides();
  const spy = await behind(
    rsync,
    `{ echo "$LC_ALL"; wc -c; for fd in 1 2; do readlink /proc/$$/fd/$fd; done; echo "$@"; } > '${folder}/seen'; exec`,
  );
  await rsyncEngine(spy).transfer(task, { filesTotal: 1, bytesTotal: 7 }, new Bench());
  const [locale, stdin, stdout, stderr, args] = (await readFile(at('seen'), 'utf8')).split('\n');
  expect([locale, stdin]).toEqual(['C.UTF-8', '0']);
  expect(stdout).not.toBe(stderr);
  expect(args?.split(' ')).toEqual(expect.arrayContaining(['--no-h', '--no-i-r']));
});

it('rule 3: the stdout of rsync is split on both \\r and \\n', async () => {
  const { task } = await sides({ file: noise(3 * MEGABYTE) }, { bandwidthLimit: MEGABYTE });
  const run = new Bench();
  await copy(rsyncEngine(), task, run);
  // Within one file progress lines end with \r alone.
  expect(run.numbers('bytesTransferred').filter((bytes) => bytes > 0 && bytes < 3 * MEGABYTE).length).toBeGreaterThan(0);
  expect(run.lines.filter(({ text }) => text.includes('\r'))).toEqual([]);
});

it('rule 4: never --append for a resume, nor --partial without --partial-dir: an old copy is no beginning of the new one', async () => {
  const { at, task } = await sides(
    { 'same size': 'NEW CONTENT', shorter: 'new', grown: `new start${'x'.repeat(500)}`, big: noise(6 * MEGABYTE) },
    { bandwidthLimit: 2 * MEGABYTE },
  );
  for (const [name, old] of [
    ['same size', 'OLD CONTENT'],
    ['shorter', 'a longer old one'],
    ['grown', 'old start'],
  ] as const) {
    await writeOldFile(at(`copy/${name}`), old);
    await utimes(at(`copy/${name}`), 1, 1);
  }
  const { run, copying } = await underWay(rsyncEngine(), task, MEGABYTE);
  run.abort.abort();
  await expect(copying).rejects.toThrow(EngineStopped);
  expect(await readdir(at('copy'))).not.toContain('big');
  await copy(rsyncEngine(), { ...task, attempt: 2, options: { ...task.options, bandwidthLimit: 0 } });
  expect(await listTree(at('copy'))).toEqual(await listTree(at('source')));
});

it('rule 5: a resume on local paths needs --no-whole-file, else the partial file is not used', async () => {
  const { task } = await sides({ big: noise(6 * MEGABYTE) }, { bandwidthLimit: 2 * MEGABYTE });
  const { run, copying } = await underWay(rsyncEngine(), task, MEGABYTE);
  run.abort.abort();
  await expect(copying).rejects.toThrow(EngineStopped);
  const again = new Bench();
  await copy(rsyncEngine(), { ...task, attempt: 2, options: { ...task.options, bandwidthLimit: 0 } }, again);
  const literal = again.lines.map(({ text }) => /^Literal data: (\d+)/.exec(text)?.[1]).filter((text) => text !== undefined);
  expect(Number(literal.at(-1))).toBeLessThan(5.5 * MEGABYTE);
});

it('rule 6: never --remove-source-files or rclone move: an engine leaves the source alone, also when it is to be deleted', async () => {
  for (const engine of [rsyncEngine(), rcloneEngine()]) {
    const { at, task } = await sides({ deceived: 'AAAA' }, { deleteSource: { mode: 'per_file', confirmed: true } });
    await writeOldFile(at('copy/deceived'), 'BBBB');
    await copy(engine, task);
    expect(await readFile(at('source/deceived'), 'utf8')).toBe('AAAA');
  }
});

it('rule 7: a verification passes only on exit 0 and no difference line and the expected number of files looked at', async () => {
  const { folder, at, task } = await sides({ a: 'aaaa', 'sub/b': 'bbbb' });
  await copy(rsyncEngine(), task);
  // A difference line, with exit 0.
  await writeOldFile(at('copy/a'), 'AAAA');
  expect(await rsyncEngine().verify(task, 'checksum', new Bench())).toMatchObject({ filesExpected: 2, filesEqual: 1, mismatches: 1 });
  await writeOldFile(at('copy/a'), 'aaaa');
  // One file fewer looked at, with exit 0 and no difference line.
  const blind = await behind(rsync, '', `| grep -v '|a$'`);
  expect(await rsyncEngine(blind).verify(task, 'checksum', new Bench())).toMatchObject({ filesExpected: 2, filesEqual: 1, mismatches: 1 });
  // No difference line, and an exit code.
  for (const each of [folder, at('source'), at('copy')]) await chmod(each, 0o777);
  await chmod(at('source/sub'), 0);
  const plain = await withoutRoot(rsync);
  const failure = await failureOf(rsyncEngine(plain).verify(task, 'checksum', new Bench()));
  await chmod(at('source/sub'), 0o755);
  expect(failure).toMatchObject({ code: 'permission_denied', exitCode: 23 });
});

it('rule 8: `<` means "would transfer" as `>` does', async () => {
  const { at, task } = await sides({ a: 'aaaa', b: 'bbbb' });
  await copy(rsyncEngine(), task);
  await writeOldFile(at('copy/a'), 'AAAA');
  // So a push to another machine prints it.
  const pushing = await behind(rsync, '', `| sed 's/^>/</'`);
  expect(await rsyncEngine(pushing).verify(task, 'checksum', new Bench())).toMatchObject({
    filesExpected: 2,
    filesEqual: 1,
    mismatches: 1,
  });
});

it('rule 9: rclone check exits 0 when it could compare no hash at all: that is no proof by checksum', async () => {
  const { at, task } = await sides();
  const configFile = await writeRemotes({ safe: crypt(at('encrypted')) });
  const engine = createRcloneEngine({ markers, findRclone: () => rclone, configFile, remotes: ['safe'] });
  const there = { ...task, destination: 'safe:' };
  await copy(engine, there);
  expect(await engine.verify(there, 'checksum', new Bench())).toEqual({
    method: 'bytes',
    algorithm: null,
    filesExpected: 1,
    filesEqual: 1,
    mismatches: 0,
  });
});

it('rule 10: rsync exits 0 on a file that changed while it was read; only a checksum pass after it finds out', async () => {
  const { at, task } = await sides({ big: noise(4 * MEGABYTE) }, { bandwidthLimit: MEGABYTE });
  const { copying } = await underWay(rsyncEngine(), task, MEGABYTE / 2);
  const { atime, mtime } = await stat(at('source/big'));
  const file = await open(at('source/big'), 'r+');
  await file.write(Buffer.from('changed'), 0, 7, 0);
  await file.close();
  await utimes(at('source/big'), atime, mtime);
  await copying;
  expect(await rsyncEngine().verify(task, 'size', new Bench())).toMatchObject({ mismatches: 0 });
  expect(await rsyncEngine().verify(task, 'checksum', new Bench())).toMatchObject({ filesEqual: 0, mismatches: 1 });
});

it('rule 11: rsync outlives its parent: the rest of its processes is ended, and the old ones before a restart', async () => {
  const { task } = await sides({ big: noise(6 * MEGABYTE) }, { bandwidthLimit: 100_000 });
  const { copying } = await underWay(createRsyncEngine({ markers, findRsync: () => rsync, graceMs: 500 }), task);
  const [parent, ...others] = (await findLeftovers({ attempt: attemptName(task) })).sort((a, b) => a - b);
  if (parent === undefined || others.length === 0) throw new Error('rsync does not run');
  for (const other of others) process.kill(other, 'SIGSTOP');
  process.kill(parent, 'SIGKILL');
  expect(await failureOf(copying)).toMatchObject({ code: 'interrupted', retriable: true });
  expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);

  // Of a supervisor that is gone: nobody waits for this one.
  const other = await sides({ big: noise(6 * MEGABYTE) });
  const orphan = spawn(rsync.path, ['-a', '--bwlimit=100', other.task.source, other.task.destination], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, ...markerEnv(markers, other.task) },
  });
  const ended = once(orphan, 'exit');
  await vi.waitFor(async () => expect(await readdir(other.at('copy'))).toHaveLength(1), 20_000);
  await copy(rsyncEngine(), { ...other.task, attempt: 2 });
  await ended;
  expect(await readdir(other.at('copy'))).toEqual(['big']);
});

it('rule 12: an rclone that is killed leaves no truncated file under its final name', async () => {
  const { at, task } = await sides({ big: noise(6 * MEGABYTE) }, { bandwidthLimit: 2 * MEGABYTE });
  await writeOldFile(at('copy/big'), 'the old one');
  const { copying } = await underWay(rcloneEngine(), task, MEGABYTE);
  for (const pid of await findLeftovers({ attempt: attemptName(task) })) process.kill(pid, 'SIGKILL');
  expect(await failureOf(copying)).toMatchObject({ code: 'interrupted' });
  expect((await readdir(at('copy'))).filter((name) => !name.startsWith(STAGING_PREFIX))).toEqual(['big']);
  expect(await readFile(at('copy/big'), 'utf8')).toBe('the old one');
});

it('rule 13: exit 11 has at least three meanings (disk full, permission, missing parent): stderr is read first', async () => {
  const { folder, at, task } = await sides({ big: noise(3 * MEGABYTE) });
  const small = await smallDisk(rsync, `echo 'rsync: [receiver] write failed on "/d/f": No space left on device (28)' >&2; exit 11`);
  expect(await failureOf(copy(rsyncEngine(small.tool), { ...task, destination: `${small.folder}/` }))).toMatchObject({
    code: 'disk_full',
    exitCode: 11,
    retriable: false,
  });
  for (const each of [folder, at('source')]) await chmod(each, 0o777);
  await mkdir(at('closed'), { mode: 0o555 });
  const plain = rsyncEngine(await withoutRoot(rsync));
  expect(await failureOf(plain.transfer({ ...task, destination: `${at('closed/copy')}/` }, { filesTotal: 1, bytesTotal: 1 }, new Bench()))).toMatchObject({ code: 'permission_denied', exitCode: 11 }); // prettier-ignore
  await writeFile(at('in the way'), '');
  expect(await failureOf(rsyncEngine().transfer({ ...task, destination: `${at('in the way/copy')}/` }, { filesTotal: 1, bytesTotal: 1 }, new Bench()))).toMatchObject({ code: 'destination_invalid', exitCode: 11 }); // prettier-ignore
});

it('rule 14: exit 30 is a network timeout, since --stop-after and --stop-at, which end the same, are never given', async () => {
  const { folder, at, task } = await sides();
  const silent = await scriptTool(
    `echo "$@" >> '${folder}/args'; exec '${rsync.path}' --timeout=1 -e "sh -c 'cat >/dev/null' --" host:/x '${folder}/y'`,
  );
  expect(await failureOf(copy(rsyncEngine(silent), task))).toMatchObject({ code: 'network', exitCode: 30, retriable: true });
  await failureOf(rsyncEngine(silent).transfer(task, { filesTotal: 1, bytesTotal: 7 }, new Bench()));
  expect(await readFile(at('args'), 'utf8')).not.toMatch(/--stop-|--time-limit/);
});

it('rule 15: rclone prints plain text lines even with --use-json-log: such a line is a log line, not a crash', async () => {
  const { at, task } = await sides();
  await rm(at('source'), { recursive: true });
  const run = new Bench();
  expect(await failureOf(rcloneEngine().transfer(task, { filesTotal: 1, bytesTotal: 7 }, run))).toMatchObject({
    code: 'source_missing',
    exitCode: 3,
  });
  expect(run.lines.some(({ stream, text }) => stream === 'stderr' && text.includes('directory not found'))).toBe(true);
});
