import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import { SimulatedJournal } from '../support/simulated-journal.js';
import { HandClock, settle, startSimulatedManager } from '../support/simulated-manager.js';

async function serving(journal = new SimulatedJournal(), clock = new HandClock()) {
  const manager = startSimulatedManager(journal, clock);
  await settle();
  clock.turn(1000);
  await settle();
  expect(manager.isServing()).toBe(true);
  return { manager, journal, clock };
}

/** A journal whose appends wait until they are let through. */
function gated() {
  let open: () => void = () => undefined;
  let held = false;
  const journal = new SimulatedJournal((label) => {
    if (!held || label !== 'append') return Promise.resolve();
    return new Promise<void>((resolve) => (open = resolve));
  });
  const release = () => {
    held = false;
    open();
  };
  return { journal, hold: () => (held = true), release };
}

describe('a change', () => {
  test('is not answered before the journal has it', async () => {
    const { journal, hold, release } = gated();
    const { manager } = await serving(journal);
    hold();
    const create = manager.ask('create', { type: 'probe' });
    await settle();
    expect(create.times).toBe(0);
    release();
    await settle();
    expect(create.answer).toMatchObject({ status: 'queued' });
    expect(journal.records.at(-1)?.changes).toMatchObject([{ put: { id: create.answer?.id } }]);
  });

  test('is not seen by a reader before the journal has it', async () => {
    const { journal, hold, release } = gated();
    const { manager } = await serving(journal);
    hold();
    manager.ask('create', { type: 'probe' });
    await settle();
    const list = manager.ask('list', {});
    await settle();
    expect(list.times).toBe(0);
    release();
    await settle();
    expect(list.answer).toMatchObject({ total: 1, seq: journal.lastSeq });
  });

  test('is one of many in one record: whoever waited shares the append', async () => {
    const { manager, journal } = await serving();
    const before = journal.lastSeq;
    const creates = Array.from({ length: 100 }, () => manager.ask('create', { type: 'probe' }));
    await settle();
    expect(creates.every(({ answer }) => answer)).toBe(true);
    expect(journal.lastSeq - before).toBeLessThanOrEqual(2);
    expect(journal.appendsAtOnce).toBe(1);
  });

  test('that the journal refuses is undone, and the next one works', async () => {
    const { manager, journal } = await serving();
    const kept = manager.ask('create', { type: 'probe', name: 'kept' });
    await settle();
    journal.fates.push('storage_full');
    const update = manager.ask('update', { id: kept.answer?.id, name: 'lost' });
    const create = manager.ask('create', { type: 'probe' });
    await settle();
    expect([update.error?.code, create.error?.code]).toEqual(['storage_failed', 'storage_failed']);
    const list = manager.ask('list', {});
    await settle();
    expect(list.answer).toMatchObject({ total: 1, jobs: [{ name: 'kept', version: 1 }] });
  });

  test.each(['stored_answer_lost', 'not_stored_answer_lost'] as const)('%s: is read back, and stored once', async (fate) => {
    const { manager, journal, clock } = await serving();
    const before = journal.lastSeq;
    journal.fates.push(fate);
    const create = manager.ask('create', { type: 'probe' });
    await settle();
    clock.turn(300);
    await settle();
    expect(create.answer).toMatchObject({ status: 'queued' });
    expect(journal.lastSeq).toBe(before + 1);
  });

  test('that would not fit one record is refused, and those beside it are not', async () => {
    const { manager } = await serving();
    const big = { jobs: Array.from({ length: 100 }, () => ({ type: 'probe', input: 'x'.repeat(20_000) })) };
    const many = manager.ask('create_many', big);
    const one = manager.ask('create', { type: 'probe' });
    await settle();
    expect(many.error?.code).toBe('payload_too_large');
    expect(one.answer).toMatchObject({ status: 'queued' });
  });
});

describe('a held-up manager', () => {
  test('answers ask_timeout to what waits, which is then seen not to have run', async () => {
    const { journal, hold, release } = gated();
    const { manager, clock } = await serving(journal);
    hold();
    const first = manager.ask('create', { type: 'probe', name: 'in the append' });
    await settle();
    const waiting = manager.ask('create', { type: 'probe', name: 'waits' });
    clock.turn(5001);
    await settle();
    expect(first.error?.code).toBe('outcome_unknown');
    expect(waiting.error?.code).toBe('ask_timeout');
    release();
    await settle();
    const list = manager.ask('list', {});
    await settle();
    expect(list.answer).toMatchObject({ jobs: [{ name: 'in the append' }] });
    expect([first.times, waiting.times]).toEqual([1, 1]);
  });

  test('does not execute what waited past its time, though no tick came in between', async () => {
    const { journal, hold, release } = gated();
    const { manager, clock } = await serving(journal);
    hold();
    manager.ask('create', { type: 'probe' });
    await settle();
    const waiting = manager.ask('create', { type: 'probe' });
    clock.ms += 5001;
    release();
    await settle();
    expect(waiting.error?.code).toBe('ask_timeout');
    expect(manager.table.entries.size).toBe(1);
  });

  test('refuses what its mailbox does not take, at once', async () => {
    const { journal, hold } = gated();
    const { manager } = await serving(journal);
    hold();
    manager.ask('create', { type: 'probe' });
    await settle();
    for (let n = 0; n < LIMITS.mailboxMessages; n += 1) manager.ask('stats', {});
    expect(manager.ask('stats', {}).error?.code).toBe('overloaded');
  });
});

describe('a deposed manager', () => {
  test('stores nothing, answers nothing, and says why it ends', async () => {
    const { manager, journal } = await serving();
    journal.appendAsStranger();
    const create = manager.ask('create', { type: 'probe' });
    await settle();
    expect(create.answer).toBeUndefined();
    expect(manager.failure).toMatch(/another job manager/);
    expect(manager.ask('list', {}).error?.code).toBe('unavailable');
    expect(journal.records.at(-1)?.commit).toBe('stranger');
  });

  test('answers no stale read once its lead is no longer proved', async () => {
    const { manager, journal, clock } = await serving();
    manager.ask('create', { type: 'probe' });
    await settle();
    journal.appendAsStranger();
    clock.turn(1001);
    const list = manager.ask('list', {});
    await settle();
    expect(list.answer).toBeUndefined();
    expect(manager.failure).toMatch(/another job manager/);
  });

  test.each([
    ['was made anew', (journal: SimulatedJournal) => (journal.createdAt = 'now')],
    ['went backwards', (journal: SimulatedJournal) => journal.records.pop()],
  ])('a journal that %s is not trusted', async (_what, harm) => {
    const { manager, journal, clock } = await serving();
    manager.ask('create', { type: 'probe' });
    await settle();
    harm(journal);
    clock.turn(1001);
    const read = manager.ask('list', {});
    await settle();
    expect(read.error?.code).toMatch(/unavailable|outcome_unknown/);
    expect(manager.failure).toMatch(/made anew/);
  });
});

describe('a manager that starts', () => {
  test('waits out the lead of one that did not close its epoch, and not of one that did', async () => {
    const { manager, journal, clock } = await serving();
    manager.actor.stop();
    const next = startSimulatedManager(journal, clock);
    await settle();
    expect(next.isServing()).toBe(false);
    clock.turn(1000);
    await settle();
    expect(next.isServing()).toBe(true);
    next.actor.send({ type: 'drain' });
    await settle();
    expect(journal.records.at(-1)?.kind).toBe('closed');
    const last = startSimulatedManager(journal, clock);
    await settle();
    expect(last.isServing()).toBe(true);
  });

  test('drains: what waits is answered, what comes later is refused', async () => {
    const { manager } = await serving();
    const create = manager.ask('create', { type: 'probe' });
    manager.actor.send({ type: 'drain' });
    const late = manager.ask('create', { type: 'probe' });
    await settle();
    expect(create.answer).toMatchObject({ status: 'queued' });
    expect(late.error?.code).toBe('unavailable');
    expect(manager.failure).toBeNull();
  });

  test('does not let a clock that is set back turn times or ids around', async () => {
    const { manager, clock } = await serving();
    const first = manager.ask('create', { type: 'probe' });
    await settle();
    clock.nowMs = () => 5;
    const second = manager.ask('update', { id: first.answer?.id, name: 'later' });
    await settle();
    expect(String(second.answer?.['updatedAt']) >= String(first.answer?.['createdAt'])).toBe(true);
  });
});

test('the journal stays short however often jobs change, and a start from it knows all', async () => {
  const journal = new SimulatedJournal();
  const clock = new HandClock();
  const manager = startSimulatedManager(journal, clock, { carryMinBytes: 20_000 });
  await settle();
  clock.turn(1000);
  await settle();
  const still = manager.ask('create', { type: 'probe', name: 'still', idempotencyKey: 'still' });
  const busy = manager.ask('create', { type: 'probe', name: 'busy' });
  await settle();
  for (let n = 0; n < 2000; n += 1) {
    manager.ask('progress', { id: busy.answer?.id, progress: { bytesTransferred: n } });
    await settle();
  }
  expect(journal.records.length).toBeLessThan(400);
  const next = startSimulatedManager(journal, clock);
  await settle();
  clock.turn(1000);
  const [job, history, again] = [
    next.ask('get', { id: busy.answer?.id }),
    next.ask('history', { id: still.answer?.id }),
    next.ask('create', { type: 'probe', name: 'still', idempotencyKey: 'still' }),
  ];
  await settle();
  expect(job.answer).toMatchObject({ version: 2001, progress: { bytesTransferred: 1999 } });
  expect(history.answer).toMatchObject({ history: [{ verb: 'create' }], truncated: false });
  expect(again.answer?.id).toBe(still.answer?.id);
});
