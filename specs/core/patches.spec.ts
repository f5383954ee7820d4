import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Draft } from '../../actors/draft.js';
import { NO_PROGRESS, type Job, type Progress } from '../../actors/job.js';
import { JobTable } from '../../actors/job-table.js';
import type { Change, JournalRecord } from '../../actors/journal.js';
import { LIMITS } from '../../actors/limits.js';
import { WholeJobs } from '../../src/nats/whole-jobs.js';
import { sampleJob } from '../support/sample-job.js';
import { SimulatedJournal } from '../support/simulated-journal.js';
import { settle, startSimulatedManager } from '../support/simulated-manager.js';
import { contentOf } from '../support/table-content.js';

type Step = { job: number; does: 'put' | 'progress' | 'phase' | 'delete'; bytes: number };
interface Round {
  /** Records of others before this one. */
  gap: number;
  steps: Step[];
  /** Decided, then dropped: the journal did not take it. */
  refused: boolean;
}

const step = fc.record({
  job: fc.nat(2),
  does: fc.constantFrom('put', 'progress', 'progress', 'progress', 'phase', 'delete'),
  bytes: fc.nat(3),
}) as fc.Arbitrary<Step>;
const round: fc.Arbitrary<Round> = fc.record({
  gap: fc.constantFrom(0, 0, 1, 200, LIMITS.patchReachRecords - 1, LIMITS.patchReachRecords),
  steps: fc.array(step, { minLength: 1, maxLength: 6 }),
  refused: fc.boolean(),
});

/** Makes the changes of a round as the verbs do. */
function change(draft: Draft, ids: string[], { job, does, bytes }: Step): void {
  const id = ids[job]!;
  const before = draft.table.get(id)?.job;
  if (does === 'delete') {
    draft.delete(id, 0);
    ids[job] = `${id}x`; // never used again
  } else if (!before) draft.put(sampleJob({ id }), { verb: 'create' });
  else if (does === 'put') draft.put({ ...before, name: `n${bytes}`, version: before.version + 1 }, { verb: 'update' });
  else {
    const phase = does === 'phase' ? (['counting', 'transferring', 'verifying'] as const)[bytes % 3]! : before.phase;
    const progress: Progress = { ...(phase === before.phase ? before.progress : NO_PROGRESS), bytesTransferred: bytes };
    draft.patch({ ...before, version: before.version + 1, phase, progress });
  }
}

/** The table after the rounds, and the records that they left. */
function written(rounds: readonly Round[]): { table: JobTable; records: JournalRecord[] } {
  const table = new JobTable();
  const records: JournalRecord[] = [];
  const ids = ['a', 'b', 'c'];
  let seq = 0;
  for (const { gap, steps, refused } of rounds) {
    seq += gap + 1;
    const draft = new Draft(table, seq);
    for (const one of steps) change(draft, ids, one);
    if (refused) {
      draft.rollbackTo(0);
      continue;
    }
    const lines = draft.lines();
    expect(draft.bytes).toBeGreaterThanOrEqual(Buffer.byteLength(lines.join('\n')));
    draft.settle(seq);
    const changes = lines.map((line) => JSON.parse(line) as Change);
    records.push({ seq, kind: 'commit', epoch: 1, commit: 'c', at: '', changes });
  }
  return { table, records };
}

describe('progress stands in the journal as a patch', () => {
  test('a start reads the same jobs from it, whatever came between and whatever was refused', () => {
    fc.assert(
      fc.property(fc.array(round, { maxLength: 12 }), (rounds) => {
        const { table, records } = written(rounds);
        const readBack = new JobTable();
        for (const record of records) readBack.apply(record);
        expect(contentOf(readBack)).toEqual(contentOf(table));
        expect(readBack.patchesAlone.size).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  test('a reader who begins so many records earlier has every job whole', () => {
    fc.assert(
      fc.property(fc.array(round, { maxLength: 12 }), fc.nat(3000), (rounds, since) => {
        const { records } = written(rounds);
        const whole = new WholeJobs();
        const jobs = new Map<string, Job>();
        const readBack = new JobTable();
        for (const record of records) {
          readBack.apply(record);
          if (record.seq <= since - LIMITS.patchReachRecords) continue;
          const completed = whole.complete(record);
          if (record.seq <= since) continue;
          expect(completed).not.toBeNull();
          for (const one of completed!.changes) if ('put' in one) jobs.set(one.put.id, one.put);
          for (const [id, job] of jobs) if (readBack.get(id)) expect(job).toEqual(readBack.get(id)!.job);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('one that is laid over another version is not taken', () => {
    const put = sampleJob({ id: 'a', version: 3 });
    const patch = { id: 'a', version: 5, updatedAt: put.updatedAt, progress: { bytesTransferred: 7 } };
    const records = [{ put }, { patch, over: 4 }].map((one, index): JournalRecord => ({
      seq: index + 1,
      kind: 'commit',
      epoch: 1,
      commit: 'c',
      at: '',
      changes: [one],
    }));
    const whole = new WholeJobs();
    expect(records.map((record) => whole.complete(record) !== null)).toEqual([true, false]);
    const table = new JobTable();
    for (const record of records) table.apply(record);
    expect(table.get('a')?.job).toEqual(put);
    expect([...table.patchesAlone]).toEqual([['a', 2]]);
  });

  test('a start that finds progress of a job that is nowhere refuses, and names the record', async () => {
    const journal = new SimulatedJournal();
    const patch = { id: 'lost', version: 2, updatedAt: '2026-01-01T00:00:00.000Z', progress: {} };
    await journal.append({ kind: 'commit', epoch: 1, commit: 'c', at: '', lines: [JSON.stringify({ patch, over: 1 })] }, 0);
    const manager = startSimulatedManager(journal);
    await settle();
    expect(manager.isServing()).toBe(false);
    expect(manager.failure).toMatch(/Record 1 .*job lost/);
  });

  test('what is purged takes no job with it: a patch before the carried job waits for that', () => {
    const put = sampleJob({ id: 'a', version: 2 });
    const patch = { id: 'a', version: 2, updatedAt: put.updatedAt, progress: {} };
    const table = new JobTable();
    table.apply({ seq: 8, kind: 'commit', epoch: 1, commit: 'c', at: '', changes: [{ patch, over: 1 }] });
    table.apply({ seq: 9, kind: 'carried', epoch: 1, commit: 'd', at: '', changes: [{ put }] });
    expect(table.get('a')?.job).toEqual(put);
    expect(table.patchesAlone.size).toBe(0);
  });
});
