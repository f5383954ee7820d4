import { expect, it } from 'vitest';
import { findLeftovers } from '../../src/engines/leftovers.js';
import { noise, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

/** A copy that would take a minute and a half. */
async function slowCopy(options: object) {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/big'), noise(9_000_000));
  const worker = await bench.startWorker();
  const { id } = await bench.create({ options: { bandwidthLimit: 100_000, ...options } });
  await expect.poll(async () => (await bench.client.get(id)).phase, { timeout: 20_000 }).toBe('transferring');
  return { bench, worker, id };
}

it('A copy that takes longer than its attempt may is ended, and the job fails when no retry is left', async () => {
  const { bench, id } = await slowCopy({ attemptTimeoutSeconds: 2, maxRetries: 0 });
  expect((await bench.reaches(id, 'failed')).error).toMatchObject({ code: 'attempt_timeout' });
  expect(await findLeftovers({ owner: bench.markers.owner })).toEqual([]);
});

it('A copy whose worker stops in good order waits for a person, when it asks', async () => {
  const { bench, worker, id } = await slowCopy({ resume: 'ask' });
  await worker.stop();
  expect((await bench.reaches(id, 'paused')).error).toMatchObject({
    code: 'interrupted',
    message: expect.stringContaining('the worker stops') as string,
  });
});
