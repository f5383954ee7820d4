import { mkdir } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { EngineFailed, type Engine } from '../../src/engines/engine.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { writeOldFile } from '../engines/trees.js';
import { WorkerBench } from '../worker/bench.js';

const LOST = expect.stringContaining('could not be stored in time') as unknown;

async function benchWithoutStore(differently: Partial<Engine> = {}): Promise<WorkerBench> {
  const bench = await WorkerBench.start();
  bench.files.flush = () => Promise.resolve(false);
  await writeOldFile(bench.at('source/file'), 'x');
  await mkdir(bench.at('copy'));
  await bench.startWorker(Object.assign(createRsyncEngine({ markers: bench.markers }), differently));
  return bench;
}

it('A copy whose list of files could not be stored is completed with a warning', async () => {
  const bench = await benchWithoutStore();
  const { id } = await bench.create();
  expect((await bench.reaches(id, 'completed')).warnings).toEqual([LOST]);
});

it('A copy that failed and whose list could not be stored cannot take just the failed files', async () => {
  const failure = { code: 'permission_denied', message: '1 file failed.', exitCode: 23, retriable: false, advice: null, filesFailed: 1 };
  const bench = await benchWithoutStore({ transfer: () => Promise.reject(new EngineFailed(failure)) });
  const { id } = await bench.create();
  const { error } = await bench.reaches(id, 'failed');
  expect(error?.message).toEqual(LOST);
  expect(error?.filesFailed).toBeUndefined();
  await expect(bench.client.ask('retry', { id, onlyFailed: true })).rejects.toMatchObject({ code: 'illegal_transition' });
});
