import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobError } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { startTestService, type TestService } from '../support/service.js';
import { EventReader, type ServerEvent } from './event-reader.js';
import { call, createJob } from './http.js';
import { StubHub, startStubGateway, stubJob } from './stub-gateway.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

interface Change {
  seq: number;
  jobs: Job[];
  deleted: string[];
}
const changeOf = (event: ServerEvent | null) => event?.data as Change;
const pause = (id: string) => call(service, `/v1/jobs/${id}/pause`, { method: 'POST' });

describe('the event stream', () => {
  it('gives the jobs as they are, then every change, each with its place in the journal', async () => {
    const before = await createJob(service);
    const events = await EventReader.open(service, '/v1/events');
    expect(events.response.headers['content-type']).toMatch(/^text\/event-stream/);
    const first = await events.next();
    expect(first?.event).toBe('snapshot');
    expect(changeOf(first).jobs.map((job) => job.id)).toContain(before.id);
    const made = await createJob(service);
    const second = await events.next();
    expect(second).toMatchObject({ event: 'changed', data: { jobs: [made], deleted: [] } });
    expect(second?.id).toBe(changeOf(second).seq);
    await call(service, `/v1/jobs/${made.id}`, { method: 'DELETE' });
    expect(await events.next()).toMatchObject({ event: 'changed', data: { jobs: [], deleted: [made.id] } });
    events.close();
  });

  it('goes on after Last-Event-ID, so that a reader that was away misses nothing', async () => {
    const job = await createJob(service);
    const reader = await EventReader.open(service, '/v1/events');
    const last = (await reader.next())?.id ?? 0;
    reader.close();
    await pause(job.id);
    const other = await createJob(service);
    for (const open of [
      () => EventReader.open(service, '/v1/events', { 'last-event-id': String(last) }),
      () => EventReader.open(service, `/v1/events?since=${last}`),
    ]) {
      const again = await open();
      const first = await again.next();
      expect(first?.event).toBe('changed');
      expect(changeOf(first).jobs.map(({ id, status }) => [id, status])).toEqual([[job.id, 'paused'], [other.id, 'queued']]); // prettier-ignore
      again.close();
    }
  });

  it('begins anew with reset when the journal does not know that place', async () => {
    const job = await createJob(service);
    const events = await EventReader.open(service, '/v1/events', { 'last-event-id': '999999999' });
    const first = await events.next();
    expect(first?.event).toBe('reset');
    expect(changeOf(first).jobs.map(({ id }) => id)).toContain(job.id);
    events.close();
  });

  it('follows only the jobs that were asked for', async () => {
    const [mine, other] = [await createJob(service), await createJob(service)];
    const byId = await EventReader.open(service, `/v1/events?ids=${mine.id}`);
    expect(changeOf(await byId.next()).jobs.map(({ id }) => id)).toEqual([mine.id]);
    const paused = await EventReader.open(service, '/v1/events?status=paused,failed');
    expect(changeOf(await paused.next()).jobs.map(({ status }) => status)).not.toContain('queued');
    await pause(other.id);
    await pause(mine.id);
    expect(changeOf(await byId.next()).jobs.map(({ id, status }) => [id, status])).toEqual([[mine.id, 'paused']]);
    expect(changeOf(await paused.next()).jobs[0]).toMatchObject({ id: other.id, status: 'paused' });
    byId.close();
    paused.close();
  });

  it.each([
    ['/v1/events?since=x', {}],
    ['/v1/events?status=sleeping', {}],
    ['/v1/events?ids=', { 'last-event-id': 'x' }],
    ['/v1/events?colour=red', {}],
    ['/v1/events', { 'last-event-id': '-1' }],
  ])('refuses %s %j before it begins', async (path, headers) => {
    expect((await call(service, path, { headers })).problem()).toMatchObject({ status: 400, code: 'invalid_request' });
  });

  it('answers what keeps it from beginning as an HTTP error', async () => {
    const hub = new StubHub();
    hub.watch = () => Promise.reject(new JobError('overloaded', 'Too many watchers.'));
    const gateway = await startStubGateway({ hub });
    const answer = await call(gateway, '/v1/events');
    expect([answer.problem().code, answer.headers['retry-after']]).toEqual(['overloaded', '1']);
    await gateway.close();
  });

  it('shows a sign of life while nothing changes, and forgets a reader that left', async () => {
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub, timings: { heartbeatMs: 20 } });
    const events = await EventReader.open(gateway, '/v1/events');
    await events.next();
    const next = events.next();
    await expect.poll(() => events.comments).toBeGreaterThan(2);
    hub.emit({ seq: 2, deleted: ['a'] });
    expect(await next).toMatchObject({ event: 'changed', id: 2 });
    expect(hub.watchers).toBe(1);
    events.close();
    await expect.poll(() => hub.watchers).toBe(0);
    await gateway.close();
  });
});

describe('a slow reader of events', () => {
  it('is given the newest state of each job only, and the last one for certain', async () => {
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub });
    const events = await EventReader.open(gateway, '/v1/events');
    await events.next();
    const padding = 'x'.repeat(100_000);
    for (let version = 1; version <= 400; version++) {
      hub.emit({ seq: version + 1, jobs: [stubJob('a', version, padding)] });
      // The socket must get its turn to fill up.
      await new Promise(setImmediate);
    }
    let told = 0;
    let newest = 0;
    while (newest < 400) {
      const [job] = changeOf(await events.next()).jobs;
      expect(job?.version).toBeGreaterThan(newest);
      newest = job?.version ?? 0;
      told += 1;
    }
    expect(told).toBeLessThan(400);
    events.close();
    await gateway.close();
  });

  it('is cut off when even that is too much', async () => {
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub });
    const events = await EventReader.open(gateway, '/v1/events');
    await events.next();
    const padding = 'x'.repeat(100_000);
    for (let n = 1; n < 1000 && hub.watchers > 0; n++) {
      hub.emit({ seq: n + 1, jobs: [stubJob(`job-${n}`, 1, padding)] });
      await new Promise(setImmediate);
    }
    expect(hub.watchers).toBe(0);
    const readOn = async () => {
      while (await events.next());
    };
    await expect(readOn()).rejects.toThrow();
    await gateway.close();
  });
});
