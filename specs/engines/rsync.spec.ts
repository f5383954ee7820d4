import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import { EngineStopped } from '../../src/engines/engine.js';
import { attemptName, findLeftovers } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool, type Tool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, scriptTool } from './bench.js';
import { engineContract } from './contract.js';
import { listTree, newFolder, noise, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 60_000 });

const tool = findTool('rsync');
if (!tool) throw new Error('These specs need rsync: install it.');
const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const makeEngine = (find: () => Tool | null) => createRsyncEngine({ markers, findRsync: find });
const engine = makeEngine(() => tool);
const MEGABYTE = 1024 * 1024;

engineContract('rsync', {
  tool,
  makeEngine,
  countsLinks: false,
  diskFullReplay: `echo 'rsync: [receiver] write failed on "/d/f": No space left on device (28)' >&2
    echo 'rsync error: error in file IO (code 11) at receiver.c(657) [receiver=3.5.0]' >&2
    exit 11`,
});

it('goes on with the part of a file that an earlier run left', async () => {
  const folder = await newFolder();
  const [source, destination] = [path.join(folder, 'source'), path.join(folder, 'destination')];
  await writeOldFile(path.join(source, 'file'), noise(6 * MEGABYTE));
  const task = makeTask(`${source}/`, `${destination}/`, { bandwidthLimit: 2 * MEGABYTE });
  const run = new Bench();
  const copying = copy(engine, task, run);
  copying.catch(() => undefined);
  await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(MEGABYTE), 20_000);
  run.abort.abort();
  await expect(copying).rejects.toThrow(EngineStopped);
  const again = new Bench();
  await copy(engine, { ...task, options: { ...task.options, bandwidthLimit: 0 } }, again);
  const literal = again.lines.map(({ text }) => /^Literal data: (\d+)/.exec(text)?.[1]).filter((text) => text !== undefined);
  expect(Number(literal.at(-1))).toBeLessThan(5.5 * MEGABYTE);
  expect(await listTree(destination)).toEqual(await listTree(source));
});

it('takes a pattern as it is, also one that rsync would take for an order', async () => {
  const folder = await newFolder();
  const [source, destination] = [path.join(folder, 'source'), path.join(folder, 'destination')];
  for (const file of ['+ a', 'a', 'b', '!']) await writeOldFile(path.join(source, file), file);
  await copy(engine, makeTask(`${source}/`, `${destination}/`, { excludes: ['b', '+ a', '- !'] }));
  expect((await listTree(destination)).map((line) => line.slice(1, 4).trim())).toEqual(['! I', 'a Y']);
});

it('passes nothing of its own environment on but what every program needs', async () => {
  const folder = await newFolder();
  const spy = await scriptTool(`env > '${folder}/environment'; exec '${tool.path}' "$@"`);
  vi.stubEnv('RSYNC_RSH', 'touch /tmp/pwned');
  vi.stubEnv('TALLYMAN_TOKEN', 'secret');
  try {
    const task = makeTask(`${folder}/`, `${folder}/copy/`);
    await makeEngine(() => spy).list?.(task, new Bench());
  } finally {
    vi.unstubAllEnvs();
  }
  const names = (await readFile(path.join(folder, 'environment'), 'utf8')).split('\n').map((line) => line.split('=')[0]);
  const ofTheShell = ['PWD', 'OLDPWD', 'SHLVL', '_', ''];
  expect(names.filter((name) => !ofTheShell.includes(name ?? '')).sort()).toEqual(
    ['HOME', 'LC_ALL', 'PATH', 'TALLYMAN_ATTEMPT', 'TALLYMAN_JOB', 'TALLYMAN_OWNER', 'TALLYMAN_WORKER'].sort(),
  );
});

it('runs once more when files vanished meanwhile', async () => {
  const folder = await newFolder();
  const [source, destination] = [path.join(folder, 'source'), path.join(folder, 'destination')];
  await writeOldFile(path.join(source, 'a long file'), noise(3 * MEGABYTE));
  await writeOldFile(path.join(source, 'b'), 'vanishes');
  const task = makeTask(`${source}/`, `${destination}/`, { bandwidthLimit: MEGABYTE });
  const run = new Bench();
  const copying = copy(engine, task, run);
  await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(0), 20_000);
  await rm(path.join(source, 'b'));
  expect(await copying).toEqual({
    filesTransferred: expect.any(Number) as unknown,
    bytesTransferred: expect.any(Number) as unknown,
    warnings: [],
  });
  expect(run.lines.some(({ stream, text }) => stream === 'worker' && text.includes('once more'))).toBe(true);
  for (const name of ['percent', 'bytesTransferred', 'filesTransferred'] as const) {
    expect(run.numbers(name)).toEqual([...run.numbers(name)].sort((a, b) => a - b));
  }
  expect(await listTree(destination)).toEqual(await listTree(source));
});

it('completes with a warning when files vanish again', async () => {
  const folder = await newFolder();
  const vanishing = await scriptTool(`'${tool.path}' "$@"; echo 'file has vanished: "/src/f29"' >&2; exit 24`);
  await writeOldFile(path.join(folder, 'source', 'file'), 'content');
  const { warnings } = await copy(
    makeEngine(() => vanishing),
    makeTask(`${folder}/source/`, `${folder}/destination/`),
  );
  expect(warnings).toEqual([expect.stringContaining('/src/f29') as unknown]);
});

it('does not believe a program that prints 100 % and fails', async () => {
  const folder = await newFolder();
  const liar = await scriptTool(`printf '\\r        1000 100%%    1.00MB/s    0:00:00 (xfr#1, to-chk=0/1)\\n'; exit 12`);
  const run = new Bench();
  const failure = await failureOf(
    makeEngine(() => liar).transfer(makeTask(`${folder}/`, `${folder}/x/`), { filesTotal: 1, bytesTotal: 1000 }, run),
  );
  expect(failure).toMatchObject({ code: 'network', exitCode: 12, retriable: true });
  expect(run.numbers('percent')).not.toContain(100);
});

it('takes a failed file off the count of the done ones, also when its error is read late', async () => {
  const folder = await newFolder();
  const late = await scriptTool(`printf '\\r        1000 100%%    1.00MB/s    0:00:00 (xfr#3, to-chk=0/4)\\n'; sleep 0.4
    echo 'rsync: [sender] send_files failed to open "/src/secret": Permission denied (13)' >&2; exit 23`);
  const run = new Bench();
  await failureOf(makeEngine(() => late).transfer(makeTask(`${folder}/`, `${folder}/x/`), { filesTotal: 3, bytesTotal: 1000 }, run));
  expect(run.numbers('filesTransferred').at(-1)).toBe(2);
});

it('never lets a number fall, even when the program counts back', async () => {
  const folder = await newFolder();
  const line = (bytes: number, files: number) => `printf '\\r        ${bytes}  10%%    1.00MB/s    0:00:00 (xfr#${files}, to-chk=0/9)\\n'`;
  const backward = await scriptTool(`${line(600, 6)}; sleep 0.4; ${line(300, 3)}; sleep 0.4; ${line(400, 4)}; exit 11`);
  const run = new Bench();
  await failureOf(makeEngine(() => backward).transfer(makeTask(`${folder}/`, `${folder}/x/`), { filesTotal: 10, bytesTotal: 1000 }, run));
  for (const [name, most] of [
    ['percent', 60],
    ['bytesTransferred', 600],
    ['filesTransferred', 6],
  ] as const) {
    expect(run.numbers(name)).toEqual([...run.numbers(name)].sort((a, b) => a - b));
    expect(run.numbers(name).at(-1)).toBe(most);
  }
});

it('does not believe an exit code 0 without the totals', async () => {
  const folder = await newFolder();
  const mute = makeEngine(() => silent);
  const silent = await scriptTool('exit 0');
  const task = { ...makeTask(`${folder}/`, `${folder}/x/`), countChanges: true };
  expect(await failureOf(mute.count(task, new Bench()))).toMatchObject({ code: 'engine_error' });
  expect(await failureOf(mute.verify(task, 'checksum', new Bench()))).toMatchObject({ code: 'engine_error' });
});

it('does not pass a verification that looked at fewer files than there are', async () => {
  const folder = await newFolder();
  const blind = await scriptTool(`echo '.f         |1|a'; echo 'Number of files: 4 (reg: 2, dir: 1, link: 1)'; exit 0`);
  const verification = await makeEngine(() => blind).verify(makeTask(`${folder}/`, `${folder}/x/`), 'checksum', new Bench());
  expect(verification).toMatchObject({ filesExpected: 3, filesEqual: 1, mismatches: 2 });
});

it('takes `<` and `c` for a difference as well as `>`', async () => {
  const folder = await newFolder();
  const push = await scriptTool(`echo '<fcsT......|1|a'; echo 'cL+++++++++|1|l'; echo 'Number of files: 2 (reg: 1, link: 1)'; exit 0`);
  const verification = await makeEngine(() => push).verify(makeTask(`${folder}/`, `${folder}/x/`), 'checksum', new Bench());
  expect(verification).toMatchObject({ filesExpected: 2, filesEqual: 0, mismatches: 2 });
});

it('ends a program by force that does not want to stop', async () => {
  const folder = await newFolder();
  const deaf = await scriptTool(`trap '' TERM; echo started; while :; do sleep 1; done`);
  const stubborn = createRsyncEngine({ markers, findRsync: () => deaf, graceMs: 200 });
  const task = makeTask(`${folder}/`, `${folder}/x/`);
  const run = new Bench();
  const copying = stubborn.transfer(task, { filesTotal: 0, bytesTotal: 0 }, run);
  copying.catch(() => undefined);
  await vi.waitFor(() => expect(run.lines.some(({ text }) => text === 'started')).toBe(true), 10_000);
  run.abort.abort();
  await expect(copying).rejects.toThrow(EngineStopped);
  expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);
});

it('ends what its program left running, and then only tells the end', async () => {
  const folder = await newFolder();
  const careless = await scriptTool(`sleep 600 & exit 11`);
  const task = makeTask(`${folder}/`, `${folder}/x/`);
  const engine = createRsyncEngine({ markers, findRsync: () => careless, graceMs: 200 });
  expect(await failureOf(copy(engine, task))).toMatchObject({ exitCode: 11 });
  expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);
});

it('says that something else ended rsync, and that trying again helps', async () => {
  const folder = await newFolder();
  const killed = await scriptTool('kill -9 $$');
  const failure = await failureOf(
    copy(
      makeEngine(() => killed),
      makeTask(`${folder}/`, `${folder}/x/`),
    ),
  );
  expect(failure).toMatchObject({
    code: 'interrupted',
    exitCode: null,
    retriable: true,
    message: expect.stringContaining('SIGKILL') as unknown,
  });
});

it('holds lines and logs within their limits, whatever the program prints', async () => {
  const folder = await newFolder();
  const flood = await scriptTool(
    `head -c 3000000 /dev/zero | tr '\\0' 'x'; echo; yes "$(head -c 15000 /dev/zero | tr '\\0' 'y')" | head -n 3000; exit 11`,
  );
  const run = new Bench();
  await failureOf(makeEngine(() => flood).transfer(makeTask(`${folder}/`, `${folder}/x/`), { filesTotal: 0, bytesTotal: 0 }, run));
  expect(Math.max(...run.lines.map(({ text }) => text.length))).toBe(LIMITS.logLineBytes);
  expect(run.lines.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThan(LIMITS.logBytesPerJob + 1000);
  expect(run.lines.at(-1)?.text).toContain('The log is full');
});

it('logs the first thousand files, says how many are in the list alone, and lists all', async () => {
  const folder = await newFolder();
  for (let file = 0; file < 1005; file++) await writeOldFile(path.join(folder, 'source', `file ${file}`), '');
  const run = new Bench();
  await copy(engine, makeTask(`${folder}/source/`, `${folder}/destination/`), run);
  expect(run.lines.filter(({ text }) => /^[>.]\S{10}\|\d+\|/.test(text))).toHaveLength(1000);
  // The folder itself may have a line too.
  expect(run.lines.at(-1)?.text).toMatch(/^[56] more files are not in this log, but in the list of files\.$/);
  expect(run.files).toHaveLength(1005);
});

it('tells progress at most four times a second', async () => {
  const folder = await newFolder();
  for (let file = 0; file < 500; file++) await writeOldFile(path.join(folder, 'source', `file ${file}`), 'x');
  const run = new Bench();
  const startedMs = performance.now();
  await copy(engine, makeTask(`${folder}/source/`, `${folder}/destination/`), run);
  expect(run.progress.length).toBeLessThanOrEqual(3 + (performance.now() - startedMs) / 250);
});

it('refuses a path that rsync could take for an option or for another machine', async () => {
  const folder = await newFolder();
  for (const path of ['--rsh=touch pwned', 'host:path', 'rsync://host/module', '/with\0nul']) {
    expect(await failureOf(engine.count(makeTask(path, folder), new Bench()))).toMatchObject({ code: 'invalid_path', retriable: false });
    expect(await failureOf(engine.count(makeTask(folder, path), new Bench()))).toMatchObject({ code: 'invalid_path', retriable: false });
  }
});

it('says what to do about an rsync that is too old or another program', async () => {
  for (const says of [
    'rsync  version 3.1.3  protocol version 31',
    'openrsync: protocol version 29',
    'rsync  version 2.6.9  protocol version 29',
  ]) {
    const old = await scriptTool(`echo '${says}'`);
    expect(await makeEngine(() => old).probe()).toMatchObject({
      found: false,
      advice: expect.stringContaining('Install rsync 3.2.3 or newer') as unknown,
    });
  }
});
