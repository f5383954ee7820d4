import { execFileSync } from 'node:child_process';
import { chmod, link, lstat, lutimes, mkdir, readFile, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import type { TransferOptions } from '../../actors/job.js';
import { EngineFailed, EngineStopped, type Run } from '../../src/engines/engine.js';
import { attemptName, findLeftovers } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import type { FileLine } from '../../src/engines/rsync-output.js';
import { allAtOnce } from '../../src/engines/rsync-parallel.js';
import { FilesToCopy } from '../../src/engines/rsync-split.js';
import { findTool, type Tool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, withoutRoot } from './bench.js';
import { listTree, makeOddTree, newFolder, noise, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 120_000 });

const tool = findTool('rsync');
if (!tool) throw new Error('These specs need rsync: install it.');
const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
/** Every file may get a list of its own. */
const engineWith = (find: () => Tool | null = () => tool) => createRsyncEngine({ markers, findRsync: find, leastListWeight: 1 });
const engine = engineWith();
const MEGABYTE = 1024 * 1024;

/** How many rsyncs copied a part. */
const partsIn = (run: Bench): number => run.lines.filter(({ text }) => text.includes('--files-from=-')).length;

async function sides() {
  const folder = await newFolder();
  return { folder, source: path.join(folder, 'source'), destination: path.join(folder, 'destination') };
}

/** A time that no tree was made with: of a folder that something was deleted in. */
const NEW_NS = 1_100_000_000_000_000_000n;

/** A tree with all that a copy keeps, read without rsync: kind, mode, time, content. */
async function fullTree(root: string): Promise<string[]> {
  const lines: string[] = [];
  const walk = async (at: string): Promise<void> => {
    const stat = await lstat(at, { bigint: true });
    const shown = `${at.slice(root.length)} ${stat.mode.toString(8)} ${stat.mtimeNs > NEW_NS ? 'new' : stat.mtimeNs}`;
    if (stat.isSymbolicLink()) lines.push(`${shown} -> ${await readlink(at)}`);
    else if (stat.isFile()) lines.push(`${shown} ${(await readFile(at)).toString('base64')}`);
    else {
      lines.push(shown);
      for (const name of (await readdir(at)).sort()) await walk(path.join(at, name));
    }
  };
  await walk(root);
  return lines;
}

type Node =
  | { kind: 'file'; content: string; mode: number; time: number; twin: boolean }
  | { kind: 'link'; target: string; time: number }
  | { kind: 'folder'; entries: Record<string, Node>; mode: number; time: number };

const names = fc.constantFrom('a', 'b', 'c.tmp', 'd', '-e', ' f\n', 'ünï');
const time = fc.integer({ min: 1_000_000_000, max: 1_000_000_003 });
const { tree } = fc.letrec<{ tree: Node; folder: Node }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      kind: fc.constant('file' as const),
      content: fc.string({ maxLength: 5 }),
      mode: fc.constantFrom(0o644, 0o600, 0o444),
      time,
      twin: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('link' as const), target: fc.constantFrom('a', '../b', '/nowhere'), time }),
    tie('folder'),
  ),
  folder: fc.record({
    kind: fc.constant('folder' as const),
    entries: fc.dictionary(names, tie('tree'), { maxKeys: 5 }),
    mode: fc.constantFrom(0o755, 0o700, 0o555),
    time,
  }),
}));
const folderOf = fc.dictionary(names, tree, { minKeys: 1, maxKeys: 6 });

async function make(at: string, node: Node): Promise<void> {
  if (node.kind === 'link') await symlink(node.target, at);
  else if (node.kind === 'file') {
    await writeFile(at, node.content);
    await chmod(at, node.mode);
    if (node.twin) await link(at, `${at}.twin`).catch(() => undefined);
  } else {
    await mkdir(at);
    for (const [name, inner] of Object.entries(node.entries)) await make(path.join(at, name), inner);
    await chmod(at, node.mode);
  }
  await lutimes(at, node.time, node.time);
}

const makeRoot = (at: string, entries: Record<string, Node>) => make(at, { kind: 'folder', entries, mode: 0o755, time: 1_000_000_000 });

const optionSets = fc.record<Partial<TransferOptions>>({
  excludes: fc.subarray(['*.tmp', '/a', 'a/b', 'd/', '/a/*/b']),
  includes: fc.subarray(['b', '/a/c.tmp', 'a/']),
  deleteExtraneous: fc.boolean(),
});

it('makes of any tree, whatever is in the destination, what one rsync makes of it', async () => {
  let inParts = 0;
  await fc.assert(
    fc.asyncProperty(
      folderOf,
      folderOf,
      optionSets,
      fc.integer({ min: 2, max: 5 }),
      fc.boolean(),
      async (from, before, given, parallel, withSlash) => {
        const { folder, source } = await sides();
        const options = { ...given, ...(given.deleteExtraneous ? { maxDelete: 1000 } : {}) };
        await makeRoot(source, from);
        const ended = await Promise.all(
          [1, parallel].map(async (rsyncs) => {
            const destination = path.join(folder, `destination ${rsyncs}`);
            const target = withSlash ? destination : path.join(destination, 'source');
            await mkdir(path.dirname(target), { recursive: true });
            await makeRoot(target, before);
            const task = makeTask(withSlash ? `${source}/` : source, `${destination}/`, { ...options, parallel: rsyncs });
            const run = new Bench();
            const outcome = await copy(engine, task, run).then(
              ({ filesTransferred, bytesTransferred, warnings }) => ({ filesTransferred, bytesTransferred, warnings }),
              (error: unknown) => ({ error: (error as Error).constructor.name }),
            );
            if (partsIn(run) > 0) inParts++;
            const files = run.files.map((file) => `${file.outcome} ${file.path}`).sort();
            return { outcome, tree: await fullTree(target), files };
          }),
        );
        execFileSync('chmod', ['-R', 'u+rwx', folder]);
        await rm(folder, { recursive: true });
        expect(ended[1]).toEqual(ended[0]);
      },
    ),
    { numRuns: 30 },
  );
  expect(inParts).toBeGreaterThan(10);
});

it('copies every kind of name', async () => {
  const { source, destination } = await sides();
  const { files, bytes } = await makeOddTree(source);
  const run = new Bench();
  expect(await copy(engine, makeTask(`${source}/`, `${destination}/`, { parallel: 4 }), run)).toEqual({
    filesTransferred: files,
    bytesTransferred: bytes,
    warnings: [],
  });
  expect(partsIn(run)).toBe(4);
  expect(await listTree(destination)).toEqual(await listTree(source));
});

it('leaves to one rsync what several cannot do or are not worth: a small tree, single files, a trash, hard links, unchanged files', async () => {
  const { source, destination } = await sides();
  await makeOddTree(source);
  const usual = createRsyncEngine({ markers });
  const runs = Array.from({ length: 6 }, () => new Bench());
  await copy(usual, makeTask(`${source}/`, `${destination}/`, { parallel: 4 }), runs[0]);
  await copy(engine, makeTask(`${source}/folder/empty file`, `${destination}/`, { parallel: 4 }), runs[1]);
  await copy(engine, { ...makeTask(`${source}/`, `${destination}/x/`, { parallel: 4 }), only: [Buffer.from('folder')] }, runs[2]);
  const trash = { deleteExtraneous: true, maxDelete: 100, trash: `${destination} trash` };
  await copy(engine, makeTask(`${source}/`, `${destination}/`, { parallel: 4, ...trash }), runs[3]);
  const hardLinks = { metadata: { hardLinks: true } };
  await copy(engine, makeTask(`${source}/`, `${destination}/y/`, { parallel: 4, ...hardLinks }), runs[4]);
  await copy(engine, makeTask(`${source}/`, `${destination}/z/`, { parallel: 4, listUnchanged: true }), runs[5]);
  expect(runs.map((run) => run.lines.filter(({ text }) => text.includes('rsyncs at once')).length)).toEqual([0, 0, 0, 0, 0, 0]);
});

it('divides the bandwidth limit', async () => {
  const { source, destination } = await sides();
  for (const part of [1, 2, 3, 4]) await writeOldFile(path.join(source, `${part}`), noise(MEGABYTE));
  const run = new Bench();
  await copy(engine, makeTask(`${source}/`, `${destination}/`, { parallel: 4, bandwidthLimit: 8 * MEGABYTE }), run);
  const limits = run.lines.flatMap(({ text }) => /^\S*rsync .*--bwlimit=(\d+)/.exec(text)?.[1] ?? []);
  expect(limits).toEqual(['2048', '2048', '2048', '2048', '8192']);
});

it('tells one progress that never falls and reaches the end', async () => {
  const { source, destination } = await sides();
  for (const part of [1, 2, 3]) await writeOldFile(path.join(source, `${part}`), noise(MEGABYTE));
  const run = new Bench();
  await copy(engine, makeTask(`${source}/`, `${destination}/`, { parallel: 3, bandwidthLimit: MEGABYTE }), run);
  for (const name of ['percent', 'bytesTransferred', 'filesTransferred'] as const)
    expect(run.numbers(name)).toEqual([...run.numbers(name)].sort((a, b) => a - b));
  const between = run.numbers('bytesTransferred').filter((bytes) => bytes > MEGABYTE && bytes < 3 * MEGABYTE);
  expect(between).not.toEqual([]);
  expect(run.progress.at(-1)).toMatchObject({ percent: 100, bytesTransferred: 3 * MEGABYTE, filesTransferred: 3 });
});

it('tells of every file that failed once, and keeps the rest', async () => {
  const { folder, source, destination } = await sides();
  for (const file of ['a', 'secret 1', 'm', 'secret 2', 'z']) await writeOldFile(path.join(source, file), noise(1000));
  await mkdir(destination);
  for (const open of [folder, source, destination]) await chmod(open, 0o777);
  for (const secret of ['secret 1', 'secret 2']) await chmod(path.join(source, secret), 0);
  const user = await withoutRoot(tool);
  const run = new Bench();
  const failure = await failureOf(
    copy(
      engineWith(() => user),
      makeTask(`${source}/`, `${destination}/`, { parallel: 4 }),
      run,
    ),
  );
  expect(partsIn(run)).toBeGreaterThan(1);
  expect(failure).toMatchObject({ code: 'permission_denied', filesFailed: 2 });
  expect(run.files.map(({ outcome, path: name }) => `${outcome} ${name}`).sort()).toEqual(
    ['failed secret 1', 'failed secret 2', 'transferred a', 'transferred m', 'transferred z'].sort(),
  );
  expect(run.numbers('filesTransferred').at(-1)).toBe(3);
});

/** Four files that take long, under way by several rsyncs. */
async function slowCopy() {
  const { source, destination } = await sides();
  for (const part of [1, 2, 3, 4]) await writeOldFile(path.join(source, `${part}`), noise(MEGABYTE));
  const task = makeTask(`${source}/`, `${destination}/`, { parallel: 4, bandwidthLimit: MEGABYTE / 2 });
  const run = new Bench();
  const copying = copy(engine, task, run);
  copying.catch(() => undefined);
  await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(0), 20_000);
  const pids = await findLeftovers({ attempt: attemptName(task) });
  return { source, destination, task, run, copying, pids };
}

it('stops all of them, and goes on with what they had', async () => {
  const { source, destination, task, run, copying, pids } = await slowCopy();
  expect(pids.length).toBeGreaterThan(6);
  run.abort.abort();
  await expect(copying).rejects.toThrow(EngineStopped);
  expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);
  await copy(engine, { ...task, attempt: 2, options: { ...task.options, bandwidthLimit: 0 } });
  expect(await listTree(destination)).toEqual(await listTree(source));
});

it('ends all of them when one process of one of them is killed, and says so', async () => {
  const { task, copying, pids } = await slowCopy();
  process.kill(pids[Math.floor(pids.length / 2)] as number, 'SIGKILL');
  expect(await failureOf(copying)).toMatchObject({ retriable: true });
  expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);
});

it('tells of several failures the one that a person has to do something about', async () => {
  const failed = (code: string, retriable: boolean) => new EngineFailed({ code, message: code, exitCode: 1, retriable, advice: null });
  const untilStopped = (error: Error) => (run: Run) =>
    new Promise<never>((_, reject) => run.signal.addEventListener('abort', () => reject(error)));
  const works = [
    () => Promise.reject(failed('network', true)),
    untilStopped(failed('disk_full', false)),
    untilStopped(new EngineStopped()),
  ];
  expect(await failureOf(allAtOnce(works, new Bench()))).toMatchObject({ code: 'disk_full' });
});

it('shares out files by count and bytes, each once, small folders whole', () => {
  const line = (bytes: number): FileLine => ({
    kind: 'file',
    change: '>',
    type: 'f',
    bytes,
    flags: '+++++++++',
    isNew: true,
    checksum: null,
    rawName: '',
    name: '',
  });
  const sized = fc.record({ folder: fc.integer({ min: 0, max: 20 }), bytes: fc.integer({ min: 0, max: 1_000_000 }) });
  fc.assert(
    fc.property(fc.array(sized, { minLength: 1, maxLength: 300 }), fc.integer({ min: 2, max: 16 }), (files, most) => {
      const toCopy = new FilesToCopy();
      const weights = new Map<string, number>();
      files.forEach(({ folder, bytes }, index) => {
        toCopy.add(line(bytes), `${folder}/${index}`);
        weights.set(`${folder}/${index}`, bytes + 64 * 1024);
        weights.set(`${folder}/`, (weights.get(`${folder}/`) ?? 0) + bytes + 64 * 1024);
      });
      const lists = toCopy.lists(most, 1);
      const listed = lists.flat();
      expect(lists.length).toBeLessThanOrEqual(most);
      expect(new Set(listed).size).toBe(listed.length);
      const total = files.reduce((sum, { bytes }) => sum + bytes + 64 * 1024, 0);
      if (lists.length === 0) return;
      const covered = files.every(
        ({ folder }, index) => Number(listed.includes(`${folder}/`)) + Number(listed.includes(`${folder}/${index}`)) === 1,
      );
      expect(covered).toBe(true);
      const heaviest = Math.max(...lists.map((list) => list.reduce((sum, name) => sum + (weights.get(name) ?? 0), 0)));
      expect(heaviest).toBeLessThanOrEqual((total / most) * 1.5 + 2_200_000);
    }),
  );
});
