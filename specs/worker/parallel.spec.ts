import { expect, it, vi } from 'vitest';
import { listTree, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

vi.setConfig({ testTimeout: 60_000 });

it('a job with parallel copies a tree of many files with several rsyncs', async () => {
  const bench = await WorkerBench.start();
  for (let file = 0; file < 600; file++) await writeOldFile(bench.at(`source/${file % 7}/${file}`), `content of ${file}`);
  await bench.startWorker();
  const job = await bench.create({ options: { parallel: 8, verify: 'checksum' } });
  const { progress, verification } = await bench.reaches(job.id, 'completed');
  expect(progress).toMatchObject({ filesTransferred: 600, percent: 100 });
  expect(verification).toMatchObject({ filesEqual: 600, mismatches: 0 });
  expect(bench.lines.text).toContain('Copying with 2 rsyncs at once');
  expect(new Set(bench.files.all.filter(({ outcome }) => outcome === 'transferred').map(({ path }) => path)).size).toBe(600);
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
});
