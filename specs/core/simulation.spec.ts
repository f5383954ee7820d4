import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Draft } from '../../actors/draft.js';
import type { Job } from '../../actors/job.js';
import { JobTable } from '../../actors/job-table.js';
import { OrderedSet } from '../../actors/ordered-set.js';
import type { Verb } from '../../actors/requests.js';
import { OVERLAPS } from '../../actors/schedule.js';
import { sampleJob } from '../support/sample-job.js';
import { sampleSchedule } from '../support/sample-schedule.js';
import { contentOf, recovered } from '../support/table-content.js';
import { SimulatedJournal, type Fate } from '../support/simulated-journal.js';
import { HandClock, settle, startSimulatedManager, type Answered } from '../support/simulated-manager.js';

type Step =
  { do: 'ask'; verb: Verb; job: number; key: number } | { do: 'turn'; ms: number } | { do: 'fate'; fate: Fate } | { do: 'settle' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      verb: fc.constantFrom<Verb>(
        'create',
        'update',
        'progress',
        'pause',
        'resume',
        'cancel',
        'retry',
        'delete',
        'claim',
        'list',
        'cleanup',
        'get',
        'schedule_create',
        'schedule_update',
        'schedule_run',
        'schedule_delete',
        'schedule_list',
      ),
      job: fc.nat(5),
      key: fc.nat(3),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const), ms: fc.constantFrom(10, 250, 1100, 6000, 11_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fate' as const),
      fate: fc.constantFrom<Fate>('storage_full', 'stored_answer_lost', 'not_stored_answer_lost', 'stored_late_answer_lost'),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'settle' as const }) },
);

function bodyOf(verb: Verb, id: string, key: number): object {
  switch (verb) {
    case 'create':
      return { type: 'probe', ...(key > 0 ? { idempotencyKey: `k${key}` } : {}), ...(key < 2 && id !== 'nobody' ? { after: [id] } : {}) };
    case 'claim':
      return { worker: 'w', types: ['probe'], waitMs: key * 100 };
    case 'progress':
      return { id, progress: { bytesTransferred: key } };
    case 'update':
      return { id, name: `n${key}` };
    case 'list':
    case 'schedule_list':
      return { limit: 10 };
    case 'schedule_create':
      return {
        name: 'every second',
        cron: '* * * * * *',
        overlap: OVERLAPS[key % 3],
        job: { type: 'probe' },
        ...(key > 0 ? { idempotencyKey: `s${key}` } : {}),
      };
    case 'schedule_update':
      return { id, enabled: key > 1, name: `n${key}` };
    case 'schedule_run':
      return { id, ...(key > 1 ? { idempotencyKey: `r${key}` } : {}) };
    case 'cleanup':
      return { keepLast: key };
    default:
      return { id };
  }
}

test('whatever is asked and whatever fails, what was answered is in the journal, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), fc.scheduler(), fc.boolean(), async (steps, scheduler, carries) => {
      let free = false;
      const journal = new SimulatedJournal((label) => (free ? Promise.resolve() : scheduler.schedule(Promise.resolve(), label)));
      const clock = new HandClock();
      free = true;
      const manager = startSimulatedManager(journal, clock, carries ? { carryMinBytes: 2000 } : {});
      await settle();
      clock.turn(1000);
      await settle();
      free = false;
      const asked: Answered[] = [];
      const ids: string[] = ['nobody'];
      const schedules: string[] = ['nobody'];
      for (const one of steps) {
        if (one.do === 'fate') journal.fates.push(one.fate);
        else if (one.do === 'turn') clock.turn(one.ms);
        else if (one.do === 'settle') await scheduler.waitIdle();
        else {
          const known = one.verb.startsWith('schedule_') ? schedules : ids;
          asked.push(manager.ask(one.verb, bodyOf(one.verb, known[one.job % known.length] as string, one.key)));
        }
        await settle();
        for (const { verb, answer } of asked) {
          if (verb === 'create' && answer?.id && !ids.includes(answer.id)) ids.push(answer.id);
          if (verb === 'schedule_create' && answer?.id && !schedules.includes(answer.id)) schedules.push(answer.id);
        }
      }
      free = true;
      for (let rounds = 0; rounds < 40; rounds += 1) {
        await scheduler.waitIdle();
        clock.turn(300);
        await settle();
      }
      expect(asked.map(({ times }) => times)).toEqual(asked.map(() => 1));
      expect(journal.appendsAtOnce).toBeLessThanOrEqual(1);
      expect(manager.isServing()).toBe(true);
      expect(contentOf(recovered(journal))).toEqual(contentOf(manager.table));
      await expectHistoryInOrder(asked, journal, carries);
      if (!carries) expectARunForEachJob(journal);
    }),
    { numRuns: 200 },
  );
});

/** An answered job is in the journal in that version, unless it was carried forward or deleted since. */
async function expectHistoryInOrder(asked: readonly Answered[], journal: SimulatedJournal, carries: boolean): Promise<void> {
  const stored = new Map<string, number[]>();
  for (const { kind, changes } of journal.records) {
    for (const change of changes) {
      if (kind === 'carried' || !('put' in change || 'patch' in change)) continue;
      const { id, version } = 'put' in change ? change.put : change.patch;
      stored.set(id, [...(stored.get(id) ?? []), version]);
    }
  }
  for (const versions of stored.values()) expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  if (carries) return Promise.resolve();
  for (const { verb, answer } of asked) {
    if (verb !== 'create' || !answer?.id) continue;
    expect(stored.get(answer.id)?.length ?? 0).toBeGreaterThan(0);
  }
}

/** Job and schedule stand in the same record: as many jobs as runs, whatever was lost on the way. */
function expectARunForEachJob(journal: SimulatedJournal): void {
  const runs = new Map<string, number>();
  const jobs = new Map<string, Set<string>>();
  const gone = new Set<string>();
  for (const change of journal.records.flatMap(({ changes }) => changes)) {
    if ('delSchedule' in change) gone.add(change.delSchedule);
    if ('schedule' in change) runs.set(change.schedule.id, change.schedule.runs);
    if (!('put' in change) || change.put.schedule === null) continue;
    jobs.set(change.put.schedule, (jobs.get(change.put.schedule) ?? new Set()).add(change.put.id));
  }
  for (const [id, made] of jobs) if (!gone.has(id)) expect(runs.get(id)).toBe(made.size);
}

test('a draft that is dropped leaves the table as it was, indexes and all', () => {
  const change = fc.record({
    job: fc.nat(6),
    status: fc.constantFrom<Job['status']>('queued', 'running', 'completed', 'failed'),
    gone: fc.boolean(),
    ofSchedules: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), fc.array(change, { maxLength: 20 }), fc.nat(20), (first, second, keep) => {
      const table = new JobTable();
      const make = (draft: Draft, changes: typeof first) => {
        for (const { job, status, gone, ofSchedules } of changes) {
          if (ofSchedules && gone) draft.schedules.delete(`s${job}`, 0);
          else if (ofSchedules) draft.schedules.put(sampleSchedule({ id: `s${job}`, name: status }), { key: [`k${job}`, 'digest'] });
          else if (gone) draft.delete(`j${job}`, 0);
          else draft.put(jobIn(`j${job}`, status), { verb: 'update' });
        }
      };
      make(new Draft(table, 1), first);
      const before = contentOf(table);
      const draft = new Draft(table, 2);
      make(draft, second.slice(0, keep));
      const middle = contentOf(table);
      const mark = draft.mark();
      make(draft, second.slice(keep));
      draft.rollbackTo(mark);
      expect(contentOf(table)).toEqual(middle);
      draft.rollbackTo(0);
      expect(contentOf(table)).toEqual(before);
    }),
  );
});

test('an ordered set is a sorted list without doubles', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(2000)), { maxLength: 3000 }), fc.nat(2000), (changes, place) => {
      const set = new OrderedSet();
      const plain = new Set<string>();
      const keyOf = (n: number) => String(n).padStart(6, '0');
      for (const [adds, n] of changes) {
        if (adds) {
          set.add(keyOf(n));
          plain.add(keyOf(n));
        } else {
          expect(set.delete(keyOf(n))).toBe(plain.delete(keyOf(n)));
        }
      }
      const sorted = [...plain].sort();
      const at = keyOf(place);
      expect(set.size).toBe(sorted.length);
      expect([...set.ascending()]).toEqual(sorted);
      expect([...set.descending()]).toEqual([...sorted].reverse());
      expect([...set.ascending(at)]).toEqual(sorted.filter((key) => key > at));
      expect([...set.descending(at)]).toEqual(sorted.filter((key) => key < at).reverse());
      expect(set.first()).toBe(sorted[0]);
    }),
  );
});

function jobIn(id: string, status: Job['status']): Job {
  const finishedAt = status === 'completed' || status === 'failed' ? '2026-01-01T00:00:00.000Z' : null;
  return sampleJob({ id, status, finishedAt, schedule: status === 'queued' ? 's1' : null });
}
