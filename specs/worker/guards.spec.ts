import { mkdir, readdir, symlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Changes } from '../../src/engines/engine.js';
import type { RequestBody } from '../../src/job-client.js';
import { SYSTEM, diskOf } from '../../src/worker/disk.js';
import { checkPreview } from '../../src/worker/guards.js';
import { listTree, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';
import { OTHER_DISK, folderOnOtherDisk, hasOtherDisk } from './disks.js';

type Options = Extract<RequestBody<'create'>, { source: string }>['options'];

async function benchWithSource(): Promise<WorkerBench> {
  const bench = await WorkerBench.start({ TALLYMAN_ROOTS: '/' });
  await writeOldFile(bench.at('source/file'), 'content');
  await bench.startWorker();
  return bench;
}

async function fails(bench: WorkerBench, options: Options, paths: { source?: string; destination?: string } = {}) {
  const { id } = await bench.create({ options, ...paths });
  const { error, retryAt } = await bench.reaches(id, 'failed');
  expect(error).toMatchObject({ retriable: false, advice: expect.stringMatching(/./) as unknown });
  expect(retryAt).toBeNull();
  return error?.code;
}

describe('A guard stops the job before anything is touched', () => {
  it.each([
    ['source', 'source_not_mounted'],
    ['destination', 'destination_not_mounted'],
    ['both', 'source_not_mounted'],
  ] as const)('when %s has to be on a mounted disk and is not', async (requireMount, code) => {
    const bench = await benchWithSource();
    expect(await fails(bench, { requireMount })).toBe(code);
    expect(await readdir(bench.folder)).toEqual(['source']);
  });

  it.each(['source', 'destination'] as const)('when the marker of the %s is missing', async (side) => {
    const bench = await benchWithSource();
    await mkdir(bench.at('copy'));
    // A folder of that name is no marker.
    await mkdir(bench.at('copy/.disk'));
    expect(await fails(bench, { marker: { [side]: '.disk' } })).toBe('marker_missing');
    expect(await readdir(bench.at('copy'))).toEqual(['.disk']);
  });

  it('when the source of a mirror is empty', async () => {
    const bench = await benchWithSource();
    await mkdir(bench.at('unmounted'));
    await writeOldFile(bench.at('copy/precious'), 'precious');
    const mirror = { deleteExtraneous: true, maxDelete: 1000 };
    expect(await fails(bench, mirror, { source: bench.at('unmounted/') })).toBe('source_empty');
    // Folders alone are no files either.
    await mkdir(bench.at('unmounted/lost+found'));
    expect(await fails(bench, mirror, { source: bench.at('unmounted/') })).toBe('source_empty');
    expect(await readdir(bench.at('copy'))).toEqual(['precious']);
  });
});

describe('A guard lets the job pass', () => {
  it('when the markers are there, wherever the one that is copied lies', async () => {
    const bench = await benchWithSource();
    for (const folder of ['source', 'copy']) await writeOldFile(bench.at(`${folder}/.disk`), '');
    const marker = { source: '.disk', destination: '.disk' };
    for (const source of [bench.at('source/'), bench.at('source'), bench.at('source/file')]) {
      const { id } = await bench.create({ options: { marker }, source });
      await bench.reaches(id, 'completed');
    }
  });

  it.runIf(hasOtherDisk)('when both sides are on mounted disks, and the log says on which', async () => {
    const bench = await benchWithSource();
    const folder = await folderOnOtherDisk();
    await writeOldFile(path.join(folder, 'source/file'), 'content');
    const { id } = await bench.create({
      source: `${folder}/source/`,
      destination: `${folder}/still/to/be/made/`,
      options: { requireMount: 'both' },
    });
    const job = await bench.reaches(id, 'completed');
    const { id: disk } = await diskOf(folder);
    expect(disk).not.toBe(SYSTEM);
    expect(job.seen).toEqual({ host: hostname(), source: disk, destination: disk, sourceFiles: 1, sourceBytes: 7 });
    expect(bench.lines.text).toContain(`The destination is on the disk that is mounted at ${OTHER_DISK}.`);
  });
});

describe('A mirror', () => {
  it('that would delete more than it may copies and deletes nothing, and says how many', async () => {
    const bench = await benchWithSource();
    for (const name of ['1', '2', '3']) await writeOldFile(bench.at(`copy/${name}`), name);
    const { id } = await bench.create({ options: { deleteExtraneous: true, maxDelete: 2 } });
    const { error } = await bench.reaches(id, 'failed');
    expect(error).toMatchObject({ code: 'delete_limit', retriable: false });
    expect(error?.message).toContain('3 files and folders');
    expect(await readdir(bench.at('copy'))).toEqual(['1', '2', '3']);
    const allowed = await bench.create({ options: { deleteExtraneous: true, maxDelete: 3, verify: 'checksum', trash: bench.at('trash') } });
    await bench.reaches(allowed.id, 'completed');
    expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
    expect(await readdir(bench.at(`trash/${allowed.id}-1`))).toEqual(['1', '2', '3']);
    for (const name of ['1', '2', '3']) expect(bench.lines.text).toContain(`*deleting  |0|${name}`);
  });

  it('does not take a trash that a link leads into the destination, or out of what jobs may use', async () => {
    const bench = await WorkerBench.start();
    await writeOldFile(bench.at('source/file'), 'content');
    await mkdir(bench.at('copy'));
    await bench.startWorker();
    await symlink(bench.at('copy'), bench.at('in'));
    await symlink(path.dirname(bench.folder), bench.at('out'));
    for (const trash of [bench.at('in/trash'), bench.at('out/trash')]) {
      expect(await fails(bench, { deleteExtraneous: true, maxDelete: 3, trash })).toBe('path_not_allowed');
    }
  });
});

describe('A job that was created from a preview of two deletions', () => {
  const amount = (files: number) => ({ files, folders: 0, bytes: 0 });
  const shown = { create: 1, change: 1, delete: 2, deletions: 'two' };
  it.each<[number, Partial<Changes>, boolean]>([
    [1, { delete: amount(2), deletions: 'two' }, true],
    [1, { delete: amount(2), deletions: 'two', create: amount(1), change: amount(1) }, true],
    [1, { delete: amount(2), deletions: 'two', create: { files: 1, folders: 1, bytes: 0 } }, false],
    [1, { delete: amount(2), deletions: 'two', change: amount(2) }, false],
    [1, { delete: amount(1), deletions: 'one of them, or another' }, false],
    [2, { delete: amount(1), deletions: 'one of them' }, true],
    [2, { delete: amount(0) }, true],
    [2, { delete: amount(2), deletions: 'others' }, false],
    [2, { delete: amount(3), deletions: 'three' }, false],
  ])('in attempt %i that would do %j passes: %s', (attempt, found, passes) => {
    const changes = { create: amount(0), change: amount(0), delete: amount(0), equal: 0, deletions: '', ...found };
    const check = () => checkPreview({ attempt }, changes, shown);
    if (passes) expect(check).not.toThrow();
    else expect(check).toThrow('Nothing was copied or deleted.');
    expect(() => checkPreview({ attempt }, undefined, shown)).toThrow();
  });
});
