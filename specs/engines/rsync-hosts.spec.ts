import { chmod, mkdir, readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EngineStopped } from '../../src/engines/engine.js';
import { attemptName, findLeftovers } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { Bench, copy, failureOf, makeTask } from './bench.js';
import { freePort, sshTool, startDaemon, startSshHost } from './hosts.js';
import { listTree, makeOddTree, newFolder, noise, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 90_000 });

const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const MEGABYTE = 1024 * 1024;
const findSsh = () => ({ path: sshTool('ssh'), env: {} });

/** The engine, and a place on the other machine: `there` to rsync, `folder` to the spec. */
async function bySsh() {
  const host = await startSshHost();
  const [source, folder] = [await newFolder(), await newFolder()];
  const access = { hosts: ['ada@127.0.0.1'], sshConfig: host.config, rsyncPasswords: null, findSsh };
  return { host, source, folder, there: `ada@127.0.0.1:${folder}`, engine: createRsyncEngine({ markers, access }) };
}

async function byDaemon() {
  const host = await startDaemon();
  const module = (name: string, user = '') => `rsync://${user}127.0.0.1:${host.port}/${name}`;
  const hosts = [...['open', 'locked', 'archive', 'box', 'shy', 'nothing'].map((name) => module(name)), module('locked', 'ada@')];
  const access = { hosts, sshConfig: null, rsyncPasswords: host.passwords };
  const engine = createRsyncEngine({ markers, access });
  return { host, module, source: await newFolder(), folder: host.folderOf('open'), there: module('open'), engine };
}

describe.each([
  ['over ssh', bySsh],
  ['with a daemon', byDaemon],
])('%s', (_way, start) => {
  it('a tree arrives whatever its names are, comes back the same, and every file is told by its own name', async () => {
    const { source, folder, there, engine } = await start();
    const tree = await makeOddTree(source);
    const task = makeTask(`${source}/`, `${there}/a/b $(touch pwned)/`, { verify: 'checksum' });
    const run = new Bench();
    await engine.checkRemotes!(task, run);
    expect(await copy(engine, task, run)).toMatchObject({ filesTransferred: tree.files, bytesTransferred: tree.bytes, warnings: [] });
    const arrived = path.join(folder, 'a/b $(touch pwned)');
    expect(await listTree(arrived)).toEqual(await listTree(source));
    expect(run.files.filter(({ outcome }) => outcome === 'transferred')).toHaveLength(tree.files + tree.links);
    expect(run.numbers('percent').at(-1)).toBe(100);
    expect(await engine.count(task, new Bench())).toMatchObject({ filesTotal: 0, bytesTotal: 0 });
    const back = await newFolder();
    await engine.checkRemotes!(makeTask(`${there}/a`, `${back}/`), new Bench());
    await copy(engine, makeTask(`${there}/a`, `${back}/`));
    expect(await listTree(path.join(back, 'a/b $(touch pwned)'))).toEqual(await listTree(source));
    expect(await readdir(folder)).toEqual(['a']);
  });

  it('a marker is looked for there, beside a single file, and another disk is told before anything is copied', async () => {
    const { source, folder, there, engine } = await start();
    await writeOldFile(path.join(source, 'file'), 'content');
    await writeOldFile(path.join(folder, 'disk/.seven'), '');
    await mkdir(path.join(folder, 'disk/.folder'));
    await writeOldFile(path.join(folder, 'disk/file'), 'content');
    const markers = (side: 'source' | 'destination', name: string) => ({ marker: { [side]: name } });
    const check = (from: string, to: string, options: object) => engine.checkMarkers!(makeTask(from, to, options), new Bench());
    for (const to of ['disk/', 'disk']) await check(`${source}/`, `${there}/${to}`, markers('destination', '.seven'));
    for (const to of ['disk/', 'disk', 'disk/file', 'disk/new']) {
      await check(`${source}/file`, `${there}/${to}`, markers('destination', '.seven'));
    }
    for (const from of ['disk/', 'disk', 'disk/file']) await check(`${there}/${from}`, `${source}/`, markers('source', '.seven'));
    for (const name of ['.eight', '.folder']) {
      const failures = [
        check(`${source}/`, `${there}/disk/`, markers('destination', name)),
        check(`${there}/disk`, `${source}/`, markers('source', name)),
      ];
      for (const failure of failures.map(failureOf)) {
        expect(await failure).toMatchObject({ code: 'marker_missing', message: expect.stringContaining(`${there}/disk`) as unknown });
      }
    }
    expect(await failureOf(check(`${source}/`, `${there}/gone/`, markers('destination', '.seven')))).toMatchObject({
      code: 'marker_missing',
    });
    // Of the other side nothing is asked here.
    await check(`${source}/`, `${there}/disk/`, markers('source', '.eight'));
  });

  it('a flipped byte is found, on a way there and on a way back, and a missing file too', async () => {
    const { source, folder, there, engine } = await start();
    for (const name of ['a', 'b', 'c']) await writeOldFile(path.join(source, name), 'content');
    const [push, pull] = [makeTask(`${source}/`, `${there}/`), makeTask(`${there}/`, `${source}/`)];
    await copy(engine, push);
    const equal = {
      method: 'checksum',
      algorithm: expect.stringMatching(/^\w+$/) as string,
      filesExpected: 3,
      filesEqual: 3,
      mismatches: 0,
    };
    for (const task of [push, pull]) expect(await engine.verify(task, 'checksum', new Bench())).toEqual(equal);
    await writeOldFile(path.join(folder, 'b'), 'cOntent');
    for (const task of [push, pull]) {
      const run = new Bench();
      expect(await engine.verify(task, 'checksum', run)).toMatchObject({ filesEqual: 2, mismatches: 1 });
      expect(run.files.filter(({ outcome }) => outcome !== 'equal')).toMatchObject([{ path: 'b', outcome: 'differs' }]);
      expect(await engine.verify(task, 'size', new Bench())).toMatchObject({ method: 'size', filesEqual: 3, mismatches: 0 });
    }
    await writeFile(path.join(source, 'd'), 'new');
    expect(await engine.verify(push, 'checksum', new Bench())).toMatchObject({ filesExpected: 4, mismatches: 2 });
  });

  it('kill -9 in the middle leaves nothing behind here, no file under its final name, and the next attempt goes on from the part', async () => {
    const { source, folder, there, engine } = await start();
    await writeOldFile(path.join(source, 'big'), noise(6 * MEGABYTE));
    const task = makeTask(`${source}/`, `${there}/`, { bandwidthLimit: 2 * MEGABYTE });
    const run = new Bench();
    const copying = failureOf(copy(engine, task, run));
    await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(2 * MEGABYTE), 20_000);
    for (const pid of await findLeftovers({ attempt: attemptName(task) })) process.kill(pid, 'SIGKILL');
    expect(await copying).toMatchObject({ code: 'interrupted', retriable: true });
    expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual(['.tallyman-partial']), 20_000);
    const again = new Bench();
    await copy(engine, { ...task, attempt: 2, options: { ...task.options, bandwidthLimit: 0 } }, again);
    expect(await listTree(folder)).toEqual(await listTree(source));
    const matched = again.lines
      .map(({ text }) => /^Matched data: (\d+)/.exec(text)?.[1])
      .filter(Boolean)
      .at(-1);
    expect(Number(matched)).toBeGreaterThan(MEGABYTE);
  });

  it('a stop ends rsync and ssh, and progress never falls', async () => {
    const { source, there, engine } = await start();
    await writeOldFile(path.join(source, 'big'), noise(6 * MEGABYTE));
    const task = makeTask(`${source}/`, `${there}/`, { bandwidthLimit: 2 * MEGABYTE });
    const run = new Bench();
    const copying = copy(engine, task, run);
    copying.catch(() => undefined);
    await vi.waitFor(() => expect(run.numbers('percent').at(-1)).toBeGreaterThan(20), 20_000);
    run.abort.abort();
    await expect(copying).rejects.toThrow(EngineStopped);
    expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);
    const percents = run.numbers('percent');
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(percents.at(-1)).toBeLessThan(100);
  });

  it('a job that asks for several rsyncs is copied by one, there and back, and its preview tells the same', async () => {
    const { source, folder, there, engine } = await start();
    const names = Array.from({ length: 1200 }, (_, n) => `${n % 6}/${n % 3}/file ${n}`);
    for (const name of names) await writeOldFile(path.join(source, name), `content of ${name}`);
    const back = await newFolder();
    for (const task of [makeTask(`${source}/`, `${there}/`, { parallel: 4 }), makeTask(`${there}/`, `${back}/`, { parallel: 4 })]) {
      const create = { files: names.length, folders: expect.any(Number) as number };
      expect(await engine.preview!(task, new Bench())).toMatchObject({ failure: null, counts: { create, change: { files: 0 } } });
      const run = new Bench();
      expect(await copy(engine, task, run)).toMatchObject({ filesTransferred: names.length, warnings: [] });
      expect(run.lines.filter(({ text }) => / --files-from/.test(text))).toEqual([]);
      expect(
        run.files
          .filter(({ outcome }) => outcome === 'transferred')
          .map((file) => file.path)
          .sort(),
      ).toEqual([...names].sort());
      expect(await engine.preview!(task, new Bench())).toMatchObject({ counts: { create: { files: 0 }, change: { files: 0 } } });
    }
    for (const copied of [folder, back]) expect(await listTree(copied)).toEqual(await listTree(source));
  });

  it('a mirror deletes there what is not here, and its preview says so', async () => {
    const { source, folder, there, engine } = await start();
    for (const name of ['a', 'b']) await writeOldFile(path.join(source, name), name);
    await writeOldFile(path.join(folder, 'gone'), 'content');
    const task = makeTask(`${source}/`, `${there}/`, { deleteExtraneous: true, maxDelete: 1 });
    const preview = await engine.preview!(task, new Bench());
    expect(preview).toMatchObject({ failure: null, counts: { create: { files: 2 }, delete: { files: 1, bytes: null } } });
    await copy(engine, task);
    expect(await listTree(folder)).toEqual(await listTree(source));
  });

  it('a source that is not there is told at once, a destination is made', async () => {
    const { source, there, engine } = await start();
    const check = (from: string, to: string) => engine.checkRemotes!(makeTask(from, to), new Bench());
    expect(await failureOf(check(`${there}/nothing/`, source))).toMatchObject({ code: 'source_missing', retriable: false });
    expect(await failureOf(check(`${there}/nothing`, source))).toMatchObject({ code: 'source_missing', retriable: false });
    expect(await check(source, `${there}/nothing/yet/`)).toEqual({ freeBytes: null });
  });

  it('that is down is a failure of the network, before the copy and in the middle of it', async () => {
    const { host, source, there, engine } = await start();
    await writeOldFile(path.join(source, 'big'), noise(6 * MEGABYTE));
    await host.stop();
    const task = makeTask(`${source}/`, `${there}/`, { bandwidthLimit: 2 * MEGABYTE });
    expect(await failureOf(engine.checkRemotes!(task, new Bench()))).toMatchObject({ code: 'network', retriable: true });
    expect(await failureOf(engine.count(task, new Bench()))).toMatchObject({ code: 'network', retriable: true });
  });

  it('a host that this worker may not use is used by no step', async () => {
    const { source, there } = await start();
    const engine = createRsyncEngine({ markers });
    const task = makeTask(`${source}/`, `${there}/`);
    const steps = [
      () => engine.checkRemotes!(task, new Bench()),
      () => engine.count(task, new Bench()),
      () => engine.transfer(task, { filesTotal: 0, bytesTotal: 0 }, new Bench()),
      () => engine.verify(task, 'size', new Bench()),
      () => engine.preview!(task, new Bench()),
    ];
    for (const step of steps) expect(await failureOf(step())).toMatchObject({ code: 'remote_not_allowed', retriable: false });
  });
});

describe('ssh', () => {
  const look = async ({ engine, there, source }: Awaited<ReturnType<typeof bySsh>>) =>
    failureOf(engine.checkRemotes!(makeTask(`${there}/`, source), new Bench()));

  it('takes no host whose key is not known, or is another one', async () => {
    const started = await bySsh();
    const known = await readFile(started.host.knownHosts, 'utf8');
    await truncate(started.host.knownHosts);
    expect(await look(started)).toMatchObject({ code: 'host_key_refused', retriable: false });
    expect(await readFile(started.host.knownHosts, 'utf8')).toBe('');
    const other = await startSshHost();
    const [, ...key] = (await readFile(other.knownHosts, 'utf8')).split(' ');
    await writeFile(started.host.knownHosts, [known.split(' ')[0], ...key].join(' '));
    expect(await look(started)).toMatchObject({ code: 'host_key_refused', retriable: false });
  });

  it('that is refused the login is not tried again', async () => {
    const started = await bySsh();
    const other = await startSshHost();
    const config = (await readFile(started.host.config, 'utf8')).replace(
      /IdentityFile .*/,
      `IdentityFile ${path.dirname(other.config)}/key`,
    );
    await writeFile(started.host.config, config);
    expect(await look(started)).toMatchObject({ code: 'login_refused', retriable: false });
  });

  it('finds no rsync on the other machine: that is said', async () => {
    const started = await bySsh();
    const folder = path.dirname(started.host.config);
    const config = (await readFile(path.join(folder, 'sshd_config'), 'utf8')).replace(/SetEnv .*/, 'SetEnv PATH=/nowhere');
    await writeFile(path.join(folder, 'sshd_config'), config);
    await started.host.stop();
    await started.host.start();
    expect(await look(started)).toMatchObject({ code: 'remote_engine_missing', retriable: false });
  });

  it('is needed: without it the job says how to get it', async () => {
    const access = { hosts: ['nas'], sshConfig: null, rsyncPasswords: null, findSsh: () => null };
    const engine = createRsyncEngine({ markers, access });
    const failure = await failureOf(engine.checkRemotes!(makeTask('nas:/x/', '/copy'), new Bench()));
    expect(failure).toMatchObject({ code: 'engine_missing', advice: expect.stringContaining('openssh-client') as string });
  });

  it('a name that is not known is a failure of the network', async () => {
    const access = { hosts: ['nothing.invalid'], sshConfig: '/dev/null', rsyncPasswords: null, findSsh };
    const engine = createRsyncEngine({ markers, access });
    const failure = await failureOf(engine.checkRemotes!(makeTask('nothing.invalid:/x/', '/copy'), new Bench()));
    expect(failure).toMatchObject({ code: 'network', retriable: true });
  });
});

describe('An rsync daemon', () => {
  it('asks for a password: it comes from the file of the settings, and stands in no log', async () => {
    const { module, engine, source, host } = await byDaemon();
    await writeOldFile(path.join(source, 'file'), 'content');
    const run = new Bench();
    await copy(engine, makeTask(`${source}/`, `${module('locked', 'ada@')}/`), run);
    expect(await readdir(host.folderOf('locked'))).toEqual(['file']);
    expect(JSON.stringify(run.lines)).not.toContain('secret word');
  });

  it('without the right password refuses, and that is not tried again', async () => {
    const { module, engine, source, host } = await byDaemon();
    const check = (place: string) => failureOf(engine.checkRemotes!(makeTask(`${source}/`, place), new Bench()));
    expect(await check(`${module('locked')}/`)).toMatchObject({ code: 'login_refused', retriable: false });
    const text = await readFile(host.passwords, 'utf8');
    await writeFile(host.passwords, text.replace('secret', 'wrong'));
    expect(await check(`${module('locked', 'ada@')}/`)).toMatchObject({ code: 'login_refused', retriable: false });
  });

  it('that lets others read the passwords is not asked with them', async () => {
    const { module, engine, source, host } = await byDaemon();
    await chmod(host.passwords, 0o644);
    const failure = await failureOf(engine.checkRemotes!(makeTask(`${source}/`, `${module('locked', 'ada@')}/`), new Bench()));
    expect(failure).toMatchObject({ code: 'login_refused', message: expect.stringContaining('Others may read') as string });
  });

  it('tells of a module that it has not, and of one that is to be read only', async () => {
    const { module, engine, source } = await byDaemon();
    await writeOldFile(path.join(source, 'file'), 'content');
    const task = (place: string) => makeTask(`${source}/`, place);
    expect(await failureOf(engine.checkRemotes!(task(`${module('nothing')}/`), new Bench()))).toMatchObject({
      code: 'module_unknown',
      retriable: false,
    });
    expect(await failureOf(copy(engine, task(`${module('archive')}/`)))).toMatchObject({ code: 'module_one_way', retriable: false });
    expect(await engine.checkRemotes!(task(`${module('box')}/`), new Bench())).toEqual({ freeBytes: null });
    const pull = makeTask(`${module('box')}/`, source);
    expect(await failureOf(engine.checkRemotes!(pull, new Bench()))).toMatchObject({ code: 'module_one_way', retriable: false });
  });

  it('a port where nobody listens is a failure of the network', async () => {
    const host = `rsync://127.0.0.1:${await freePort()}/x`;
    const engine = createRsyncEngine({ markers, access: { hosts: [host], sshConfig: null, rsyncPasswords: null } });
    expect(await failureOf(engine.checkRemotes!(makeTask(`${host}/`, '/copy'), new Bench()))).toMatchObject({
      code: 'network',
      retriable: true,
    });
  });

  it('a file that cannot be read there is told by its name', async () => {
    const { module, engine, host } = await byDaemon();
    for (const name of ['sub/file', 'sub/other']) await writeOldFile(path.join(host.folderOf('shy'), name), 'content');
    await chmod(path.join(host.folderOf('shy'), 'sub/file'), 0);
    for (const [place, file] of [
      ['/', 'sub/file'],
      ['/sub/', 'file'],
      ['/sub', 'file'],
    ] as const) {
      const run = new Bench();
      const failure = await failureOf(copy(engine, makeTask(`${module('shy')}${place}`, `${await newFolder()}/`), run));
      expect(failure).toMatchObject({ code: 'permission_denied', retriable: false, filesFailed: 1 });
      expect(run.files.find(({ outcome }) => outcome === 'failed')).toMatchObject({ path: file });
    }
  });
});
