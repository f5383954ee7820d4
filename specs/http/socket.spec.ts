import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { JobError } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { startTestService, type TestService } from '../support/service.js';
import { call, createJob, ownJob } from './http.js';
import { RpcClient, type RpcAnswer } from './rpc-client.js';
import { StubHub, startStubGateway, stubJob } from './stub-gateway.js';

let service: TestService;
let rpc: RpcClient;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());
beforeEach(async () => {
  rpc = await RpcClient.open(service);
});
afterEach(() => rpc.close());

const request = (id: unknown, method: string, params: unknown = {}) => ({ jsonrpc: '2.0', id, method, params });

describe('a request over the WebSocket', () => {
  it('answers what the verb answers', async () => {
    const job = (await rpc.call('jobs.create', ownJob())).result as Job;
    expect(job).toMatchObject({ status: 'queued', version: 1 });
    expect((await rpc.call('jobs.get', { id: job.id })).result).toEqual(await service.client.get(job.id));
    expect((await rpc.call('jobs.pause', { ids: [job.id] })).result).toMatchObject({ results: [{ job: { status: 'paused' } }] });
    expect((await rpc.call('jobs.logs', { id: job.id })).result).toEqual({ lines: [], last: 0 });
    expect((await rpc.call('jobs.stats')).result).toMatchObject({ epoch: 1 });
  });

  it('answers an error with the body that every front end gives', async () => {
    const { error } = await rpc.call('jobs.get', { id: 'nobody' });
    const http = (await call(service, '/v1/jobs/nobody')).problem();
    expect(error).toEqual({ code: -32000, message: http.message, data: expect.anything() as object });
    expect(http).toMatchObject({ ...error?.data });
    const { id } = await createJob(service);
    expect((await rpc.call('jobs.pause', { id, ifVersion: 9 })).error?.data).toMatchObject({ code: 'version_conflict', status: 412 });
  });

  it.each([
    ['half of JSON', '{"jsonrpc"', -32700, null],
    ['nothing', '', -32600, null],
    ['no JSON-RPC', '{"method":"jobs.list","id":1}', -32600, 1],
    ['no method', '{"jsonrpc":"2.0","id":"a"}', -32600, 'a'],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"jobs.list"}', -32600, null],
    ['a number', '7', -32600, null],
    ['null', 'null', -32600, null],
    ['an empty batch', '[]', -32600, null],
    ['a batch that is too long', JSON.stringify(Array(LIMITS.rpcBatch + 1).fill(request(1, 'jobs.stats'))), -32600, null],
    ['params in a list', '{"jsonrpc":"2.0","id":1,"method":"jobs.list","params":[1]}', -32602, 1],
    ['an unknown method', '{"jsonrpc":"2.0","id":1,"method":"jobs.explode"}', -32601, 1],
    ['a method of objects', '{"jsonrpc":"2.0","id":1,"method":"constructor"}', -32601, 1],
    ['bad params', '{"jsonrpc":"2.0","id":1,"method":"jobs.get","params":{"id":7}}', -32602, 1],
    ['bad params of a watch', '{"jsonrpc":"2.0","id":1,"method":"jobs.watch","params":{"since":-1}}', -32602, 1],
    ['__proto__', '{"jsonrpc":"2.0","id":1,"method":"jobs.create","params":{"__proto__":{}}}', -32700, null],
    [
      'great depth',
      `{"jsonrpc":"2.0","id":1,"method":"jobs.list","params":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
      -32700,
      null,
    ],
  ])('that is %s gets the JSON-RPC error, and the socket stays', async (_what, text, code, id) => {
    const answer = (await rpc.exchange(text)) as RpcAnswer;
    expect(answer).toMatchObject({ jsonrpc: '2.0', id, error: { code, data: { executed: 'no' } } });
    expect((await rpc.call('jobs.stats')).result).toBeDefined();
  });

  it('in a batch is answered in one, notifications and errors among them', async () => {
    const calls = [
      request(1, 'jobs.create', ownJob()),
      { jsonrpc: '2.0', method: 'jobs.stats' },
      7,
      request('x', 'jobs.get', { id: 'nobody' }),
    ];
    const answers = (await rpc.exchange(JSON.stringify(calls))) as RpcAnswer[];
    expect(answers.map(({ id, result, error }) => [id, result !== undefined, error?.data.code])).toEqual([
      [1, true, undefined],
      [null, false, 'invalid_request'],
      ['x', false, 'job_not_found'],
    ]);
  });

  it('without an id is done and not answered', async () => {
    rpc.ws.send(JSON.stringify({ jsonrpc: '2.0', method: 'jobs.create', params: ownJob({ type: 'quiet' }) }));
    rpc.ws.send(JSON.stringify({ jsonrpc: '2.0', method: 'jobs.explode' }));
    await expect.poll(async () => (await service.client.list({ type: 'quiet' })).total).toBe(1);
    expect(rpc.messages).toEqual([]);
  });

  it('that is too large, binary or not UTF-8 closes the socket with the code for it', async () => {
    rpc.ws.send(JSON.stringify(request(1, 'jobs.create', ownJob({ input: 'x'.repeat(LIMITS.requestBytes) }))));
    expect((await rpc.closed).code).toBe(1009);
    const binary = await RpcClient.open(service);
    binary.ws.send(Buffer.from('{}'), { binary: true });
    expect((await binary.closed).code).toBe(1003);
    const broken = await RpcClient.open(service);
    broken.ws.send(Buffer.from([0xff, 0xfe]), { binary: false });
    expect((await broken.closed).code).toBe(1007);
  });

  it('beyond the limit of unanswered ones is overloaded at once, and the others go on', async () => {
    const answers: (() => void)[] = [];
    const askText = () => new Promise<string>((resolve) => answers.push(() => resolve('{}')));
    const gateway = await startStubGateway({ client: { ask: () => Promise.reject(new Error()), askText } });
    const client = await RpcClient.open(gateway);
    const waiting = Array.from({ length: LIMITS.socketRequestsInFlight }, () => client.call('jobs.stats'));
    expect((await client.call('jobs.stats')).error?.data).toMatchObject({ code: 'overloaded', executed: 'no' });
    for (const answer of answers) answer();
    expect((await Promise.all(waiting)).every(({ result }) => result !== undefined)).toBe(true);
    client.close();
    await gateway.close();
  });
});

describe('a watch', () => {
  it('gives the jobs as they are, then each change, until unwatch', async () => {
    const before = await createJob(service);
    const { watch, seq, jobs, reset } = (await rpc.call('jobs.watch', {})).result as {
      watch: number;
      seq: number;
      jobs: Job[];
      reset: boolean;
    };
    expect(reset).toBe(true);
    expect(jobs.map(({ id }) => id)).toContain(before.id);
    const made = (await rpc.call('jobs.create', ownJob())).result as Job;
    await expect.poll(() => rpc.notified('jobs.changed')).toMatchObject([{ watch, jobs: [made], deleted: [] }]);
    expect(rpc.notified('jobs.changed')[0]?.seq).toBeGreaterThan(seq);
    await rpc.call('jobs.delete', { id: made.id });
    await expect.poll(() => rpc.notified('jobs.changed').at(-1)).toMatchObject({ watch, jobs: [], deleted: [made.id] });
    expect((await rpc.call('jobs.unwatch', { watch })).result).toEqual({});
    const told = rpc.notified('jobs.changed').length;
    const second = (await rpc.call('jobs.watch', { ids: [before.id] })).result as { watch: number };
    await rpc.call('jobs.pause', { id: before.id });
    await expect.poll(() => rpc.notified('jobs.changed').slice(told)).toMatchObject([{ watch: second.watch }]);
    expect((await rpc.call('jobs.unwatch', { watch })).error?.data.code).toBe('invalid_request');
  });

  it('goes on with since after the connection broke, and says reset when it cannot', async () => {
    const { seq } = (await rpc.call('jobs.watch', {})).result as { seq: number };
    rpc.close();
    const { id } = await createJob(service);
    const again = await RpcClient.open(service);
    expect((await again.call('jobs.watch', { since: seq })).result).toMatchObject({ reset: false, jobs: [{ id }], deleted: [] });
    expect((await again.call('jobs.watch', { since: 999_999_999, ids: [id] })).result).toMatchObject({ reset: true, jobs: [{ id }] });
    again.close();
  });

  it('gives a fresh list as jobs.reset when the history was lost under it', async () => {
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub });
    const client = await RpcClient.open(gateway);
    await client.call('jobs.watch', {});
    hub.emit({ kind: 'reset', seq: 9, jobs: [stubJob('a', 3)] });
    await expect.poll(() => client.notified('jobs.reset')).toMatchObject([{ watch: 1, seq: 9, jobs: [{ id: 'a' }], deleted: [] }]);
    client.close();
    await expect.poll(() => hub.watchers).toBe(0);
    await gateway.close();
  });

  it('is told nothing before the answer that it stands', async () => {
    const hub = new StubHub();
    const watch = hub.watch.bind(hub);
    hub.watch = async (filter, since, sink) => {
      const started = await watch(filter, since, sink);
      hub.emit({ seq: 2, jobs: [stubJob('early', 1)] });
      return started;
    };
    const gateway = await startStubGateway({ hub });
    const client = await RpcClient.open(gateway);
    client.ws.send(JSON.stringify([request(1, 'jobs.watch'), request(2, 'jobs.watch')]));
    await expect.poll(() => client.notified('jobs.changed').map(({ watch }) => watch)).toEqual([1, 2]);
    expect(client.messages[0]).toMatchObject([{ id: 1 }, { id: 2 }]);
    client.close();
    await gateway.close();
  });

  it('beyond the limit of one socket is overloaded', async () => {
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub });
    const client = await RpcClient.open(gateway);
    for (let n = 0; n < LIMITS.watchesPerSocket; n++) await client.call('jobs.watch', {});
    expect((await client.call('jobs.watch', {})).error?.data.code).toBe('overloaded');
    await client.call('jobs.unwatch', { watch: 1 });
    expect((await client.call('jobs.watch', {})).error).toBeUndefined();
    hub.watch = () => Promise.reject(new JobError('overloaded', 'Too many watchers.'));
    await client.call('jobs.unwatch', { watch: 2 });
    expect((await client.call('jobs.watch', {})).error?.data.message).toBe('Too many watchers.');
    client.close();
    await gateway.close();
  });
});

describe('a slow reader of a WebSocket', () => {
  const padding = 'x'.repeat(100_000);

  it('is given the newest state of each job only, and the last one for certain', async () => {
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub });
    const client = await RpcClient.open(gateway);
    await client.call('jobs.watch', {});
    client.ws.pause();
    for (let version = 1; version <= 400; version++) {
      hub.emit({ seq: version + 1, jobs: [stubJob('a', version, padding), stubJob('b', version)] });
      await new Promise(setImmediate);
    }
    hub.emit({ seq: 500, deleted: ['b'] });
    client.ws.resume();
    await expect.poll(() => client.notified('jobs.changed').at(-1)?.deleted).toEqual(['b']);
    const versions = client
      .notified('jobs.changed')
      .flatMap(({ jobs }) => jobs.filter(({ id }) => id === 'a').map(({ version }) => version));
    expect(versions.at(-1)).toBe(400);
    expect(versions.length).toBeLessThan(400);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    client.close();
    await gateway.close();
  });

  it('is cut off with 1013 when even that is too much', async () => {
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub });
    const client = await RpcClient.open(gateway);
    await client.call('jobs.watch', {});
    client.ws.pause();
    for (let n = 1; n < 1000 && hub.watchers > 0; n++) {
      hub.emit({ seq: n + 1, jobs: [stubJob(`job-${n}`, 1, padding)] });
      await new Promise(setImmediate);
    }
    expect(hub.watchers).toBe(0);
    client.ws.resume();
    expect(await client.closed).toMatchObject({ code: 1013 });
    await gateway.close();
  });

  it('is cut off with 1013 when it asks on and on and does not read', async () => {
    const answer = JSON.stringify(padding);
    const gateway = await startStubGateway({ client: { ask: () => Promise.reject(new Error()), askText: () => Promise.resolve(answer) } });
    const client = await RpcClient.open(gateway);
    client.ws.pause();
    for (let n = 0; n < 1000; n++) {
      client.ws.send(JSON.stringify(request(n, 'jobs.stats')));
      if (n % 50 === 0) await new Promise(setImmediate);
    }
    client.ws.resume();
    expect(await client.closed).toMatchObject({ code: 1013 });
    expect(client.messages.length).toBeLessThan(1000);
    await gateway.close();
  });
});

describe('a WebSocket whose other side is gone', () => {
  it('is ended when it does not answer two signs of life', async () => {
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub, timings: { heartbeatMs: 50 } });
    const alive = await RpcClient.open(gateway);
    const dead = await RpcClient.open(gateway, { autoPong: false });
    await alive.call('jobs.watch', {});
    dead.ws.send(JSON.stringify(request(1, 'jobs.watch')));
    expect(await dead.closed).toMatchObject({ code: 1013 });
    await expect.poll(() => hub.watchers).toBe(1);
    expect((await alive.call('jobs.unwatch', { watch: 1 })).result).toEqual({});
    alive.close();
    await gateway.close();
  });
});
