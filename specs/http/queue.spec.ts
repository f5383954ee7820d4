import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { call, createJob } from './http.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const post = (path: string, body?: unknown, headers: Record<string, string> = {}) => call(service, path, { method: 'POST', body, headers });

it('tells why a job does not run', async () => {
  const first = await createJob(service);
  const { id } = await createJob(service, { after: [first.id] });
  expect((await call(service, `/v1/jobs/${id}/why`)).json()).toMatchObject({ reasons: [{ code: 'after', jobs: [first.id] }] });
  expect((await call(service, '/v1/jobs/nobody/why')).problem()).toMatchObject({ status: 404, code: 'job_not_found' });
});

it('moves a waiting job, at the version that was seen', async () => {
  const [a, b] = [await createJob(service, { type: 'moved' }), await createJob(service, { type: 'moved' })];
  const stale = await post(`/v1/jobs/${b.id}/reorder`, { to: { before: a.id } }, { 'if-match': '"7"' });
  expect(stale.problem()).toMatchObject({ status: 412, code: 'version_conflict' });
  const answer = await post(`/v1/jobs/${b.id}/reorder`, { to: { before: a.id } }, { 'if-match': '"1"' });
  expect([answer.status, answer.headers.etag]).toEqual([200, '"2"']);
  const { jobs } = (await call(service, '/v1/jobs?type=moved&sort=queue')).json() as { jobs: { id: string }[] };
  expect(jobs.map(({ id }) => id)).toEqual([b.id, a.id]);
  expect((await post(`/v1/jobs/${b.id}/reorder`, { to: 'top' })).problem()).toMatchObject({ status: 400, code: 'invalid_request' });
});

it('duplicates a job once for one Idempotency-Key', async () => {
  const old = await createJob(service, { name: 'first', start: false });
  const headers = { 'idempotency-key': 'twice' };
  const made = await post(`/v1/jobs/${old.id}/duplicate`, { overrides: { name: 'second' } }, headers);
  expect(made.status).toBe(201);
  expect(made.headers.location).toBe(`/v1/jobs/${made.job().id}`);
  expect(made.job()).toMatchObject({ name: 'second', input: old.input, status: 'queued' });
  const again = await post(`/v1/jobs/${old.id}/duplicate`, { overrides: { name: 'second' } }, headers);
  expect(again.job().id).toBe(made.job().id);
  expect((await post(`/v1/jobs/${old.id}/duplicate`)).job()).toMatchObject({ name: 'first' });
});
