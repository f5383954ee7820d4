import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { makeOddTree, listTree, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

it('A finished job is verified later by a job that copies nothing', async () => {
  const bench = await WorkerBench.start();
  const { files } = await makeOddTree(bench.at('source'));
  await bench.startWorker();
  const { id } = await bench.create({ labels: { set: 'photos' }, options: { excludes: ['nothing'] } });
  await bench.reaches(id, 'completed');
  const before = await listTree(bench.at('copy'));
  const check = await bench.client.ask('verify', { id });
  expect(check).toMatchObject({
    labels: { set: 'photos', verifies: id },
    options: { compareOnly: true, verify: 'checksum', excludes: ['nothing'] },
  });
  expect(await bench.reaches(check.id, 'completed')).toMatchObject({
    progress: { percent: 100 },
    verification: { method: 'checksum', filesExpected: files + 1, filesEqual: files + 1, mismatches: 0 },
  });

  await writeOldFile(bench.at('copy/folder/ leading blank'), 'spoilt, as long as it was');
  await writeOldFile(bench.at('source/new'), 'came later');
  const again = await bench.client.ask('verify', { id, method: 'size' });
  expect(await bench.reaches(again.id, 'failed')).toMatchObject({
    error: { code: 'verification_failed' },
    verification: { method: 'size', filesExpected: files + 2, filesEqual: files + 1, mismatches: 1 },
  });
  expect(bench.lines.all.filter(({ text }) => text.includes('\n'))).toEqual([]);
  expect(await listTree(bench.at('copy'))).not.toEqual(before);
  expect((await listTree(bench.at('copy'))).some((line) => line.startsWith('/new'))).toBe(false);
});

it('A rotten byte is found that size and time do not show', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/file'), 'AAAA');
  await bench.startWorker();
  const { id } = await bench.create();
  await bench.reaches(id, 'completed');
  await writeFile(bench.at('copy/file'), 'AAAB');
  await utimes(bench.at('copy/file'), new Date('2024-05-06T07:08:09Z'), new Date('2024-05-06T07:08:09Z'));
  const bySize = await bench.client.ask('verify', { id, method: 'size' });
  await bench.reaches(bySize.id, 'completed');
  const byChecksum = await bench.client.ask('verify', { id });
  expect((await bench.reaches(byChecksum.id, 'failed')).error).toMatchObject({
    code: 'verification_failed',
    message: expect.stringContaining('0 of 1') as unknown,
  });
});

it('What cannot be compared is refused: a job that runs, that has no sides, or whose source it deleted', async () => {
  const bench = await WorkerBench.start();
  const pending = await bench.create({ start: false });
  await expect(bench.client.ask('verify', { id: pending.id })).rejects.toMatchObject({ code: 'illegal_transition' });
  const own = await bench.client.create({ type: 'report', start: false });
  await expect(bench.client.ask('verify', { id: own.id })).rejects.toMatchObject({ code: 'invalid_request' });
  await expect(bench.create({ options: { compareOnly: true } })).rejects.toMatchObject({ code: 'invalid_request' });
  await writeOldFile(bench.at('source/file'), 'content');
  await bench.startWorker();
  const moved = await bench.create({ options: { deleteSource: { mode: 'after_verify', confirmed: true } } });
  await bench.reaches(moved.id, 'completed');
  await expect(bench.client.ask('verify', { id: moved.id })).rejects.toMatchObject({ code: 'illegal_transition' });
});

describe('A mirror that is verified later', () => {
  const mirrored = async (options: object = {}) => {
    const bench = await WorkerBench.start();
    await writeOldFile(bench.at('source/folder/file'), 'content');
    await writeOldFile(bench.at('copy/.disk'), '');
    await bench.startWorker();
    const mirror = { deleteExtraneous: true, maxDelete: 10, marker: { destination: '.disk' }, excludes: ['*.tmp'], ...options };
    const { id } = await bench.create({ options: mirror });
    await bench.reaches(id, 'completed');
    const verify = async () => (await bench.client.ask('verify', { id, method: 'size' })).id;
    return { bench, verify };
  };

  it('passes when nothing is left over but its marker and what a pattern keeps', async () => {
    const { bench, verify } = await mirrored();
    await writeOldFile(bench.at('copy/mine.tmp'), 'kept');
    expect((await bench.reaches(await verify(), 'completed')).verification).toMatchObject({ filesEqual: 1, mismatches: 0, extra: 0 });
  });

  it('does not pass with a file or folder that the source does not have: each is told and counted, and none is deleted', async () => {
    const { bench, verify } = await mirrored();
    await writeOldFile(bench.at('copy/folder/left\nover'), 'old');
    await mkdir(bench.at('copy/empty'));
    const id = await verify();
    const { error } = await bench.reaches(id, 'failed');
    expect(error).toMatchObject({ code: 'verification_failed', advice: expect.stringContaining('differs,missing,extra') as unknown });
    expect(error?.message).toContain('1 of 1 files are equal by size, 0 differ, 2 are in the destination alone');
    const extra = bench.files.all.filter(({ outcome }) => outcome === 'extra').map(({ path }) => path);
    expect(extra.sort()).toEqual(['empty/', 'folder/left\nover']);
    expect(await listTree(bench.at('copy/empty'))).toEqual([]);
    expect(await listTree(bench.at('copy/folder'))).toHaveLength(2);
  });

  it('does not pass when the source is empty', async () => {
    const { bench, verify } = await mirrored();
    await rm(bench.at('source/folder'), { recursive: true });
    expect((await bench.reaches(await verify(), 'failed')).error?.message).toContain('are in the destination alone');
  });
});
