import { BandwidthWatch } from '../../actors/bandwidth-watch.js';
import { JobTable } from '../../actors/job-table.js';
import { Draft } from '../../actors/draft.js';
import { execute } from '../../actors/execute.js';
import { ownOptionsSchema } from '../../actors/job.js';
import { Leases } from '../../actors/verbs/context.js';

/** Bytes that a job costs, in a table of `jobs` jobs that nobody has read. Needs `--expose-gc`. */
export function bytesPerJob(jobs: number): number {
  const collect = (globalThis as { gc?: () => void }).gc;
  if (!collect) throw new Error('run with --expose-gc');
  const table = new JobTable();
  collect();
  const before = process.memoryUsage().heapUsed;
  let lastId = 0;
  const bandwidthWatch = new BandwidthWatch(0);
  for (let done = 0; done < jobs; done += 1000) {
    const context = {
      draft: new Draft(table, done),
      leases: new Leases(),
      nowMs: done,
      nowIso: new Date(done).toISOString(),
      newId: () => String((lastId += 1)).padStart(26, '0'),
      random: Math.random,
      digest: (text: string) => text,
      nextTime: () => null,
      monotonicMs: 0,
      recordBytesMax: 4 * 1024 * 1024,
      leaseMs: 1000,
      roots: ['/'],
      limits: { maxRunning: 0, maxPerTarget: 0, labels: [] },
      sameHosts: new Map(),
      disks: new Map(),
      remotes: [],
      bandwidth: bandwidthWatch.now(null, 0),
      bandwidthWatch,
      hosts: [],
    };
    const view = { seq: () => 0, stats: () => ({}) };
    for (let index = 0; index < 1000; index += 1) {
      const body = {
        type: 'render',
        input: { frame: done + index },
        labels: {},
        options: ownOptionsSchema.parse({}),
        priority: 0,
        runAt: null,
        start: true,
      };
      execute({ verb: 'create', body }, context, view);
    }
    context.draft.settle(done);
  }
  collect();
  const used = process.memoryUsage().heapUsed - before;
  return table.entries.size === jobs ? used / jobs : NaN;
}
