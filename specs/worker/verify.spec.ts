import { utimes, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
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
  expect((await bench.reaches(again.id, 'failed')).error).toMatchObject({ code: 'verification_failed' });
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
