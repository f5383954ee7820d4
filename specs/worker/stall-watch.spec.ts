import { chmod, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { execFile } from 'node:child_process';
import { EngineStopped } from '../../src/engines/engine.js';
import { markerEnv } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool } from '../../src/tools.js';
import { noise, listTree, writeOldFile } from '../engines/trees.js';
import { activityHere, cpuMs, timeByPs, type Activity } from '../../src/worker/activity.js';
import { withStallWatch } from '../../src/worker/stall-watch.js';
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

describe('Where the system tells no bytes', () => {
  /** Runs a program as a child of an attempt until it ends or is ended, and tells how. */
  async function run(attempt: number, script: string, limitMs: number, activity: Activity | null, progress?: () => void) {
    const said: string[] = [];
    const task = { jobId: 'a-job', attempt };
    const limits = { attempt: `a-job/${attempt}`, limitMs, activity, warn: (text: string) => said.push(text) };
    const outer = { signal: new AbortController().signal, onProgress: () => progress?.() };
    const ended = withStallWatch(
      limits,
      outer,
      ({ signal, onProgress }) =>
        new Promise<string>((resolve, reject) => {
          const env = { ...markerEnv({ owner: 'stalls', worker: 'stalls' }, task), PATH: '/usr/bin:/bin' };
          const child = execFile('/bin/sh', ['-c', script], { env, signal }, (error) => {
            if (signal.aborted) reject(new EngineStopped());
            else resolve(error ? error.message : 'done');
          });
          let bytes = 0;
          child.stdout?.on('data', () => onProgress({ bytesTransferred: (bytes += 1) }));
        }),
    );
    return { said, ended: await ended.catch((error: unknown) => (error as Error).message) };
  }

  /** Processes that use this part of a processor. */
  const using = (part: number): Activity => ({ unit: 'cpuMs', read: () => Promise.resolve(performance.now() * part) });

  it('a process that does nothing and tells nothing is stuck, however often it wakes up to wait on', async () => {
    for (const [attempt, activity] of [timeByPs, using(0.002)].entries()) {
      const { ended, said } = await run(attempt, 'exec sleep 600', 1000, activity);
      expect(ended).toMatch(/No process of this attempt did anything for 1 s/);
      expect(said).toHaveLength(1);
    }
  });

  it('one that works in silence is not, and neither is one that is idle and tells progress', async () => {
    expect(await run(2, 'sleep 2', 1000, using(0.5))).toMatchObject({ ended: 'done', said: [] });
    expect(await run(3, 'for i in 1 2 3 4 5 6 7 8; do echo; sleep 0.5; done', 3000, using(0))).toMatchObject({ ended: 'done' });
    expect(await timeByPs.read([process.pid])).toBeGreaterThan(0);
  });

  it('and where nothing tells anything, nothing is ended, and there is no way here', async () => {
    const blind: Activity = { unit: 'bytes', read: () => Promise.resolve(null) };
    expect(await activityHere([blind])).toBeNull();
    expect(await activityHere([blind, timeByPs])).toBe(timeByPs);
    expect(await run(4, 'sleep 0.5', 100, null)).toMatchObject({ ended: 'done', said: [] });
    expect(await run(5, 'sleep 0.5', 100, blind)).toMatchObject({ ended: 'done' });
  });

  it.each([
    ['00:00:07', 7000],
    ['  1:02.50', 62_500],
    ['2-03:04:05', 183_845_000],
    ['', 0],
  ])('ps says %j', (text, ms) => {
    expect(cpuMs(text)).toBe(ms);
  });
});
