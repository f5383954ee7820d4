import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Schedule } from '../../actors/schedule.js';
import { SimulatedJournal, type Fate } from '../support/simulated-journal.js';
import { HandClock, settle, startSimulatedManager } from '../support/simulated-manager.js';
import { contentOf, recovered } from '../support/table-content.js';

type Step = { do: 'turn'; ms: number } | { do: 'fate'; fate: Fate } | { do: 'settle' } | { do: 'crash'; awayMs: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('turn' as const), ms: fc.constantFrom(50, 400, 1000, 5000, 130_000) }) },
  { weight: 4, arbitrary: fc.constant({ do: 'settle' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fate' as const),
      fate: fc.constantFrom<Fate>('storage_full', 'stored_answer_lost', 'not_stored_answer_lost', 'stored_late_answer_lost'),
    }),
  },
  // The next manager may find a clock that was set back.
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), awayMs: fc.constantFrom(0, 3000, 200_000, -1000, -90_000) }) },
);

test('whatever is lost, and wherever it crashes: no time is run twice, and none is passed over untold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.scheduler(), fc.boolean(), async (steps, scheduler, carries) => {
      let free = true;
      const journal = new SimulatedJournal((label) => (free ? Promise.resolve() : scheduler.schedule(Promise.resolve(), label)));
      const made: string[] = [];
      const clock = new HandClock();
      const settings = { carryMinBytes: carries ? 3000 : 1_000_000 };
      let manager = startSimulatedManager(journal, clock, settings);
      await settle();
      clock.turn(1000);
      await settle();
      manager.ask('schedule_create', { name: 'often', cron: '*/5 * * * * *', overlap: 'allow', job: { type: 'probe' } });
      await settle();
      free = false;
      for (const one of steps) {
        if (one.do === 'fate') journal.fates.push(one.fate);
        else if (one.do === 'turn') clock.turn(one.ms);
        else if (one.do === 'settle') await scheduler.waitIdle();
        else {
          manager.actor.stop();
          clock.ms += one.awayMs;
          manager = startSimulatedManager(journal, clock, settings);
        }
        await settle();
      }
      free = true;
      journal.fates.length = 0;
      for (let rounds = 0; rounds < 400; rounds += 1) {
        await scheduler.waitIdle();
        // What befell its first record ended it, as it ends the process.
        if (typeof manager.failure === 'string') manager = startSimulatedManager(journal, clock, settings);
        clock.turn(300);
        await settle();
        if (rounds > 20 && manager.isServing() && scheduleIn(manager.table).nextAt! > new Date(clock.ms).toISOString()) break;
      }
      expect(manager.isServing()).toBe(true);
      expect(contentOf(recovered(journal))).toEqual(contentOf(manager.table));
      for (const { notes } of manager.table.entries.values()) made.push((JSON.parse(notes[0] as string) as { note: string }).note);
      expectEachTimeOnce(made);
      expect(made).toHaveLength(scheduleIn(manager.table).runs);
    }),
    { numRuns: 60 },
  );
});

const scheduleIn = (table: ReturnType<typeof startSimulatedManager>['table']): Schedule =>
  [...table.schedules.entries.values()][0]!.schedule;

/** From each run to the next it is one step of the expression, or the run says that it makes up for others. */
function expectEachTimeOnce(notes: readonly string[]): void {
  const runs = notes
    .map((note) => ({ dueMs: Date.parse(/due at (\S+Z)/.exec(note)![1]!), makesUp: note.includes('makes up') }))
    .sort((a, b) => a.dueMs - b.dueMs);
  runs.slice(1).forEach(({ dueMs, makesUp }, index) => {
    const sinceMs = dueMs - runs[index]!.dueMs;
    expect(sinceMs).toBeGreaterThan(0);
    if (!makesUp) expect(sinceMs).toBe(5000);
  });
}
