import { execFileSync } from 'node:child_process';
import { lutimes, mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import type { Counted, TransferTask } from '../../src/engines/engine.js';
import { PARTIAL_DIR, countArgs } from '../../src/engines/rsync-args.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { parseLine } from '../../src/engines/rsync-output.js';
import { countSmall } from '../../src/engines/rsync-small.js';
import { findTool } from '../../src/tools.js';
import { Bench, copy, makeTask } from './bench.js';
import { makeOddTree, newFolder } from './trees.js';

vi.setConfig({ testTimeout: 120_000 });

const tool = findTool('rsync');
if (!tool) throw new Error('These specs need rsync: install it.');
const { path: program } = tool;
const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const engine = createRsyncEngine({ markers, findRsync: () => tool });

/** What rsync's own dry run says; `null` when it complains. */
function countedByRsync(task: TransferTask): Counted | null {
  let text: string;
  try {
    text = execFileSync(program, countArgs(task), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return null;
  }
  const stats = new Map(
    text.split('\n').flatMap((line) => {
      const parsed = parseLine(Buffer.from(line));
      return parsed.kind === 'stat' ? [[parsed.key, parsed] as const] : [];
    }),
  );
  const of = (key: string) => stats.get(key)?.value ?? NaN;
  const folders = stats.get('Number of files')?.byType['dir'] ?? 0;
  return {
    source: { files: of('Number of files') - folders, bytes: of('Total file size') },
    filesTotal: of('Number of regular files transferred'),
    bytesTotal: of('Total transferred file size'),
  };
}

type Node =
  | { kind: 'file'; bytes: number; time: number }
  | { kind: 'link'; target: string; time: number }
  | { kind: 'pipe' }
  | { kind: 'folder'; entries: Record<string, Node> };

const names = fc.constantFrom('a', 'b', 'c', '-e', ' f\n', 'ünï', '[x]');
/** The same second with other parts of it, the next one, and times before 1970. */
const time = fc.constantFrom(1_000_000_000, 1_000_000_000.25, 1_000_000_000.999, 1_000_000_001, -1.5, -0.5, 0.5);
const { tree } = fc.letrec<{ tree: Node; folder: Node }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('file' as const), bytes: fc.integer({ min: 0, max: 2 }), time }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('link' as const), target: fc.constantFrom('a', '../b', '/nowhere'), time }) },
    { weight: 4, arbitrary: tie('folder') },
  ),
  folder: fc.record({ kind: fc.constant('folder' as const), entries: fc.dictionary(names, tie('tree'), { maxKeys: 5 }) }),
}));
const folderOf = fc.dictionary(
  fc.oneof({ weight: 30, arbitrary: names }, { weight: 1, arbitrary: fc.constant(PARTIAL_DIR) }),
  fc.oneof({ weight: 30, arbitrary: tree }, { weight: 1, arbitrary: fc.constant({ kind: 'pipe' as const }) }),
  { maxKeys: 6 },
);

async function make(at: string, node: Node): Promise<void> {
  if (node.kind === 'pipe') return void execFileSync('mkfifo', [at]);
  if (node.kind === 'folder') {
    await mkdir(at, { recursive: true });
    for (const [name, inner] of Object.entries(node.entries)) await make(path.join(at, name), inner);
    return;
  }
  if (node.kind === 'link') await symlink(node.target, at);
  else await writeFile(at, 'x'.repeat(node.bytes));
  const time = new Date(node.time * 1000);
  await lutimes(at, time, time);
}

async function sides() {
  const folder = await newFolder();
  return { folder, source: path.join(folder, 'source'), destination: path.join(folder, 'destination') };
}

it('A small tree is counted as rsync counts it, whatever is in the destination, or not at all', async () => {
  let [counted, equal] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      folderOf,
      // Mostly about the same as the source: what is equal on both sides is what matters.
      fc.option(fc.oneof(folderOf, fc.constant('source' as const))),
      fc.boolean(),
      async (from, before, withSlash) => {
        const { folder, source, destination } = await sides();
        await make(source, { kind: 'folder', entries: from });
        const target = withSlash ? destination : path.join(destination, 'source');
        if (before) await make(target, { kind: 'folder', entries: before === 'source' ? from : { ...from, ...before } });
        const task = makeTask(withSlash ? `${source}/` : source, destination);
        const here = await countSmall(task);
        if (here) expect(here).toEqual(countedByRsync(task));
        if (here) counted++;
        if (here?.source && here.source.files > here.filesTotal) equal++;
        await rm(folder, { recursive: true });
      },
    ),
    { numRuns: 150 },
  );
  expect(counted).toBeGreaterThan(50);
  expect(equal).toBeGreaterThan(20);
});

it('One file is counted as rsync counts it, wherever it goes', async () => {
  const { folder, source, destination } = await sides();
  await make(source, { kind: 'file', bytes: 3, time: 1_000_000_000 });
  const old = path.join(folder, 'old');
  await make(old, { kind: 'file', bytes: 3, time: 1_000_000_000.5 });
  await make(path.join(folder, 'other'), { kind: 'file', bytes: 2, time: 1_000_000_000 });
  await make(path.join(folder, 'in', 'source'), { kind: 'folder', entries: {} });
  await mkdir(path.join(folder, 'to'));
  await make(path.join(folder, 'to', 'source'), { kind: 'file', bytes: 3, time: 1_000_000_000 });
  const totals = [];
  for (const place of [destination, `${destination}/`, `${destination}/x/y`, old, path.join(folder, 'other'), path.join(folder, 'to')]) {
    const task = makeTask(source, place);
    expect(await countSmall(task)).toEqual(countedByRsync(task));
    totals.push((await countSmall(task))?.filesTotal);
  }
  expect(totals).toEqual([1, 1, 1, 0, 1, 0]);
  expect(await countSmall(makeTask(source, path.join(folder, 'in')))).toBeNull();
  // Half a second before and after the beginning of time.
  await lutimes(source, new Date(500), new Date(500));
  await lutimes(old, new Date(-500), new Date(-500));
  expect(await countSmall(makeTask(source, old))).toEqual(countedByRsync(makeTask(source, old)));
});

it('Every kind of name is counted', async () => {
  const { source, destination } = await sides();
  await makeOddTree(source);
  const task = makeTask(`${source}/`, destination);
  for (let turn = 0; turn < 2; turn++) {
    expect(await countSmall(task)).toEqual(countedByRsync(task));
    await copy(engine, task);
  }
});

it('What rsync might count otherwise, or has to be asked for, is left to it', async () => {
  const { folder, source, destination } = await sides();
  await make(source, { kind: 'folder', entries: { a: { kind: 'file', bytes: 1, time: 1 } } });
  const task = makeTask(`${source}/`, destination);
  const { options } = task;
  expect(await countSmall(task)).not.toBeNull();
  const others: TransferTask[] = [
    { ...task, attempt: 2 },
    { ...task, countChanges: true },
    { ...task, only: [Buffer.from('a')] },
    { ...task, source: 'host:/folder/' },
    { ...task, destination: 'host::module' },
    { ...task, source: `${folder}/nothing/` },
    { ...task, source: `${folder}/nothing` },
    { ...task, destination: `${source}/a` },
    { ...task, destination: `${source}/a/b` },
    { ...task, options: { ...options, excludes: ['x'] } },
    { ...task, options: { ...options, includes: ['x'] } },
    { ...task, options: { ...options, deleteExtraneous: true } },
    { ...task, options: { ...options, parallel: 2 } },
    { ...task, options: { ...options, metadata: { acls: false, xattrs: false, hardLinks: true, sparse: false } } },
  ];
  for (const other of others) expect(await countSmall(other)).toBeNull();
  const run = new Bench();
  expect(await engine.count({ ...task, attempt: 2 }, run)).toMatchObject({ filesTotal: 1, bytesTotal: 1 });
  expect(run.lines.some(({ text }) => text.includes(' -an '))).toBe(true);
});

it('A large tree is left to rsync, and one file of any size is not', async () => {
  const { source, destination } = await sides();
  await mkdir(source);
  for (let index = 0; index < 100; index++) await writeFile(path.join(source, `${index}`), '');
  const task = makeTask(`${source}/`, destination);
  expect(await countSmall(task)).toMatchObject({ filesTotal: 100 });
  await truncate(path.join(source, '1'), 5 * 1024 ** 4);
  expect(await countSmall(task)).toEqual(countedByRsync(task));
  await mkdir(path.join(source, 'folder'));
  expect(await countSmall(task)).toBeNull();
});
