import { chmod, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool } from '../../src/tools.js';
import { noise, listTree, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

const RSYNC = findTool('rsync')?.path ?? 'rsync';

/** An rsync whose first real copy hangs without a byte; every other run is the real one. */
async function hangingOnce(bench: WorkerBench) {
  const script = bench.at('rsync');
  const mark = bench.at('hung');
  await writeFile(
    script,
    `#!/bin/sh\ncase "$*" in *progress2*) if [ ! -e '${mark}' ]; then : > '${mark}'; exec sleep 600; fi;; esac\nexec ${RSYNC} "$@"\n`,
  );
  await chmod(script, 0o755);
  return createRsyncEngine({ markers: bench.markers, findRsync: () => ({ path: script, env: {} }) });
}

it('An attempt that moves no byte is warned of, ended and tried again', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/file'), 'content');
  await bench.startWorker(await hangingOnce(bench));
  const { id } = await bench.create({ options: { stallTimeoutSeconds: 1 } });
  const job = await bench.reaches(id, 'completed');
  expect(job.attempt).toBe(2);
  expect(bench.lines.text).toMatch(/Nothing has moved for \d+ s/);
  expect(bench.lines.text).toContain('Failed (stalled)');
  expect(await listTree(bench.at('copy'))).toEqual(await listTree(bench.at('source')));
});

it('A slow copy is not taken for a stalled one', async () => {
  const bench = await WorkerBench.start();
  await writeOldFile(bench.at('source/file'), noise(200_000));
  await bench.startWorker();
  const { id } = await bench.create({ options: { stallTimeoutSeconds: 2, bandwidthLimit: 30_000 } });
  expect(await bench.reaches(id, 'completed', 30_000)).toMatchObject({ attempt: 1 });
  expect(bench.lines.text).not.toContain('Failed');
});
