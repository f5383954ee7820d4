import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import type { ScheduleAnswer } from '../../src/answers.js';
import { startAskedManager, type AskedManager } from '../support/asked-manager.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The clock of the specs begins at 2027-01-15T08:00:01Z. */
const hourly = (fields: object = {}) => ({ name: 'hourly', cron: '0 * * * *', job: { type: 'probe' }, ...fields });

const runsOf = async (manager: AskedManager, { id }: { id: string }) =>
  (await manager.ask('list', { schedule: id, sort: 'createdAt' })).jobs;
const scheduleOf = (manager: AskedManager, { id }: { id: string }) => manager.ask('schedule_get', { id });
const noteOf = async (manager: AskedManager, id: string) => (await manager.ask('history', { id })).history[0]?.note;

async function scheduled(fields: object = {}): Promise<{ manager: AskedManager; schedule: ScheduleAnswer }> {
  const manager = await startAskedManager();
  return { manager, schedule: await manager.ask('schedule_create', hourly(fields)) };
}

describe('a schedule', () => {
  test('makes a job at each of its times, which names it', async () => {
    const { manager, schedule } = await scheduled({ overlap: 'allow' });
    expect(schedule.next).toEqual([9, 10, 11, 12, 13].map((hour) => `2027-01-15T${String(hour).padStart(2, '0')}:00:00.000Z`));
    await manager.turn(HOUR_MS - 2000);
    expect(await runsOf(manager, schedule)).toEqual([]);
    await manager.turn(1000);
    await manager.turn(HOUR_MS);
    const runs = await runsOf(manager, schedule);
    expect(runs).toMatchObject([
      { name: 'hourly', type: 'probe', status: 'queued', schedule: schedule.id },
      { name: 'hourly', schedule: schedule.id },
    ]);
    expect(await noteOf(manager, runs[0]!.id)).toBe('schedule hourly, due at 2027-01-15T09:00:00.000Z');
    expect(await scheduleOf(manager, schedule)).toMatchObject({
      runs: 2,
      lastJobId: runs[1]!.id,
      lastAt: '2027-01-15T10:00:00.000Z',
      nextAt: '2027-01-15T11:00:00.000Z',
      lastSkip: null,
    });
  });

  test('and its job stand in one record', async () => {
    const { manager, schedule } = await scheduled();
    await manager.turn(HOUR_MS);
    const [run] = await runsOf(manager, schedule);
    const records = manager.journal.records.filter(({ changes }) => changes.some((change) => 'put' in change && change.put.id === run?.id));
    expect(records.map(({ changes }) => changes.map((change) => Object.keys(change)[0]).sort())).toEqual([['put', 'schedule']]);
  });

  test('runs by the clocks of its time zone', async () => {
    const { schedule } = await scheduled({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' });
    expect(schedule.nextAt).toBe('2027-01-16T01:30:00.000Z');
  });

  test('is counted in stats, with the first time that comes', async () => {
    const { manager, schedule } = await scheduled();
    await manager.ask('schedule_create', { name: 'template', job: { type: 'probe' } });
    expect((await manager.ask('stats', {})).schedules).toEqual({ total: 2, active: 1, nextAt: schedule.nextAt });
    await manager.ask('schedule_update', { id: schedule.id, enabled: false });
    expect((await manager.ask('stats', {})).schedules).toEqual({ total: 2, active: 0, nextAt: null });
  });

  test('that is paused does not run, and goes on with the time after', async () => {
    const { manager, schedule } = await scheduled();
    expect(await manager.ask('schedule_update', { id: schedule.id, enabled: false })).toMatchObject({ nextAt: null, next: [], version: 2 });
    await manager.turn(3 * HOUR_MS);
    expect(await manager.ask('schedule_update', { id: schedule.id, enabled: true })).toMatchObject({ nextAt: '2027-01-15T12:00:00.000Z' });
    expect(await runsOf(manager, schedule)).toEqual([]);
  });

  test('that is deleted never runs again, and its jobs stay', async () => {
    const { manager, schedule } = await scheduled({ overlap: 'allow' });
    await manager.turn(HOUR_MS);
    await manager.ask('schedule_delete', { id: schedule.id });
    await manager.turn(HOUR_MS);
    const again = await manager.restart();
    await again.turn(HOUR_MS);
    expect(await runsOf(again, schedule)).toHaveLength(1);
    await expect(scheduleOf(again, schedule)).rejects.toMatchObject({ code: 'schedule_not_found', status: 404 });
  });

  test('is changed only in the version that was seen', async () => {
    const { manager, schedule } = await scheduled();
    await manager.ask('schedule_update', { id: schedule.id, ifVersion: 1, cron: '15 * * * *' });
    const stale = { id: schedule.id, ifVersion: 1 };
    for (const verb of ['schedule_update', 'schedule_delete', 'schedule_run'] as const)
      await expect(manager.ask(verb, stale)).rejects.toMatchObject({ code: 'version_conflict', details: { version: 2 } });
    expect(await scheduleOf(manager, schedule)).toMatchObject({ version: 2, nextAt: '2027-01-15T08:15:00.000Z' });
  });

  test('is made once under one key, be it deleted since', async () => {
    const manager = await startAskedManager();
    const first = await manager.ask('schedule_create', hourly({ idempotencyKey: 'k' }));
    expect((await manager.ask('schedule_create', hourly({ idempotencyKey: 'k' }))).id).toBe(first.id);
    const other = { code: 'idempotency_conflict' };
    await expect(manager.ask('schedule_create', hourly({ idempotencyKey: 'k', name: 'other' }))).rejects.toMatchObject(other);
    await expect(manager.ask('create', { type: 'probe', idempotencyKey: 'k' })).rejects.toMatchObject(other);
    await manager.ask('schedule_delete', { id: first.id });
    const again = await manager.restart();
    await expect(again.ask('schedule_create', hourly({ idempotencyKey: 'k' }))).rejects.toMatchObject({ code: 'schedule_not_found' });
  });

  test('is listed in the order of creation, a page at a time', async () => {
    const manager = await startAskedManager();
    for (const name of ['a', 'b', 'c']) await manager.ask('schedule_create', hourly({ name }));
    const first = await manager.ask('schedule_list', { limit: 2 });
    const rest = await manager.ask('schedule_list', { limit: 2, cursor: first.nextCursor });
    expect([...first.schedules, ...rest.schedules].map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect([first.total, rest.total, rest.nextCursor]).toEqual([3, 3, null]);
  });
});

describe('what cannot be a schedule is refused when it is stored', () => {
  test.each([
    [{ cron: '61 * * * *' }, 'cron'],
    [{ cron: 'often' }, 'cron'],
    [{ cron: '0 0 30 2 *' }, 'cron'],
    [{ cron: '2030-01-01T00:00:00' }, 'cron'],
    [{ cron: '* * * * * * *' }, 'cron'],
    [{ timeZone: 'Mars/Base' }, 'timeZone'],
    [{ name: 'a\nb' }, 'name'],
    [{ job: { type: 'rsync', source: '/a' } }, 'job.destination'],
    [
      { job: { type: 'rsync', source: '/a/', destination: '/b/', options: { deleteSource: { mode: 'per_file' } } } },
      'job.options.deleteSource.confirmed',
    ],
    [{ job: { type: 'probe', runAt: '2030-01-01T00:00:00Z' } }, 'job.runAt'],
    [{ job: { type: 'probe', options: { deadlineAt: '2030-01-01T00:00:00Z' } } }, 'job.options.deadlineAt'],
  ])('%j', async (fields, field) => {
    const manager = await startAskedManager();
    const refusal = { code: 'invalid_request', details: { field } };
    await expect(async () => manager.ask('schedule_create', hourly(fields))).rejects.toMatchObject(refusal);
    const { id } = await manager.ask('schedule_create', hourly());
    await expect(async () => manager.ask('schedule_update', { id, ...fields })).rejects.toMatchObject(refusal);
    expect((await manager.ask('schedule_get', { id })).version).toBe(1);
  });

  test('paths outside of the roots', async () => {
    const manager = await startAskedManager({ roots: ['/home'] });
    const job = { type: 'rsync', source: '/etc/', destination: '/home/etc/' };
    await expect(manager.ask('schedule_create', hourly({ job }))).rejects.toMatchObject({
      code: 'path_not_allowed',
      details: { field: 'job.source' },
    });
  });

  test('and so have times that a later one has overtaken', async () => {
    const { manager, schedule } = await scheduled({ cron: '*/10 * * * * *', missed: 'skip' });
    await manager.turn(35_000);
    expect(await runsOf(manager, schedule)).toHaveLength(1);
    const { lastSkip, nextAt } = await scheduleOf(manager, schedule);
    expect(lastSkip?.why).toContain('2 times from 2027-01-15T08:00:10.000Z to 2027-01-15T08:00:20.000Z');
    expect(nextAt).toBe('2027-01-15T08:00:40.000Z');
  });

  test('more of them than there may be, and larger ones', async () => {
    const manager = await startAskedManager();
    const input = 'x'.repeat(LIMITS.scheduleJobChars - 20);
    await expect(manager.ask('schedule_create', hourly({ job: { type: 'probe', input } }))).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    for (let made = 0; made < LIMITS.schedules; made += 1) await manager.ask('schedule_create', hourly());
    await expect(manager.ask('schedule_create', hourly())).rejects.toMatchObject({ code: 'storage_failed' });
  });
});

describe('when a run is due and one before it has not ended', () => {
  const overlapping = async (overlap: string) => {
    const started = await scheduled({ overlap });
    await started.manager.turn(HOUR_MS);
    const first = (await started.manager.claim())!;
    await started.manager.turn(HOUR_MS);
    return { ...started, first };
  };

  test('skip: it does not happen, and the schedule says so', async () => {
    const { manager, schedule, first } = await overlapping('skip');
    expect(await runsOf(manager, schedule)).toHaveLength(1);
    expect(await scheduleOf(manager, schedule)).toMatchObject({
      runs: 1,
      lastSkip: { at: '2027-01-15T10:00:00.000Z', code: 'overlap', why: `Job ${first} of it had not ended.` },
    });
  });

  test('skip: it goes on when that one has ended', async () => {
    const { manager, schedule } = await overlapping('skip');
    await manager.turn(1); // its lease has passed with the hour
    for (const { id } of await runsOf(manager, schedule)) await manager.ask('cancel', { id });
    await manager.turn(HOUR_MS);
    expect(await runsOf(manager, schedule)).toHaveLength(2);
  });

  test('allow: it is made all the same', async () => {
    const { manager, schedule } = await overlapping('allow');
    expect(await runsOf(manager, schedule)).toHaveLength(2);
    expect((await scheduleOf(manager, schedule)).lastSkip).toBeNull();
  });

  test.each(['complete', 'fail', 'cancel', 'delete'])('wait: it runs when that one has ended: %s', async (how) => {
    const manager = await startAskedManager({ leaseMs: 10 * HOUR_MS });
    const schedule = await manager.ask('schedule_create', hourly({ overlap: 'wait' }));
    await manager.turn(HOUR_MS);
    const first = (await manager.claim())!;
    await manager.turn(HOUR_MS);
    const [, second] = await runsOf(manager, schedule);
    expect(second).toMatchObject({ status: 'queued', after: [first] });
    expect(await manager.claim()).toBeNull();
    expect(await manager.codesOf(second!.id)).toEqual(['after']);
    const error = { code: 'broken', message: 'it broke' };
    if (how === 'complete') await manager.ask('complete', { id: first, attempt: 1 });
    if (how === 'fail') await manager.ask('fail', { id: first, attempt: 1, error });
    if (how === 'cancel' || how === 'delete') {
      await manager.ask('pause', { id: first });
      await manager.ask('release', { id: first, attempt: 1 });
      expect(await manager.claim()).toBeNull();
      await manager.ask(how, { id: first });
    }
    const again = await manager.restart();
    expect(await again.claim()).toBe(second!.id);
  });

  test('wait: only one waits, so that they do not pile up', async () => {
    const { manager, schedule } = await overlapping('wait');
    await manager.turn(HOUR_MS);
    expect(await runsOf(manager, schedule)).toHaveLength(2);
    expect((await scheduleOf(manager, schedule)).lastSkip).toMatchObject({ code: 'overlap', at: '2027-01-15T11:00:00.000Z' });
  });
});

describe('times that passed while nobody could run them', () => {
  const away = async (missed: string, ms: number) => {
    const { manager, schedule } = await scheduled({ missed, overlap: 'allow' });
    manager.clock.ms += ms;
    return { manager: await manager.restart(), schedule };
  };

  test('once: one run makes up for them, and its history tells which they were', async () => {
    const { manager, schedule } = await away('once', 3.5 * HOUR_MS);
    const runs = await runsOf(manager, schedule);
    expect(runs).toHaveLength(1);
    expect(await noteOf(manager, runs[0]!.id)).toBe(
      'schedule hourly, due at 2027-01-15T11:00:00.000Z; it makes up for 3 times from 2027-01-15T09:00:00.000Z to 2027-01-15T11:00:00.000Z, which were missed',
    );
    expect(await scheduleOf(manager, schedule)).toMatchObject({ runs: 1, nextAt: '2027-01-15T12:00:00.000Z', lastSkip: null });
  });

  test('once: so it is when the machine slept and nothing was started anew', async () => {
    const { manager, schedule } = await scheduled({ overlap: 'allow' });
    await manager.turn(50 * HOUR_MS);
    expect(await runsOf(manager, schedule)).toHaveLength(1);
  });

  test('skip: none is run, and the schedule says so', async () => {
    const { manager, schedule } = await away('skip', 3.5 * HOUR_MS);
    expect(await runsOf(manager, schedule)).toEqual([]);
    const { lastSkip, nextAt } = await scheduleOf(manager, schedule);
    expect(lastSkip).toMatchObject({ code: 'missed', at: '2027-01-15T11:00:00.000Z' });
    expect(lastSkip?.why).toContain('3 times from 2027-01-15T09:00:00.000Z to 2027-01-15T11:00:00.000Z');
    expect(nextAt).toBe('2027-01-15T12:00:00.000Z');
  });

  test('skip: a time that is only just past is run', async () => {
    const { manager, schedule } = await away('skip', 2 * HOUR_MS);
    expect(await runsOf(manager, schedule)).toHaveLength(1);
    expect((await scheduleOf(manager, schedule)).lastSkip).toMatchObject({ code: 'missed', at: '2027-01-15T09:00:00.000Z' });
  });

  test('more of them than are told one by one', async () => {
    const { manager, schedule } = await away('once', 1000 * HOUR_MS);
    const runs = await runsOf(manager, schedule);
    expect(runs).toHaveLength(1);
    expect(await noteOf(manager, runs[0]!.id)).toContain(`more than ${LIMITS.missedTimesTold} times`);
  });
});

describe('a clock that is set back', () => {
  test('runs no time twice after a restart', async () => {
    const { manager, schedule } = await scheduled({ overlap: 'allow' });
    await manager.turn(HOUR_MS);
    manager.clock.ms -= 30 * MINUTE_MS;
    const again = await manager.restart();
    await again.ask('schedule_update', { id: schedule.id, enabled: false });
    expect(await again.ask('schedule_update', { id: schedule.id, enabled: true })).toMatchObject({ nextAt: '2027-01-15T10:00:00.000Z' });
    await again.turn(40 * MINUTE_MS);
    expect(await runsOf(again, schedule)).toHaveLength(1);
  });

  test('a new expression begins now, so a clock that was wrong once does not stop a schedule for years', async () => {
    const { manager, schedule } = await scheduled();
    await manager.turn(24 * 365 * HOUR_MS);
    manager.clock.ms -= 24 * 365 * HOUR_MS;
    const again = await manager.restart();
    expect(await again.ask('schedule_update', { id: schedule.id, cron: '0 * * * *' })).toMatchObject({
      nextAt: '2027-01-15T09:00:00.000Z',
    });
  });
});

describe('a run whose job is refused', () => {
  test('does not happen, says why, and the schedule goes on', async () => {
    const manager = await startAskedManager();
    const job = { type: 'rsync', source: '/etc/', destination: '/home/etc/' };
    const schedule = await manager.ask('schedule_create', hourly({ job }));
    const narrow = await manager.restart({ roots: ['/home'] });
    await narrow.turn(HOUR_MS);
    expect(await scheduleOf(narrow, schedule)).toMatchObject({
      runs: 0,
      lastSkip: { code: 'path_not_allowed', at: '2027-01-15T09:00:00.000Z' },
      nextAt: '2027-01-15T10:00:00.000Z',
    });
    const wide = await narrow.restart({ roots: ['/'] });
    await wide.turn(HOUR_MS);
    expect(await runsOf(wide, schedule)).toHaveLength(1);
  });

  test('is not remembered as a run when the journal is full, and is made later', async () => {
    const { manager, schedule } = await scheduled();
    manager.journal.fates.push('storage_full');
    await manager.turn(HOUR_MS);
    expect(await scheduleOf(manager, schedule)).toMatchObject({ runs: 0, lastSkip: null });
    await manager.turn(1000);
    expect(await scheduleOf(manager, schedule)).toMatchObject({ runs: 1, nextAt: '2027-01-15T10:00:00.000Z' });
  });

  test('and one whose next time cannot be told pauses it', async () => {
    const manager = await startAskedManager();
    const schedule = await manager.ask('schedule_create', hourly());
    const record = manager.journal.records.find(({ changes }) => changes.some((change) => 'schedule' in change))!;
    record.changes = [{ schedule: { ...schedule, timeZone: 'Gone/Zone' } }];
    const again = await manager.restart();
    await again.turn(HOUR_MS);
    expect(await again.ask('schedule_list', {})).toMatchObject({
      schedules: [{ enabled: false, nextAt: null, lastSkip: { code: 'no_next_time' } }],
    });
  });
});

describe('a template', () => {
  const job = {
    type: 'rsync',
    source: '/a/',
    destination: '/b/',
    labels: { set: 'photos' },
    options: { verify: 'size', excludes: ['*.tmp'] },
  };

  test('runs only when it is asked to, with what is otherwise this time', async () => {
    const manager = await startAskedManager();
    const template = await manager.ask('schedule_create', { name: 'photos', job });
    expect(template).toMatchObject({ cron: null, nextAt: null, next: [] });
    await manager.turn(24 * 365 * HOUR_MS);
    expect(await runsOf(manager, template)).toEqual([]);
    const overrides = { name: 'tonight', destination: '/c/', options: { verify: 'checksum' } };
    const run = await manager.ask('schedule_run', { id: template.id, overrides });
    expect(run).toMatchObject({ name: 'tonight', source: '/a/', destination: '/c/', labels: { set: 'photos' }, schedule: template.id });
    expect(run.options).toMatchObject({ verify: 'checksum', excludes: ['*.tmp'] });
    expect(await scheduleOf(manager, template)).toMatchObject({ runs: 1, lastJobId: run.id, job: { options: { verify: 'size' } } });
  });

  test('is run once under one key, be it deleted since', async () => {
    const manager = await startAskedManager();
    const { id } = await manager.ask('schedule_create', { name: 'photos', job });
    const first = await manager.ask('schedule_run', { id, idempotencyKey: 'k' });
    await manager.ask('schedule_delete', { id });
    expect((await manager.ask('schedule_run', { id, idempotencyKey: 'k' })).id).toBe(first.id);
    expect((await manager.ask('list', {})).total).toBe(1);
  });

  test('that deletes its source needs a new yes for other places', async () => {
    const manager = await startAskedManager();
    const options = { deleteSource: { mode: 'after_verify', confirmed: true } };
    const { id } = await manager.ask('schedule_create', { name: 'move', job: { ...job, options } });
    await manager.ask('schedule_run', { id });
    const refusal = { code: 'invalid_request', details: { field: 'options.deleteSource.confirmed' } };
    await expect(manager.ask('schedule_run', { id, overrides: { source: '/home/' } })).rejects.toMatchObject(refusal);
    await manager.ask('schedule_run', { id, overrides: { source: '/home/', options } });
    await expect(manager.ask('schedule_run', { id, overrides: { source: 'home', options } })).rejects.toMatchObject({
      details: { field: 'source' },
    });
  });

  test('runs though it is paused, and though a run of it has not ended', async () => {
    const { manager, schedule } = await scheduled({ enabled: false });
    await manager.ask('schedule_run', { id: schedule.id });
    await manager.ask('schedule_run', { id: schedule.id });
    expect(await runsOf(manager, schedule)).toHaveLength(2);
  });
});

test('many that are due at once are all run, in records that the journal takes', async () => {
  const manager = await startAskedManager({ recordBytesMax: 60_000 });
  const input = 'x'.repeat(10_000);
  for (let made = 0; made < 60; made += 1) await manager.ask('schedule_create', hourly({ job: { type: 'probe', input } }));
  await manager.turn(HOUR_MS);
  for (let rounds = 0; rounds < 60; rounds += 1) await manager.turn(50);
  const { schedules } = await manager.ask('schedule_list', {});
  expect(schedules.map(({ runs, lastSkip }) => [runs, lastSkip])).toEqual(schedules.map(() => [1, null]));
  expect(Math.max(...manager.journal.records.map(({ changes }) => JSON.stringify(changes).length))).toBeLessThan(70_000);
});

test('the journal is kept short, and schedules outlive it', async () => {
  const manager = await startAskedManager({ carryMinBytes: 20_000 });
  const schedule = await manager.ask('schedule_create', hourly({ idempotencyKey: 'k' }));
  const { id } = await manager.ask('create', { type: 'probe' });
  for (let n = 0; n < 300; n += 1) await manager.ask('update', { id, name: `n${n}` });
  await manager.turn(50);
  expect(manager.journal.records[0]?.seq).toBeGreaterThan(2);
  const again = await manager.restart();
  expect(await again.ask('schedule_create', hourly({ idempotencyKey: 'k' }))).toEqual(schedule);
});
