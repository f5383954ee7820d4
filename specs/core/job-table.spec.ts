import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Entry } from '../../actors/entry.js';
import { isFinished, type Job, type JobStatus } from '../../actors/job.js';
import { JobTable } from '../../actors/job-table.js';
import { sampleJob } from '../support/sample-job.js';
import { contentOf } from '../support/table-content.js';

const time = fc.constantFrom('2026-01-01T00:00:01.000Z', '2026-01-01T00:00:02.000Z');
const state = fc
  .record({
    status: fc.constantFrom<JobStatus>('queued', 'running', 'cancelled'),
    at: time,
    runAt: fc.option(time, { freq: 2 }),
    retryAt: fc.option(time, { freq: 2 }),
    priority: fc.constantFrom(0, 1),
    label: fc.constantFrom('x', 'y'),
  })
  .map(({ at, label, ...fields }): Partial<Job> => ({
    ...fields,
    finishedAt: isFinished(fields.status) ? at : null,
    labels: { disk: label },
  }));

/** What the limits count, besides the indexes. */
const all = (table: JobTable) => ({
  ...contentOf(table),
  ready: table.queue.promote('2026-01-01T00:00:03.000Z') && [...table.queue.ready('probe')],
  running: ['x', 'y'].map((value) => table.queue.runningWith('disk', value)),
});

test('a table that is read back is the one that was written, however many changes of a job one record holds as one', () => {
  fc.assert(
    fc.property(fc.array(fc.array(state, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }), (rounds) => {
      const [written, readBack] = [new JobTable(), new JobTable()];
      let [version, last] = [0, sampleJob()];
      rounds.forEach((states, index) => {
        let job = sampleJob();
        for (const fields of states) {
          job = sampleJob({ ...fields, version: ++version });
          written.put(new Entry({ job, notes: [] }), written.get(job.id));
        }
        const put = JSON.parse(JSON.stringify(job)) as Job;
        last = job;
        readBack.apply({ seq: index + 1, kind: 'commit', epoch: 1, commit: 'c', at: job.updatedAt, changes: [{ put }] });
      });
      const fresh = new JobTable();
      fresh.put(new Entry({ job: last, notes: [] }), undefined);
      const expected = all(fresh);
      expect(all(written)).toEqual(expected);
      expect(all(readBack)).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});
