import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { Answers, ScheduleAnswer } from '../../src/answers.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

describe.each(FRONT_ENDS)('over %s', (way) => {
  let front: FrontEnd;
  beforeAll(async () => {
    front = await openFrontEnd(service, way);
  });
  afterAll(() => front.close());

  const yearly = (fields: object = {}) => ({
    name: `yearly by ${way}`,
    cron: '@yearly',
    timeZone: 'Europe/Berlin',
    job: { type: 'probe' },
    ...fields,
  });

  test('a schedule is made, found, changed, run and deleted', async () => {
    const made = await front.ask<ScheduleAnswer>('schedule_create', yearly());
    expect(made).toMatchObject({ enabled: true, overlap: 'skip', missed: 'once', runs: 0, version: 1 });
    expect(made.next).toHaveLength(5);
    expect(made.next[0]).toMatch(/-12-31T23:00:00\.000Z$/);
    const { id } = made;
    expect(await front.ask('schedule_get', { id })).toEqual(made);
    const { schedules } = await front.ask<Answers['schedule_list']>('schedule_list', { limit: 1000 });
    expect(schedules.map((schedule) => schedule.id)).toContain(id);
    expect(await front.ask('schedule_update', { id, ifVersion: 1, enabled: false })).toMatchObject({ nextAt: null, version: 2 });
    const job = await front.ask<Job>('schedule_run', { id, overrides: { name: 'now' } });
    expect(job).toMatchObject({ name: 'now', schedule: id });
    expect((await front.ask<Answers['list']>('list', { schedule: id })).jobs).toEqual([job]);
    expect(await front.ask('schedule_delete', { id })).toEqual({ deleted: [id] });
    await expect(front.ask('schedule_get', { id })).rejects.toMatchObject({ code: 'schedule_not_found' });
    expect(await front.ask('get', { id: job.id })).toEqual(job);
  });

  test('what is wrong is refused by its field', async () => {
    const asked = front.ask('schedule_create', yearly({ cron: '0 25 * * *' }));
    await expect(asked).rejects.toMatchObject({ code: 'invalid_request', details: { field: 'cron' }, executed: 'no' });
  });

  test('it is made once under one key', async () => {
    const body = yearly({ idempotencyKey: `key of ${way}` });
    const [first, again] = [await front.ask<ScheduleAnswer>('schedule_create', body), await front.ask('schedule_create', body)];
    expect(again).toEqual(first);
    const run = { id: first.id, idempotencyKey: `run of ${way}` };
    expect(await front.ask('schedule_run', run)).toEqual(await front.ask('schedule_run', run));
    expect(await front.ask('schedule_get', { id: first.id })).toMatchObject({ runs: 1 });
  });
});
