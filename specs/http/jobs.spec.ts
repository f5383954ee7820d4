import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../actors/job.js';
import { startTestService, type TestService } from '../support/service.js';
import { call, createJob, ownJob, type Call } from './http.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const send = (path: string, options?: Call) => call(service, path, options);
const post = (path: string, body?: unknown, headers: Record<string, string> = {}) => send(path, { method: 'POST', body, headers });

describe('creating', () => {
  it('answers 201 with the job, its path and its version', async () => {
    const answer = await post('/v1/jobs', ownJob({ name: 'count' }));
    expect(answer.status).toBe(201);
    expect(answer.job()).toMatchObject({ name: 'count', status: 'queued', version: 1 });
    expect(answer.headers.location).toBe(`/v1/jobs/${answer.job().id}`);
    expect(answer.headers.etag).toBe('"1"');
    expect((await send(answer.headers.location ?? '')).json()).toEqual(answer.json());
  });

  it('makes one job of a request repeated with its Idempotency-Key, and refuses the key for another body', async () => {
    const headers = { 'idempotency-key': 'nightly-1' };
    const [first, second] = await Promise.all([post('/v1/jobs', ownJob(), headers), post('/v1/jobs', ownJob(), headers)]);
    expect(second.job().id).toBe(first.job().id);
    const other = await post('/v1/jobs', ownJob({ input: 'other' }), headers);
    expect(other.problem()).toMatchObject({ status: 422, code: 'idempotency_conflict', executed: 'no' });
  });

  it('keeps the input of a job as it was sent', async () => {
    const input = { text: 'naïve \u0000 \u{1f4e6}', deep: [[[[null, 1.5e-9, -0.25]]]], constructor: { prototype: 1 } };
    const { id } = await createJob(service, { input });
    expect((await send(`/v1/jobs/${id}`)).job().input).toEqual(input);
  });
});

describe('reading', () => {
  it('lists by status, type, labels, text, sort, limit and cursor of the query', async () => {
    const labels = { set: 'query', team: 'a' };
    for (const name of ['one', 'two', 'three']) await createJob(service, { type: 'query', name, labels });
    await createJob(service, { type: 'query', name: 'held', start: false });
    const list = async (query: string) =>
      (await send(`/v1/jobs?${query}`)).json() as { jobs: Job[]; nextCursor: string | null; total: number };
    const names = async (query: string) => (await list(query)).jobs.map((job) => job.name);
    expect(await names('type=query&sort=createdAt')).toEqual(['one', 'two', 'three', 'held']);
    expect(await names('type=query&status=pending,paused')).toEqual(['held']);
    expect((await names('labels=set=query,team=a')).length).toBe(3);
    expect((await names('labels=set=query&labels=team=b')).length).toBe(0);
    expect(await names('type=query&text=thr')).toEqual(['three']);
    const page = await list('type=query&sort=name&limit=3');
    expect(page).toMatchObject({ total: 4, jobs: [{ name: 'held' }, { name: 'one' }, { name: 'three' }] });
    expect(await names(`type=query&sort=name&limit=3&cursor=${encodeURIComponent(page.nextCursor ?? '')}`)).toEqual(['two']);
  });

  it.each(['status=sleeping', 'limit=0', 'limit=many', 'limit=1e99', 'labels=x', 'colour=red', 'type=a&type=b', 'sort=size', 'cursor=x'])(
    'refuses the query %s, naming what was expected',
    async (query) => {
      const answer = await send(`/v1/jobs?${query}`);
      expect(answer.problem()).toMatchObject({ status: 400, code: 'invalid_request' });
      expect(answer.problem().message).not.toMatch(/undefined|NaN$/);
    },
  );

  it('answers 304 while the job has the version of If-None-Match', async () => {
    const { id } = await createJob(service);
    for (const tag of ['"1"', 'W/"1"', '"9", "1"', '*']) {
      const same = await send(`/v1/jobs/${id}`, { headers: { 'if-none-match': tag } });
      expect([same.status, same.text, same.headers.etag]).toEqual([304, '', '"1"']);
    }
    expect((await send(`/v1/jobs/${id}`, { headers: { 'if-none-match': '"2"' } })).status).toBe(200);
  });

  it('answers HEAD like GET without the body', async () => {
    const { id } = await createJob(service);
    const head = await send(`/v1/jobs/${id}`, { method: 'HEAD' });
    expect([head.status, head.text, head.headers.etag]).toEqual([200, '', '"1"']);
  });

  it('tells history and stats', async () => {
    const { id } = await createJob(service);
    const history = (await send(`/v1/jobs/${id}/history`)).json();
    expect(history).toMatchObject({ history: [{ verb: 'create', status: 'queued', version: 1 }], truncated: false });
    expect((await send('/v1/stats')).json()).toMatchObject({ byStatus: { completed: 0 }, epoch: 1 });
  });
});

describe('changing', () => {
  it('updates a job that has the version of If-Match, and answers version_conflict else', async () => {
    const { id } = await createJob(service);
    const patch = (body: unknown, match: string) => send(`/v1/jobs/${id}`, { method: 'PATCH', body, headers: { 'if-match': match } });
    const updated = await patch({ name: 'renamed' }, '"1"');
    expect([updated.status, updated.job().name, updated.headers.etag]).toEqual([200, 'renamed', '"2"']);
    expect((await patch({ name: 'again' }, '"1"')).problem()).toMatchObject({
      status: 412,
      code: 'version_conflict',
      details: { version: 2 },
    });
    expect((await patch({ labels: { a: 'b' } }, '*')).job().version).toBe(3);
    expect((await patch({ name: 'x' }, 'W/"3"')).problem()).toMatchObject({ status: 400, details: { header: 'If-Match' } });
  });

  it('takes every command, with and without a body', async () => {
    const { id } = await createJob(service, { start: false });
    const command = async (verb: string, body?: unknown) => (await post(`/v1/jobs/${id}/${verb}`, body)).job().status;
    expect(await command('start')).toBe('queued');
    expect(await command('pause', {})).toBe('paused');
    expect(await command('resume', { ifVersion: 3 })).toBe('queued');
    expect(await command('cancel', { id })).toBe('cancelled');
    expect(await command('retry')).toBe('queued');
    expect((await post(`/v1/jobs/${id}/retry`)).problem()).toMatchObject({ status: 409, code: 'illegal_transition' });
    expect((await post(`/v1/jobs/${id}/pause`, undefined, { 'if-match': '"1"' })).problem().code).toBe('version_conflict');
  });

  it('deletes a job, and knows it no more', async () => {
    const { id } = await createJob(service, { start: false });
    expect((await send(`/v1/jobs/${id}`, { method: 'DELETE', headers: { 'if-match': '"7"' } })).status).toBe(412);
    expect((await send(`/v1/jobs/${id}`, { method: 'DELETE' })).json()).toEqual({ deleted: [id] });
    for (const path of ['', '/history', '/log']) {
      expect((await send(`/v1/jobs/${id}${path}`)).problem()).toMatchObject({ status: 404, code: 'job_not_found' });
    }
  });

  it('names the job in the path only', async () => {
    const { id } = await createJob(service);
    for (const body of [{ id: 'another' }, { ids: [id] }, [], 'text', 7, null]) {
      expect((await post(`/v1/jobs/${id}/pause`, body)).problem()).toMatchObject({ status: 400, code: 'invalid_request' });
    }
    expect((await send(`/v1/jobs/${id}`)).job().status).toBe('queued');
  });

  it('runs a worker’s whole attempt', async () => {
    const { id } = await createJob(service, { type: 'attempt' });
    const claimed = (await post('/v1/jobs/claim', { worker: 'w/1', types: ['attempt'] })).json() as { job: Job };
    expect(claimed.job).toMatchObject({ id, status: 'running', attempt: 1 });
    const progress = await send(`/v1/jobs/${id}/progress`, { method: 'PATCH', body: { attempt: 1, progress: { percent: 40 } } });
    expect(progress.job().progress.percent).toBe(40);
    expect((await post('/v1/jobs/heartbeat', { id, attempt: 1 })).json()).toMatchObject({ wanted: 'run' });
    expect((await post('/v1/jobs/complete', { id, attempt: 2 })).problem()).toMatchObject({ status: 409, code: 'attempt_expired' });
    expect((await post('/v1/jobs/complete', { id, attempt: 1, result: 42 })).job()).toMatchObject({ status: 'completed', result: 42 });
  });
});

describe('the verbs', () => {
  it('take many at once, each with its own answer', async () => {
    const made = (await post('/v1/jobs/create_many', { jobs: [ownJob(), ownJob({ start: false })] })).json() as { jobs: Job[] };
    const ids = made.jobs.map((job) => job.id);
    const { results } = (await post('/v1/jobs/pause', { ids: [...ids, 'nobody'] })).json() as { results: unknown[] };
    expect(results).toMatchObject([
      { job: { status: 'paused' } },
      { error: { code: 'illegal_transition' } },
      { id: 'nobody', error: { code: 'job_not_found' } },
    ]);
    expect((await post('/v1/jobs/delete', { ids })).json()).toMatchObject({ results: [{ deleted: true }, { deleted: true }] });
    expect((await post('/v1/jobs/cleanup', {})).json()).toMatchObject({ deleted: expect.any(Number) as number });
  });

  it('answer the same over HTTP as over NATS', async () => {
    const { id } = await createJob(service);
    expect((await post('/v1/jobs/get', { id })).json()).toEqual(await service.client.get(id));
    expect((await post('/v1/jobs/list', { type: 'probe', limit: 2 })).json()).toEqual(
      await service.client.list({ type: 'probe', limit: 2 }),
    );
    expect((await post('/v1/jobs/stats')).status).toBe(200);
  });

  it('wait longer than the ask timeout where the body says so', async () => {
    const headers = { 'ask-timeout-ms': '100' };
    const asked = performance.now();
    const claim = post('/v1/jobs/claim', { worker: 'w/1', types: ['late'], waitMs: 20_000 }, headers);
    await expect.poll(async () => ((await send('/v1/stats')).json() as { mailbox: { parkedClaims: number } }).mailbox.parkedClaims).toBe(1);
    await expect.poll(() => performance.now() - asked, { interval: 50 }).toBeGreaterThan(700);
    const { id } = await createJob(service, { type: 'late' });
    expect((await claim).json()).toMatchObject({ job: { id } });
  });

  it('tell changes by long poll', async () => {
    const { seq } = (await post('/v1/jobs/changes', {})).json() as { seq: number };
    const change = post('/v1/jobs/changes', { since: seq, waitMs: 20_000 });
    const { id } = await createJob(service);
    expect((await change).json()).toMatchObject({ reset: false, jobs: [{ id }] });
  });
});
