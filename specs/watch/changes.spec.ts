import { headers, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import { JobClient } from '../../src/job-client.js';
import { connectNats } from '../../src/nats/connection.js';
import { FileReader } from '../../src/nats/file-reader.js';
import { LogReader } from '../../src/nats/log-reader.js';
import { ensureJobStreams } from '../../src/nats/job-streams.js';
import { startReaderService } from '../../src/nats/reader-service.js';
import { WatchHub } from '../../src/nats/watch-hub.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';
import { Scribe } from './scribe.js';

let nats: TestNats;
let scribe: Scribe;
let nc: NatsConnection;
let caller: NatsConnection;
let client: JobClient;
let hub: WatchHub;
let service: Awaited<ReturnType<typeof startReaderService>>;
const defects: unknown[] = [];

beforeAll(async () => {
  nats = await startTestNats();
  scribe = await Scribe.start(nats);
  const logsNc = await connectNats(nats.logins.logs, 'logs');
  await ensureJobStreams(await logsNc.jetstreamManager({ checkAPI: false }), 'tallyman');
  await logsNc.close();
});

afterAll(async () => {
  await scribe.nc.close();
  await nats.stop();
});

beforeEach(async () => {
  nc = await connectNats(nats.logins.gateway, 'gateway');
  caller = await connectNats(nats.logins.client, 'client');
  client = new JobClient(caller);
  hub = new WatchHub({ nc, prefix: 'tallyman', client: scribe.client });
  const logs = new LogReader({ nc, prefix: 'tallyman' });
  service = await startReaderService({
    nc,
    prefix: 'tallyman',
    hub,
    logs,
    files: new FileReader({ nc, prefix: 'tallyman', client }),
    writeLog: (message, details) => defects.push({ message, details }),
  });
  for (const id of [...scribe.jobs.keys()]) await scribe.del(id);
  await scribe.put('a');
});

afterEach(async () => {
  await service.stop();
  await hub.close();
  await nc.close();
  await caller.close();
  expect(defects).toEqual([]);
});

const ask = async (body: string, timeoutMs?: number): Promise<{ status: string | undefined; body: Record<string, unknown> }> => {
  const hdrs = headers();
  if (timeoutMs !== undefined) hdrs.set('Ask-Timeout-Ms', String(timeoutMs));
  const msg = await caller.request('tallyman.jobs.changes', body, { timeout: 10_000, headers: hdrs });
  return { status: msg.headers?.get('Nats-Service-Error-Code'), body: msg.json() };
};
const watchersAre = (count: number) => expect.poll(() => hub.watchers).toBe(count);

test('changes without since answers a fresh list', async () => {
  const answer = await client.ask('changes', {});
  expect(answer).toMatchObject({ seq: scribe.seq, reset: true, deleted: [], jobs: [{ id: 'a' }], total: 1 });
});

test('changes with since answers at once what changed, and waits for nothing', async () => {
  const since = scribe.seq;
  expect(await client.ask('changes', { since })).toEqual({ seq: since, jobs: [], deleted: [], reset: false });
  await scribe.put('a', { status: 'failed' });
  await scribe.put('b');
  await scribe.del('b');
  await expect
    .poll(() => client.ask('changes', { since }))
    .toMatchObject({ seq: scribe.seq, jobs: [{ id: 'a', status: 'failed' }], deleted: [], reset: false });
});

test('a long poll answers as soon as something fits, and no sooner', async () => {
  const poll = client.ask('changes', { since: scribe.seq, ids: ['b'], waitMs: 20_000 }, { timeoutMs: 25_000 });
  await watchersAre(1);
  await scribe.put('a', { status: 'running' });
  await scribe.put('b');
  expect(await poll).toMatchObject({ seq: scribe.seq, jobs: [{ id: 'b' }], reset: false });
  await watchersAre(0);
});

test('a long poll that nothing fits ends at waitMs, further on than it began', async () => {
  const since = scribe.seq;
  const poll = client.ask('changes', { since, ids: ['b'], waitMs: 500 });
  await watchersAre(1);
  await scribe.put('a', { status: 'running' });
  expect(await poll).toEqual({ seq: scribe.seq, jobs: [], deleted: [], reset: false });
});

test('a long poll ends within the time that the caller has', async () => {
  const { body } = await ask(JSON.stringify({ since: scribe.seq, waitMs: 60_000 }), 50);
  expect(body).toEqual({ seq: scribe.seq, jobs: [], deleted: [], reset: false });
});

test('changes from a sequence that is not there answers a reset with a fresh list', async () => {
  const answer = await client.ask('changes', { since: scribe.seq + 1000, waitMs: 20_000 });
  expect(answer).toMatchObject({ seq: scribe.seq, reset: true, jobs: [{ id: 'a' }] });
});

test('the client follows a job to its end', async () => {
  const statuses: string[] = [];
  for await (const { jobs } of client.watch({ ids: ['a'] })) {
    statuses.push(...jobs.map((job) => job.status));
    if (statuses.at(-1) === 'queued') await scribe.put('a', { status: 'running' });
    if (statuses.at(-1) === 'running') await scribe.put('a', { status: 'completed' });
    if (statuses.at(-1) === 'completed') break;
  }
  expect(statuses).toEqual(['queued', 'running', 'completed']);
});

test('a bad request gets an error that names the field, whatever it holds', async () => {
  const field = async (body: unknown) => (await ask(JSON.stringify(body))).body;
  expect(await field({ since: -1 })).toMatchObject({ code: 'invalid_request', details: { field: 'since' } });
  expect(await field({ ids: ['../x'] })).toMatchObject({ code: 'invalid_request', details: { field: 'ids[0]' } });
  expect(await field({ status: ['lost'] })).toMatchObject({ code: 'invalid_request', details: { field: 'status[0]' } });
  expect(await field({ colour: 'red' })).toMatchObject({ code: 'invalid_request' });
  for (const body of ['{', '[]', 'null', '"x"', '{"__proto__":{}}', `{"ids":${'['.repeat(5000)}${']'.repeat(5000)}}`, '\u0000']) {
    expect(await ask(body), body.slice(0, 20)).toMatchObject({ status: '400', body: { code: 'invalid_request', executed: 'no' } });
  }
  expect(await ask('x'.repeat(LIMITS.requestBytes + 1))).toMatchObject({ status: '413', body: { code: 'payload_too_large' } });
});

test('more long polls than it can bear are refused, and stopping the service ends those that wait', { timeout: 60_000 }, async () => {
  const body = JSON.stringify({ since: scribe.seq, waitMs: 60_000 });
  const polls = Array.from({ length: LIMITS.parkedPolls }, () => caller.request('tallyman.jobs.changes', body, { timeout: 60_000 }));
  await watchersAre(LIMITS.parkedPolls);
  expect(await ask(body)).toMatchObject({ status: '503', body: { code: 'overloaded' } });
  await service.stop();
  for (const msg of await Promise.all(polls)) expect(msg.json()).toMatchObject({ jobs: [], reset: false });
});

test('the micro service tells its endpoints', async () => {
  const infos = [];
  for await (const info of await caller.services.client().info('tallyman-gateway')) infos.push(info);
  expect(infos.flatMap((info) => info.endpoints.map(({ subject }) => subject)).sort()).toEqual([
    'tallyman.jobs.changes',
    'tallyman.jobs.files',
    'tallyman.jobs.logs',
  ]);
});
