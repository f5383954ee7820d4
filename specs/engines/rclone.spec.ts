import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EngineStopped } from '../../src/engines/engine.js';
import { attemptName, findLeftovers } from '../../src/engines/leftovers.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { STAGING_PREFIX } from '../../src/engines/staging.js';
import { findTool, type Tool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, scriptTool, smallDisk, withoutRoot } from './bench.js';
import { engineContract } from './contract.js';
import { listTree, newFolder, noise, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 60_000 });

const tool = findTool('rclone');
if (!tool) throw new Error('These specs need rclone: install it.');
const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const makeEngine = (find: () => Tool | null) => createRcloneEngine({ markers, findRclone: find, configFile: '/dev/null', remotes: [] });

const replay = `echo '{"level":"error","msg":"Failed to copy: write /d/f: no space left on device","object":"f","objectType":"*local.Object"}' >&2
  echo '2026/11/24 01:30:39 Failed to copy: write /d/f: no space left on device' >&2
  exit 1`;

engineContract('rclone', {
  tool,
  makeEngine,
  countsLinks: true,
  diskFullReplay: replay,
});

const engine = makeEngine(() => tool);
const MEGABYTE = 1024 * 1024;

const places = async () => {
  const folder = await newFolder();
  const at = (name: string) => path.join(folder, name);
  await mkdir(at('source'));
  return { folder, at, source: at('source'), destination: at('destination') };
};
const isStaging = (name: string) => name.startsWith(STAGING_PREFIX);

describe('No truncated file is ever under its final name:', () => {
  it('when rclone is killed in the middle of a file the old one stands there, and the next attempt completes', async () => {
    const { source, destination } = await places();
    await writeOldFile(path.join(source, 'big'), noise(6 * MEGABYTE));
    await writeOldFile(path.join(source, 'new'), noise(6 * MEGABYTE));
    await writeOldFile(path.join(destination, 'big'), 'the old one');
    const task = makeTask(`${source}/`, `${destination}/`, { bandwidthLimit: 2 * MEGABYTE });
    const run = new Bench();
    const copying = failureOf(copy(engine, task, run));
    await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(MEGABYTE), 20_000);
    for (const pid of await findLeftovers({ attempt: attemptName(task) })) process.kill(pid, 'SIGKILL');
    expect(await copying).toMatchObject({ code: 'interrupted', retriable: true, exitCode: null });
    expect((await readdir(destination)).filter((name) => !isStaging(name))).toEqual(['big']);
    expect(await readFile(path.join(destination, 'big'), 'utf8')).toBe('the old one');
    const next = { ...task, attempt: 2, options: { ...task.options, bandwidthLimit: 0 } };
    expect(await copy(engine, next)).toMatchObject({ filesTransferred: 2 });
    expect(await listTree(destination)).toEqual(await listTree(source));
  });

  it('what a killed attempt had copied whole is not copied again', async () => {
    const { source, destination } = await places();
    await writeOldFile(path.join(source, 'small'), noise(1000));
    await writeOldFile(path.join(source, 'big'), noise(6 * MEGABYTE));
    const task = makeTask(`${source}/`, `${destination}/`, { bandwidthLimit: 2 * MEGABYTE });
    const run = new Bench();
    const copying = failureOf(copy(engine, task, run));
    await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(MEGABYTE), 20_000);
    for (const pid of await findLeftovers({ attempt: attemptName(task) })) process.kill(pid, 'SIGKILL');
    await copying;
    expect(await engine.count(task, new Bench())).toMatchObject({ filesTotal: 1, bytesTotal: 6 * MEGABYTE });
  });

  it('when it is stopped whole files are moved in, and nothing else stays', async () => {
    const { source, destination } = await places();
    await writeOldFile(path.join(source, 'small'), noise(1000));
    await writeOldFile(path.join(source, 'big'), noise(6 * MEGABYTE));
    const run = new Bench();
    const copying = copy(engine, makeTask(`${source}/`, `${destination}/`, { bandwidthLimit: 2 * MEGABYTE }), run);
    copying.catch(() => undefined);
    await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(MEGABYTE), 20_000);
    run.abort.abort();
    await expect(copying).rejects.toThrow(EngineStopped);
    expect(await readdir(destination)).toEqual(['small']);
  });

  it('when the disk is full the old file stands there, and the room is given back', async () => {
    const { source } = await places();
    await writeOldFile(path.join(source, 'file'), noise(3 * MEGABYTE));
    const small = await smallDisk(tool, replay);
    await writeOldFile(path.join(small.folder, 'file'), 'the old one');
    const task = makeTask(`${source}/`, `${small.folder}/`);
    expect(
      await failureOf(
        copy(
          makeEngine(() => small.tool),
          task,
        ),
      ),
    ).toMatchObject({ code: 'disk_full' });
    expect(await readdir(small.folder)).toEqual(['file']);
    expect(await readFile(path.join(small.folder, 'file'), 'utf8')).toBe('the old one');
  });

  it('a link in the way of a folder is not followed out of the destination', async () => {
    const { at, source, destination } = await places();
    await writeOldFile(path.join(source, 'folder', 'file'), 'content');
    await mkdir(at('outside'));
    await mkdir(destination);
    await symlink(at('outside'), path.join(destination, 'folder'));
    const failure = await failureOf(copy(engine, makeTask(`${source}/`, `${destination}/`)));
    expect(failure).toMatchObject({ code: 'destination_invalid', retriable: false });
    expect(await readdir(at('outside'))).toEqual([]);
  });
});

it('reads places as rsync does', async () => {
  const { at, source } = await places();
  await writeOldFile(path.join(source, 'file'), 'content');
  await mkdir(at('there'));
  for (const [from, to] of [
    ['source', 'a'],
    ['source/', 'b'],
    ['source/file', 'new name'],
    ['source/file', 'new folder/'],
    ['source/file', 'there'],
  ] as const) {
    await copy(engine, makeTask(at(from) + (from.endsWith('/') ? '/' : ''), at(to) + (to.endsWith('/') ? '/' : '')));
  }
  for (const file of ['a/source/file', 'b/file', 'new name', 'new folder/file', 'there/file']) {
    expect(await readFile(at(file), 'utf8')).toBe('content');
  }
});

it('copies a file under another name though one of its own name is there, and compares the right two', async () => {
  const { at, source } = await places();
  for (const file of [path.join(source, 'file'), at('file')]) await writeOldFile(file, 'content');
  const task = makeTask(path.join(source, 'file'), at('other'));
  await copy(engine, task);
  expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({
    method: 'checksum',
    filesExpected: 1,
    filesEqual: 1,
    mismatches: 0,
  });
  await writeOldFile(at('other'), 'CONTENT');
  expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ filesEqual: 0, mismatches: 1 });
  expect(await engine.verify(task, 'size', new Bench())).toMatchObject({ method: 'size', mismatches: 0 });
  await rm(at('other'));
  expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ filesEqual: 0, mismatches: 1 });
});

it('warns of what it leaves out', async () => {
  const { source, destination } = await places();
  await writeOldFile(path.join(source, 'file'), 'content');
  execFileSync('mkfifo', [path.join(source, 'pipe')]);
  const { warnings } = await copy(engine, makeTask(`${source}/`, `${destination}/`));
  expect(warnings).toEqual([expect.stringMatching(/special files.*pipe/) as unknown]);
});

it('refuses a path that rclone would take for another place', async () => {
  const { at, source, destination } = await places();
  await mkdir(at('new\nline'));
  await writeFile(at('new\nline/secret'), 'secret');
  await mkdir(at('new␊line'));
  for (const odd of [at('new␊line/'), at('q‛x'), ':local:/etc', 'name,opt=x:path', '-v', 'relative']) {
    for (const task of [makeTask(odd, `${destination}/`), makeTask(`${source}/`, odd)]) {
      expect(await failureOf(copy(engine, task))).toMatchObject({ code: 'invalid_path', retriable: false });
    }
  }
  await copy(engine, makeTask(`${at('new\nline')}/`, `${destination}/`));
  expect(await readdir(destination)).toEqual(['secret']);
});

it('passes nothing of its own environment on, no setting of rclone either', async () => {
  const { folder, source, destination } = await places();
  const spy = await scriptTool(`env > '${folder}/environment'; exec '${tool.path}' "$@"`);
  vi.stubEnv('RCLONE_CONFIG_X_TYPE', 'local');
  vi.stubEnv('RCLONE_DRY_RUN', 'true');
  try {
    await makeEngine(() => spy).count(makeTask(`${source}/`, `${destination}/`), new Bench());
  } finally {
    vi.unstubAllEnvs();
  }
  expect(await readFile(path.join(folder, 'environment'), 'utf8')).not.toContain('RCLONE');
});

describe('What it prints is not believed:', () => {
  const statsLine = (bytes: number, transfers: number) =>
    `echo '{"level":"warning","msg":"x","stats":{"bytes":${bytes},"totalBytes":1000,"transfers":${transfers},"totalTransfers":1,"speed":1}}' >&2`;

  it('all bytes and then a failure is a failure', async () => {
    const { source, destination } = await places();
    const liar = await scriptTool(`${statsLine(1000, 1)}; exit 5`);
    const run = new Bench();
    const failure = await failureOf(
      makeEngine(() => liar).transfer(makeTask(`${source}/`, `${destination}/`), { filesTotal: 1, bytesTotal: 1000 }, run),
    );
    expect(failure).toMatchObject({ exitCode: 5, retriable: true });
    expect(run.numbers('percent')).not.toContain(100);
  });

  it('exit 0 without the totals, or without the count, is no success', async () => {
    const { source, destination } = await places();
    const silent = await scriptTool('exit 0');
    const task = makeTask(`${source}/`, `${destination}/`);
    expect(await failureOf(makeEngine(() => silent).count(task, new Bench()))).toMatchObject({ code: 'engine_error' });
    expect(await failureOf(makeEngine(() => silent).verify(task, 'checksum', new Bench()))).toMatchObject({ code: 'engine_error' });
  });

  it('a comparison that looked at fewer files than there are does not pass', async () => {
    const { source, destination } = await places();
    const blind = await scriptTool(`case "$*" in *' size '*) echo '{"count":3,"bytes":3}';; *) echo '= a';
      echo '{"level":"info","msg":"Using md5 for hash comparisons"}' >&2;; esac`);
    const verification = await makeEngine(() => blind).verify(makeTask(`${source}/`, `${destination}/`), 'checksum', new Bench());
    expect(verification).toEqual({ method: 'checksum', algorithm: 'md5', filesExpected: 3, filesEqual: 1, mismatches: 2 });
  });

  it('a comparison without hashes is not called one by checksum', async () => {
    const { source, destination } = await places();
    const hashless = await scriptTool(`case "$*" in *' size '*) echo '{"count":1,"bytes":3}';; *) echo '= a';
      case "$*" in *--download*) ;; *) echo '{"level":"warning","msg":"1 hashes could not be checked"}' >&2;; esac;; esac`);
    const verification = await makeEngine(() => hashless).verify(makeTask(`${source}/`, `${destination}/`), 'checksum', new Bench());
    expect(verification).toMatchObject({ method: 'bytes', algorithm: null, filesEqual: 1, mismatches: 0 });
  });

  it('a file that could not be read is a failure with its cause, and no difference', async () => {
    const { folder, source, destination } = await places();
    await writeOldFile(path.join(source, 'secret'), 'content');
    const task = makeTask(`${source}/`, `${destination}/`);
    await copy(engine, task);
    for (const open of [folder, source, destination]) await chmod(open, 0o777);
    await chmod(path.join(destination, 'secret'), 0);
    const plain = await withoutRoot(tool);
    expect(await failureOf(makeEngine(() => plain).verify(task, 'checksum', new Bench()))).toMatchObject({ code: 'permission_denied' });
  });
});

it('says what to do about an rclone that is too old or another program', async () => {
  for (const says of ['rclone v1.53.3', 'something else']) {
    const old = await scriptTool(`echo '${says}'`);
    expect(await makeEngine(() => old).probe()).toMatchObject({
      found: false,
      advice: expect.stringContaining('Install rclone 1.58.0 or newer') as unknown,
    });
  }
  const before = await scriptTool(`echo 'rclone v1.62.2'`);
  expect(await makeEngine(() => before).probe()).toMatchObject({ found: true, notes: [expect.stringContaining('final names') as unknown] });
  const after = await scriptTool(`echo 'rclone v1.63.0'`);
  expect(await makeEngine(() => after).probe()).toMatchObject({ found: true, notes: [] });
});
