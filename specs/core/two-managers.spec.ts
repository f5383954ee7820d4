import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { Verb } from '../../actors/requests.js';
import { SimulatedJournal, type Fate } from '../support/simulated-journal.js';
import { HandClock, settle, startSimulatedManager, type Answered } from '../support/simulated-manager.js';
import { contentOf, recovered } from '../support/table-content.js';

const ASK_TIMEOUT_MS = 3000;
const TURN_MAX_MS = 1100;

type Step =
  | { do: 'ask'; verb: Verb; job: number; manager: number }
  | { do: 'turn'; ms: number }
  | { do: 'fate'; fate: Fate }
  | { do: 'doubt'; manager: number }
  | { do: 'start' }
  | { do: 'settle' };

const verb = fc.constantFrom<Verb>(
  'create',
  'create',
  'update',
  'update',
  'pause',
  'resume',
  'retry',
  'cancel',
  'delete',
  'claim',
  'list',
  'get',
);
const fate = fc.constantFrom<Fate>('storage_full', 'stored_answer_lost', 'not_stored_answer_lost', 'stored_late_answer_lost');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('ask' as const), verb, job: fc.nat(4), manager: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const), ms: fc.constantFrom(10, 250, TURN_MAX_MS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fate' as const), fate }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('doubt' as const), manager: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'start' as const }) },
  { weight: 3, arbitrary: fc.constant({ do: 'settle' as const }) },
);

/** Managers on one journal, and everybody who asks them. */
class World {
  readonly journal: SimulatedJournal;
  readonly clock = new HandClock();
  readonly managers: ReturnType<typeof startSimulatedManager>[] = [];
  readonly asked: { answered: Answered; mark: string; sentAtMs: number; endedAtMs: number }[] = [];
  readonly ids = ['nobody'];
  readonly failures: string[] = [];
  readonly #settings: { carryMinBytes: number; leaseMs: number };
  /** Of each job the newest version that was acknowledged; `Infinity` when it was deleted. */
  readonly #acknowledged = new Map<string, number>();

  constructor(journal: SimulatedJournal, carries: boolean) {
    this.journal = journal;
    this.#settings = { carryMinBytes: carries ? 3000 : 1_000_000, leaseMs: 2000 };
  }

  start(): void {
    if (this.managers.length < 3) this.managers.push(startSimulatedManager(this.journal, this.clock, this.#settings));
  }

  ask(asks: Verb, job: number, to: number): void {
    const manager = this.managers[to % this.managers.length];
    if (!manager) return;
    const id = this.ids[job % this.ids.length] as string;
    const mark = `ask ${this.asked.length}`;
    const known = new Map(this.#acknowledged);
    const one = { mark, sentAtMs: this.clock.ms, endedAtMs: 0 };
    const answered = manager.ask(asks, bodyOf(asks, id, mark), ASK_TIMEOUT_MS, (ended) => {
      one.endedAtMs = this.clock.ms;
      this.#check(ended, id, known);
    });
    this.asked.push(Object.assign(one, { answered }));
  }

  /** In the moment of the answer: what it shows is stored, and it knows no less than what was acknowledged when it was sent. */
  #check({ verb: asks, answer, error }: Answered, id: string, known: ReadonlyMap<string, number>): void {
    const isRead = asks === 'get' || asks === 'list';
    const shown = (answer?.['jobs'] ?? (answer?.['job'] ? [answer['job']] : answer?.['id'] ? [answer] : [])) as Job[];
    for (const job of shown) {
      if (!this.#isStored(job)) this.failures.push(`${asks} showed ${job.id} in version ${job.version}, which is not stored`);
      if (job.version < (known.get(job.id) ?? 0)) this.failures.push(`${asks} showed ${job.id} in an old version ${job.version}`);
      if (!isRead) this.#acknowledged.set(job.id, Math.max(this.#acknowledged.get(job.id) ?? 0, job.version));
      if (!this.ids.includes(job.id)) this.ids.push(job.id);
    }
    if (asks === 'delete' && answer) this.#acknowledged.set(id, Infinity);
    if (asks === 'list' && answer) {
      const missing = [...known].filter(([each, version]) => version !== Infinity && !shown.some((job) => job.id === each));
      for (const [each] of missing)
        if (this.#acknowledged.get(each) !== Infinity && this.#lives(each)) this.failures.push(`list did not show ${each}`);
    }
    if (error?.code === 'job_not_found' && known.has(id) && this.#lives(id)) this.failures.push(`${asks} did not know ${id}`);
  }

  /** In this version, or in a later one that was decided in the same round and shares its record. */
  #isStored(job: Job): boolean {
    const versions = storedVersions(this.journal, job.id);
    const same = versions.get(job.version);
    return same === undefined ? Math.max(...versions.keys()) > job.version : same === JSON.stringify(job);
  }

  #lives(id: string): boolean {
    return recovered(this.journal).get(id) !== undefined;
  }
}

/** What the journal has of a job, by version; its deletion stands at the end. */
function storedVersions({ records }: SimulatedJournal, id: string): Map<number, string> {
  const versions = new Map<number, string>();
  for (const change of records.flatMap(({ changes }) => changes)) {
    if ('put' in change && change.put.id === id) versions.set(change.put.version, JSON.stringify(change.put));
    if ('del' in change && change.del === id) versions.set(Infinity, '');
  }
  return versions;
}

function bodyOf(asks: Verb, id: string, mark: string): object {
  if (asks === 'create') return { type: 'probe', name: mark };
  if (asks === 'update') return { id, name: mark };
  if (asks === 'claim') return { worker: 'w', types: ['probe'] };
  return asks === 'list' ? {} : { id };
}

test('however managers take over from one another and whatever fails, the world is told nothing untrue', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), fc.scheduler(), fc.boolean(), async (steps, scheduler, carries) => {
      let free = true;
      const journal = new SimulatedJournal((label) => (free ? Promise.resolve() : scheduler.schedule(Promise.resolve(), label)));
      const world = new World(journal, carries);
      world.start();
      await settle();
      free = false;
      for (const one of steps) {
        if (one.do === 'fate') journal.fates.push(one.fate);
        else if (one.do === 'turn') world.clock.turn(one.ms);
        else if (one.do === 'start') world.start();
        else if (one.do === 'doubt') world.managers[one.manager]?.actor.send({ type: 'doubt' });
        else if (one.do === 'settle') await scheduler.waitIdle();
        else world.ask(one.verb, one.job, one.manager);
        await settle();
      }
      free = true;
      for (let rounds = 0; rounds < 20; rounds += 1) {
        await scheduler.waitIdle();
        world.clock.turn(300);
        await settle();
      }
      expect(world.failures).toEqual([]);
      expectAnsweredOnceInTime(world);
      if (!carries) expectStoredAsSaid(world);
      const serving = world.managers.filter((manager) => manager.isServing());
      for (const { lead, table } of serving.map((manager) => manager.actor.getSnapshot().context.state)) {
        if (lead.seq === journal.lastSeq) expect(contentOf(recovered(journal))).toEqual(contentOf(table));
      }
    }),
    { numRuns: 300 },
  );
});

function expectAnsweredOnceInTime({ asked }: World): void {
  for (const { answered, sentAtMs, endedAtMs } of asked) {
    expect(answered.times).toBe(1);
    expect(endedAtMs - sentAtMs).toBeLessThanOrEqual(ASK_TIMEOUT_MS + TURN_MAX_MS);
  }
}

/** What was answered is in the journal, what was refused as not executed is not, and no job goes back. */
function expectStoredAsSaid({ asked, journal }: World): void {
  const stored = journal.records.flatMap(({ changes }) => changes.flatMap((change) => ('put' in change ? [change.put] : [])));
  for (const { answered, mark } of asked) {
    if (answered.verb !== 'create' && answered.verb !== 'update') continue;
    const { answer, error } = answered;
    if (answer) expect(Math.max(...storedVersions(journal, String(answer.id)).keys())).toBeGreaterThanOrEqual(answer.version ?? 0);
    if (error?.executed === 'no') expect(stored.map(({ name }) => name)).not.toContain(mark);
  }
  const versions = new Map<string, number>();
  for (const { id, version } of stored) {
    const before = versions.get(id) ?? 0;
    expect(version).toBeGreaterThan(before);
    versions.set(id, version);
  }
}

test('an acknowledgement that came late proves the lead only from when the append was sent', async () => {
  let acknowledge: () => void = () => undefined;
  let held = false;
  const journal = new SimulatedJournal((label) =>
    held && label === 'ack' ? new Promise<void>((resolve) => (acknowledge = resolve)) : Promise.resolve(),
  );
  const clock = new HandClock();
  const first = startSimulatedManager(journal, clock);
  await settle();
  held = true;
  const made = first.ask('create', { type: 'probe' });
  await settle();
  held = false;
  const second = startSimulatedManager(journal, clock);
  await settle();
  clock.turn(900);
  acknowledge();
  await settle();
  expect(made.answer).toMatchObject({ version: 1 });
  clock.turn(100);
  await settle();
  const changed = second.ask('update', { id: made.answer?.id, name: 'changed' });
  await settle();
  expect(changed.answer).toMatchObject({ version: 2 });
  clock.turn(1);
  const stale = first.ask('get', { id: made.answer?.id });
  await settle();
  expect(stale.answer).toBeUndefined();
});
