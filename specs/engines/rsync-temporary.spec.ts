import { lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { EngineStopped } from '../../src/engines/engine.js';
import { findLeftovers } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool } from '../../src/tools.js';
import { Bench, copy, makeTask } from './bench.js';
import { listTree, newFolder, noise, writeOldFile } from './trees.js';

vi.setConfig({ testTimeout: 60_000 });

const tool = findTool('rsync');
if (!tool) throw new Error('These specs need rsync: install it.');
const engine = createRsyncEngine({ markers: { owner: `spec-${process.pid}`, worker: 'spec' }, findRsync: () => tool });
const MEGABYTE = 1024 * 1024;

async function sides() {
  const folder = await newFolder();
  const [source, destination] = [path.join(folder, 'source'), path.join(folder, 'destination')];
  const createdAtMs = Date.now() - 1000;
  const again = { ...makeTask(`${source}/`, `${destination}/`), attempt: 2, createdAtMs };
  return { source, destination, again };
}
const said = ({ lines }: Bench) => lines.filter(({ text }) => text.startsWith('An rsync that was killed')).map(({ text }) => text);
const literalBytes = ({ lines }: Bench) =>
  Math.max(...lines.map(({ text }) => Number(/^Literal data: (\d+)/.exec(text)?.[1] ?? Number.NaN)).filter(Number.isInteger));

it.each(['plain', '.hidden', 'sub/ünï\n'])('the attempt after kill -9 of all of rsync goes on with what it had of %j', async (name) => {
  const { source, destination, again } = await sides();
  await writeOldFile(path.join(source, name), noise(6 * MEGABYTE));
  const first = { ...again, attempt: 1, options: { ...again.options, bandwidthLimit: 2 * MEGABYTE } };
  const run = new Bench();
  const copying = copy(engine, first, run);
  copying.catch(() => undefined);
  await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(MEGABYTE), 20_000);
  const pids = await findLeftovers({ job: first.jobId });
  // Stopped first: one that lives a moment longer puts its partial file aside.
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const pid of pids) process.kill(pid, signal);
  await expect(copying).rejects.toThrow();
  const next = new Bench();
  await copy(engine, again, next);
  expect(said(next)).toEqual([expect.stringMatching(/: the copy goes on from it\.$/)]);
  expect(literalBytes(next)).toBeLessThan(5.5 * MEGABYTE);
  expect(await listTree(destination)).toEqual(await listTree(source));
});

it('removes one that nothing needs: its file is copied already, or more of it was put aside', async () => {
  const { source, destination, again } = await sides();
  for (const name of ['done', 'aside']) await writeOldFile(path.join(source, name), noise(MEGABYTE));
  await writeOldFile(path.join(destination, 'done'), noise(MEGABYTE));
  await writeOldFile(path.join(destination, '.tallyman-partial/aside'), noise(MEGABYTE / 2));
  for (const name of ['.done.Ab12yz', '.aside.Ab12yz']) await writeFile(path.join(destination, name), 'begun');
  const run = new Bench();
  await copy(engine, again, run);
  expect(said(run)).toEqual(Array(2).fill(expect.stringMatching(/which nothing needs any more: removed\.$/)));
  expect(literalBytes(run)).toBeLessThan(0.75 * MEGABYTE);
  expect(await listTree(destination)).toEqual(await listTree(source));
});

it('lets everything be that may be somebody’s own', async () => {
  const { source, destination, again } = await sides();
  for (const name of ['a', 'b', '.b.Ab12yz', 'sub/f']) await writeOldFile(path.join(source, name), name);
  const own = ['.other.Ab12yz', '.a.Ab12y', '.a.Ab12yzz', 'a.Ab12yz', '.sub.Ab12yz', '.b.Ab12yz'];
  for (const name of own) await writeOldFile(path.join(destination, name), 'own');
  await mkdir(path.join(destination, '.a.folder'));
  await symlink('nowhere', path.join(destination, '.a.linkto'));
  // A link leads out of the tree.
  const elsewhere = await newFolder();
  await writeFile(path.join(elsewhere, '.f.Ab12yz'), 'own');
  await symlink(elsewhere, path.join(destination, 'sub'));
  const before = await readdir(destination);
  const run = new Bench();
  await engine.count(again, run);
  expect(said(run)).toEqual([]);
  expect(await readdir(destination)).toEqual(before);
  expect(await readdir(elsewhere)).toEqual(['.f.Ab12yz']);
});

it('lets files be that are older than the job', async () => {
  const { source, destination, again } = await sides();
  await writeOldFile(path.join(source, 'a'), 'a');
  await writeOldFile(path.join(destination, '.a.Ab12yz'), 'own');
  const { birthtimeMs } = await lstat(path.join(destination, '.a.Ab12yz'));
  await engine.count({ ...again, createdAtMs: Math.ceil(birthtimeMs) + 1 }, new Bench());
  await engine.count({ ...again, attempt: 1 }, new Bench());
  expect(await readdir(destination)).toEqual(['.a.Ab12yz']);
});

it.each(['a', 'b'])('finds one of a single file that is copied as %s', async (as) => {
  const { source, destination, again } = await sides();
  await writeOldFile(path.join(source, 'a'), 'a');
  await writeOldFile(path.join(source, 'b'), 'b');
  for (const name of ['.a.Ab12yz', '.b.Ab12yz', 'sub/.a.Ab12yz', 'sub/.b.Ab12yz']) await writeOldFile(path.join(destination, name), '');
  const run = new Bench();
  await copy(engine, { ...again, source: path.join(source, 'a'), destination: path.join(destination, as) }, run);
  expect(said(run)).toHaveLength(1);
  const left = [as, as === 'a' ? '.b.Ab12yz' : '.a.Ab12yz', 'sub', 'sub/.a.Ab12yz', 'sub/.b.Ab12yz'];
  expect((await readdir(destination, { recursive: true })).sort()).toEqual(left.sort());
});

it('stops looking when it is told to', async () => {
  const { again } = await sides();
  const run = new Bench();
  run.abort.abort();
  await expect(engine.count(again, run)).rejects.toThrow(EngineStopped);
});
