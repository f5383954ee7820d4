import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ScheduleAnswer } from '../../src/answers.js';
import { startTestService, type TestService } from '../support/service.js';
import { call } from './http.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  call(service, path, { method, ...(body === undefined ? {} : { body }), headers });
const nightly = { name: 'nightly', cron: '30 2 * * *', timeZone: 'Europe/Berlin', job: { type: 'probe' } };

async function make(headers: Record<string, string> = {}): Promise<ScheduleAnswer> {
  return (await send('POST', '/v1/schedules', nightly, headers)).json() as ScheduleAnswer;
}

it('makes a schedule with a place and a version, once for one Idempotency-Key', async () => {
  const made = await send('POST', '/v1/schedules', nightly, { 'idempotency-key': 'once' });
  const schedule = made.json() as ScheduleAnswer;
  expect([made.status, made.headers.location, made.headers.etag]).toEqual([201, `/v1/schedules/${schedule.id}`, '"1"']);
  expect(await make({ 'idempotency-key': 'once' })).toEqual(schedule);
  expect((await call(service, `/v1/schedules/${schedule.id}`)).json()).toEqual(schedule);
});

it('changes and deletes it at the version that was seen', async () => {
  const { id } = await make();
  const changed = await send('PATCH', `/v1/schedules/${id}`, { overlap: 'wait' }, { 'if-match': '"1"' });
  expect([changed.status, changed.headers.etag]).toEqual([200, '"2"']);
  expect((await send('PATCH', `/v1/schedules/${id}`, { overlap: 'skip' }, { 'if-match': '"1"' })).status).toBe(412);
  expect((await send('DELETE', `/v1/schedules/${id}`, undefined, { 'if-match': '"1"' })).status).toBe(412);
  expect((await send('DELETE', `/v1/schedules/${id}`)).json()).toEqual({ deleted: [id] });
  expect((await call(service, `/v1/schedules/${id}`)).problem()).toMatchObject({ status: 404, code: 'schedule_not_found' });
});

it('runs it now, as a job that is listed by its schedule', async () => {
  const { id } = await make();
  const ran = await send('POST', `/v1/schedules/${id}/run`, { overrides: { labels: { by: 'hand' } } }, { 'idempotency-key': 'run' });
  expect([ran.status, ran.headers.location]).toEqual([201, `/v1/jobs/${ran.job().id}`]);
  expect(
    (await send('POST', `/v1/schedules/${id}/run`, { overrides: { labels: { by: 'hand' } } }, { 'idempotency-key': 'run' })).job(),
  ).toEqual(ran.job());
  expect((await call(service, `/v1/jobs?schedule=${id}`)).json()).toMatchObject({
    total: 1,
    jobs: [{ schedule: id, labels: { by: 'hand' } }],
  });
});

it('lists them a page at a time', async () => {
  await make();
  await make();
  const first = (await call(service, '/v1/schedules?limit=1')).json() as { schedules: { id: string }[]; nextCursor: string };
  const second = (await call(service, `/v1/schedules?limit=1&cursor=${first.nextCursor}`)).json() as typeof first;
  expect(second.schedules[0]!.id > first.schedules[0]!.id).toBe(true);
  expect((await call(service, '/v1/schedules?limit=none')).problem()).toMatchObject({
    code: 'invalid_request',
    details: { field: 'limit' },
  });
});
