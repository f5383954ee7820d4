import { expect, it } from 'vitest';
import type { Job } from '../../actors/job.js';
import { EngineFailed, type Engine } from '../../src/engines/engine.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { listTree, noise, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

/** A move may skip its deletion in one run: start, resume and retry with `skipDeletion`. */
const deletes = { deleteSource: { mode: 'after_verify', confirmed: true } } as const;
const skip = async (bench: WorkerBench, verb: 'start' | 'resume' | 'retry', id: string) =>
  (await bench.client.ask(verb, { id, skipDeletion: true })) as Job;

async function benchWithFiles(): Promise<WorkerBench> {
  const bench = await WorkerBench.start();
  for (const name of ['a', 'b', 'c']) await writeOldFile(bench.at(`source/${name}`), name);
  return bench;
}

it('A move whose deletion is skipped copies, compares by content, keeps every file and says so', async () => {
  const bench = await benchWithFiles();
  const before = await listTree(bench.at('source'));
  await bench.startWorker();
  const { id } = await bench.create({ start: false, options: { ...deletes, verify: 'none' } });
  await skip(bench, 'start', id);
  expect(await bench.reaches(id, 'completed')).toMatchObject({
    verification: { method: 'checksum', mismatches: 0 },
    deletion: { filesDeleted: 0, filesKept: 3, kept: [{ why: 'the deletion was skipped in this run, as asked', files: 3 }] },
    warnings: ['3 files are kept in the source: the deletion was skipped in this run, as asked.'],
    options: deletes,
  });
  expect(await listTree(bench.at('source'))).toEqual(before);
  expect(await listTree(bench.at('copy'))).toEqual(before);
  expect(bench.lines.text).not.toContain('Deleting');
  const next = await bench.client.ask('duplicate', { id, overrides: { options: deletes } });
  expect(await bench.reaches(next.id, 'completed')).toMatchObject({ deletion: { filesDeleted: 3, filesKept: 0 } });
});

it('An attempt that is repeated by itself skips it too; a new run deletes', async () => {
  const bench = await benchWithFiles();
  const [engine, rsync] = [createRsyncEngine({ markers: bench.markers }), createRsyncEngine({ markers: bench.markers })];
  let failures = 1;
  const transfer: Engine['transfer'] = (task, counted, run) => {
    const failure = { code: 'network', message: 'gone', exitCode: null, retriable: true, advice: null };
    return failures-- > 0 ? Promise.reject(new EngineFailed(failure)) : rsync.transfer(task, counted, run);
  };
  await bench.startWorker(Object.assign(engine, { transfer }));
  const { id } = await bench.create({ options: deletes, skipDeletion: true });
  expect(await bench.reaches(id, 'completed')).toMatchObject({ attempt: 2, deletion: { filesDeleted: 0, filesKept: 3 } });

  await writeOldFile(bench.at('source/d'), noise(4_000_000));
  const slow = await bench.create({ options: { ...deletes, bandwidthLimit: 100_000 }, skipDeletion: true });
  await expect.poll(async () => (await bench.client.get(slow.id)).phase, { timeout: 20_000 }).toBe('transferring');
  await bench.client.command('cancel', slow.id);
  await bench.reaches(slow.id, 'cancelled');
  await bench.client.ask('update', { id: slow.id, options: { bandwidthLimit: 0 } });
  expect(await bench.client.command('retry', slow.id)).not.toHaveProperty('skipDeletion');
  expect(await bench.reaches(slow.id, 'completed')).toMatchObject({ deletion: { filesDeleted: 4 } });
});

it('A deletion that was broken off is not gone on with when the resumed run skips it', async () => {
  const bench = await benchWithFiles();
  bench.lines.storeError = new Error('no room');
  await bench.startWorker();
  const { id } = await bench.create({ options: { ...deletes, maxRetries: 0 } });
  await bench.reaches(id, 'failed');
  bench.lines.storeError = null;
  await skip(bench, 'retry', id);
  expect(await bench.reaches(id, 'completed')).toMatchObject({ deletion: { filesDeleted: 0, filesKept: 3 } });
  expect(await listTree(bench.at('source'))).toHaveLength(3);
});
