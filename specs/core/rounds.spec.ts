import { describe, expect, test } from 'vitest';
import { SimulatedJournal } from '../support/simulated-journal.js';
import { HandClock, settle, startSimulatedManager } from '../support/simulated-manager.js';

type Manager = ReturnType<typeof startSimulatedManager>;

async function serving(settings: Parameters<typeof startSimulatedManager>[2] = {}, journal = new SimulatedJournal()) {
  const manager = startSimulatedManager(journal, new HandClock(), settings);
  await settle();
  manager.clock.turn(1000);
  await settle();
  return { manager, journal, clock: manager.clock };
}

/** `count` jobs that run, of a type of their own. */
async function running(manager: Manager, count: number): Promise<void> {
  manager.ask('create_many', { jobs: Array.from({ length: count }, () => ({ type: 'probe' })) });
  for (let n = 0; n < count; n += 1) manager.ask('claim', { worker: 'w', types: ['probe'] });
  await settle();
  expect(manager.table.byStatus.running.size).toBe(count);
}

const sizesOf = ({ records }: SimulatedJournal) => records.map(({ changes }) => JSON.stringify(changes).length);

describe('an idempotency key', () => {
  test('whose job was made and deleted in the round before it makes no second job', async () => {
    const { manager, journal } = await serving();
    const body = { type: 'probe', idempotencyKey: 'k' };
    const first = manager.ask('create', { ...body, start: false });
    await settle();
    const gone = manager.ask('delete', { id: first.answer?.id });
    const again = manager.ask('create', { ...body, start: false });
    await settle();
    expect(gone.answer).toBeDefined();
    expect(again.error?.code).toBe('job_not_found');
    const later = manager.ask('create', { ...body, start: false });
    await settle();
    expect(later.error?.code).toBe('job_not_found');
    expect(journal.records.flatMap(({ changes }) => changes).filter((change) => 'put' in change)).toHaveLength(1);
  });

  test('whose job a refused round would have deleted still stands for it', async () => {
    const { manager, journal } = await serving();
    const body = { type: 'probe', idempotencyKey: 'k' };
    const first = manager.ask('create', body);
    await settle();
    journal.fates.push('storage_full');
    const gone = manager.ask('delete', { id: first.answer?.id });
    await settle();
    expect(gone.error?.code).toBe('storage_failed');
    const again = manager.ask('create', body);
    await settle();
    expect(again.answer?.id).toBe(first.answer?.id);
  });
});

describe('one record', () => {
  const recordBytesMax = 40_000;

  test('does not grow past its limit when many leases pass at once: they end round by round', async () => {
    const { manager, journal, clock } = await serving({ recordBytesMax: 1_000_000 });
    await running(manager, 300);
    const next = startSimulatedManager(journal, clock, { recordBytesMax });
    await settle();
    clock.turn(1000);
    await settle();
    clock.turn(10_001);
    for (let rounds = 0; rounds < 30; rounds += 1) await settle();
    expect(next.table.byStatus.running.size).toBe(0);
    const expiring = sizesOf(journal).slice(-5);
    expect(Math.max(...expiring)).toBeLessThan(recordBytesMax);
  });

  test('is not outgrown by a cleanup, which says how much remains', async () => {
    const { manager } = await serving({ recordBytesMax });
    for (let n = 0; n < 600; n += 1) {
      const { answer } = manager.ask('create', { type: 'probe', start: false, idempotencyKey: `key ${n}` });
      if (n % 20 === 0) await settle();
      expect(answer).toBeUndefined();
    }
    await settle();
    for (const id of [...manager.table.entries.keys()]) manager.ask('cancel', { id });
    for (let rounds = 0; rounds < 30; rounds += 1) await settle();
    const first = manager.ask('cleanup', {});
    await settle();
    expect(first.answer?.['deleted']).toBeGreaterThan(50);
    expect(first.answer?.['deleted']).toBe(600 - Number(first.answer?.['remaining']));
    expect(manager.table.entries.size).toBe(first.answer?.['remaining']);
  });

  test('of what is carried forward does not outgrow it either', async () => {
    const { manager, journal } = await serving({ recordBytesMax, carryMinBytes: 10_000 });
    const ids: string[] = [];
    for (let n = 0; n < 60; n += 1) {
      const made = manager.ask('create', { type: 'probe', input: 'é'.repeat(500), idempotencyKey: `${'\u0001'.repeat(190)}${n}` });
      await settle();
      ids.push(String(made.answer?.id));
    }
    for (let n = 0; n < 2000; n += 1) {
      manager.ask('progress', { id: ids[n % 5], progress: { bytesTransferred: n } });
      await settle();
    }
    const carried = journal.records.filter(({ kind }) => kind === 'carried');
    expect(carried.length).toBeGreaterThan(1);
    for (const { changes } of carried) expect(Buffer.byteLength(JSON.stringify(changes))).toBeLessThan(recordBytesMax);
  });
});

test('while much is carried forward, whoever asks is served between its records', async () => {
  const { manager, journal, clock } = await serving({ recordBytesMax: 8000 });
  for (let n = 0; n < 25; n += 1) {
    manager.ask('create_many', { jobs: Array.from({ length: 4 }, () => ({ type: 'probe' })) });
    await settle();
  }
  manager.actor.stop();
  for (let n = 0; n < 6000; n += 1) journal.appendAsStranger();
  const { lastSeq } = journal;
  const next = startSimulatedManager(journal, clock, { recordBytesMax: 8000, carryMinBytes: 1 });
  await settle();
  const [id] = next.table.entries.keys();
  const asked = [1, 2, 3].map((percent) => next.ask('progress', { id, progress: { percent } }));
  clock.turn(1000);
  for (let rounds = 0; rounds < 20; rounds += 1) await settle();
  expect(asked.map(({ answer }) => answer?.version)).toEqual([2, 3, 4]);
  const kinds = journal.records.filter(({ seq }) => seq > lastSeq).map(({ kind }) => kind);
  expect(kinds.slice(0, 4)).toEqual(['epoch', 'carried', 'commit', 'carried']);
  expect(kinds.filter((kind) => kind === 'carried').length).toBeGreaterThan(10);
});

test('a history that is too long to keep stays marked as cut, through carry forward and a start', async () => {
  const { manager, journal, clock } = await serving({ carryMinBytes: 1 });
  const [still, busy] = [manager.ask('create', { type: 'probe' }), manager.ask('create', { type: 'probe' })];
  await settle();
  const update = async (id: unknown, times: number) => {
    for (let n = 0; n < times; n += 1) {
      manager.ask('update', { id, name: `n${n}` });
      await settle();
    }
  };
  await update(still.answer?.id, 150);
  await update(busy.answer?.id, 400);
  const before = manager.ask('history', { id: still.answer?.id });
  await settle();
  expect(before.answer).toMatchObject({ truncated: true });
  expect(journal.records[0]?.seq).toBeGreaterThan(200);
  const next = startSimulatedManager(journal, clock);
  await settle();
  clock.turn(1000);
  const after = next.ask('history', { id: still.answer?.id });
  await settle();
  expect(after.answer).toEqual(before.answer);
});

describe('a wall clock that is set', () => {
  test.each([-3_600_000, 3_600_000])('by %i ms neither lengthens nor ends a lease', async (jumpMs) => {
    const { manager, clock } = await serving();
    await running(manager, 1);
    clock.nowMs = () => clock.ms + jumpMs;
    clock.turn(9000);
    await settle();
    expect(manager.table.byStatus.running.size).toBe(1);
    clock.turn(1001);
    await settle();
    expect(manager.table.byStatus.queued.size).toBe(1);
  });
});

test('a cleanup of what is older than the world deletes nothing, and is no defect', async () => {
  const { manager } = await serving();
  const cleanup = manager.ask('cleanup', { olderThanSeconds: 1e300 });
  await settle();
  expect(cleanup.answer).toMatchObject({ deleted: 0, remaining: 0 });
});

test('a record that was sent once without an answer is not said to be refused: a late copy may still get in', async () => {
  const { manager, journal, clock } = await serving();
  journal.fates.push('not_stored_answer_lost', 'storage_full');
  const create = manager.ask('create', { type: 'probe' });
  await settle();
  clock.turn(200);
  await settle();
  expect(create.error).toMatchObject({ code: 'outcome_unknown', executed: 'unknown' });
});
