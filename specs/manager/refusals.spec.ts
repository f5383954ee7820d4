import { expect, test } from 'vitest';
import { SimulatedJournal } from '../support/simulated-journal.js';
import { HandClock, settle, startSimulatedManager, type Answered } from '../support/simulated-manager.js';

/** A manager that serves, with a journal whose appends can be held. */
async function serving(settings: Parameters<typeof startSimulatedManager>[2] = {}) {
  let open: () => void = () => undefined;
  let held = false;
  const journal = new SimulatedJournal((label) =>
    held && label === 'append' ? new Promise<void>((resolve) => (open = resolve)) : Promise.resolve(),
  );
  const manager = startSimulatedManager(journal, new HandClock(), settings);
  await settle();
  manager.clock.turn(1000);
  await settle();
  const answer = async (asked: Answered) => {
    await settle();
    if (asked.error) throw asked.error;
    return asked.answer as { id: string } & Record<string, unknown>;
  };
  const running = async () => {
    const { id } = await answer(manager.ask('create', { type: 'probe' }));
    await answer(manager.ask('claim', { worker: 'w', types: ['probe'] }));
    return id;
  };
  const hold = () => {
    held = true;
  };
  const release = () => {
    held = false;
    open();
  };
  return { manager, journal, answer, running, hold, release };
}

test.each([
  ['complete', {}, 'completed'],
  ['fail', { error: { code: 'broken', message: 'it broke' } }, 'failed'],
  ['release', {}, 'queued'],
] as const)('%s that the journal refused can be said again: the attempt holds its lease', async (verb, more, status) => {
  const { manager, journal, answer, running } = await serving();
  const id = await running();
  journal.fates.push('storage_full');
  await expect(answer(manager.ask(verb, { id, attempt: 1, ...more }))).rejects.toMatchObject({ code: 'storage_failed' });
  expect(await answer(manager.ask('heartbeat', { id, attempt: 1 }))).toMatchObject({ wanted: 'run' });
  expect(await answer(manager.ask(verb, { id, attempt: 1, ...more }))).toMatchObject({ status });
});

test('an attempt whose end the journal refused still expires, should its worker be lost', async () => {
  const { manager, journal, answer, running } = await serving();
  const id = await running();
  journal.fates.push('storage_full');
  await expect(answer(manager.ask('complete', { id, attempt: 1 }))).rejects.toMatchObject({ code: 'storage_failed' });
  journal.fates.push('storage_full');
  manager.clock.turn(10_001);
  await settle();
  manager.clock.turn(1000);
  expect(await answer(manager.ask('get', { id }))).toMatchObject({ status: 'queued', error: { code: 'worker_lost' } });
});

test('an end of an attempt that no longer fits this record is taken with the next', async () => {
  const { manager, answer, running, hold, release } = await serving();
  const id = await running();
  hold();
  manager.ask('create', { type: 'other' });
  await settle();
  // Both wait for the same round, and only the first fits its record.
  const filling = manager.ask('create_many', { jobs: Array.from({ length: 15 }, () => ({ type: 'other', input: 'x'.repeat(60_000) })) });
  const complete = manager.ask('complete', {
    id,
    attempt: 1,
    result: 'y'.repeat(60_000),
    warnings: Array.from({ length: 100 }, () => 'z'.repeat(2000)),
  });
  release();
  expect((await answer(filling))['jobs']).toHaveLength(15);
  expect(await answer(complete)).toMatchObject({ status: 'completed' });
});

test('what was refused takes no room from what waits beside it', async () => {
  const { manager, answer, hold, release } = await serving();
  hold();
  manager.ask('create', { type: 'probe' });
  await settle();
  const wrong = Array.from({ length: 16 }, (_, n) => ({
    type: 'probe',
    input: 'x'.repeat(60_000),
    ...(n === 15 ? { priority: 1000 } : {}),
  }));
  const refused = [1, 2].map(() => manager.ask('create_many', { jobs: wrong }));
  const innocent = manager.ask('create', { type: 'probe', name: 'innocent' });
  release();
  for (const one of refused) await expect(answer(one)).rejects.toMatchObject({ code: 'invalid_request' });
  expect(await answer(innocent)).toMatchObject({ name: 'innocent' });
});

test('a refusal tells nothing that is not stored: it waits for the changes that it was decided upon', async () => {
  const { manager, answer, hold, release } = await serving();
  const { id } = await answer(manager.ask('create', { type: 'probe' }));
  hold();
  const change = manager.ask('update', { id, name: 'changed' });
  const gone = manager.ask('delete', { id });
  const late = [manager.ask('update', { id, name: 'x', ifVersion: 1 }), manager.ask('get', { id })];
  await settle();
  expect([change, gone, ...late].map(({ times }) => times)).toEqual([0, 0, 0, 0]);
  release();
  for (const one of late) await expect(answer(one)).rejects.toMatchObject({ code: 'job_not_found' });
});

test('a refusal is not decided upon changes that the journal then refuses', async () => {
  const { manager, journal, answer } = await serving();
  const { id } = await answer(manager.ask('create', { type: 'probe' }));
  journal.fates.push('storage_full');
  const gone = manager.ask('delete', { id });
  const read = manager.ask('get', { id });
  for (const one of [gone, read]) await expect(answer(one)).rejects.toMatchObject({ code: 'storage_failed' });
  expect(await answer(manager.ask('get', { id }))).toMatchObject({ id, version: 1 });
});

test('a deposed manager does not call a job unknown that its follower has made', async () => {
  const { manager, journal } = await serving();
  journal.appendAsStranger();
  manager.clock.turn(1001);
  const read = manager.ask('get', { id: 'made-by-the-other' });
  await settle();
  expect(read.error?.code).not.toBe('job_not_found');
  expect(read.error?.code).toMatch(/unavailable|outcome_unknown/);
});

test('a full journal is not asked without end for what nobody asked for, and readers get their turn', async () => {
  const { manager, journal, answer, running } = await serving({ carryMinBytes: 1 });
  const id = await running();
  manager.clock.turn(9000);
  for (let n = 0; n < 20; n += 1) manager.ask('progress', { id, progress: { bytesTransferred: n } });
  journal.fates.push(...Array.from({ length: 50 }, () => 'storage_full' as const));
  await settle();
  for (let seconds = 0; seconds < 5; seconds += 1) {
    manager.clock.turn(1000);
    await settle();
  }
  expect(journal.fates.length).toBeGreaterThan(30);
  expect(await answer(manager.ask('get', { id }))).toMatchObject({ id });
});
