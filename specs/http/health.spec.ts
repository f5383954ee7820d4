import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { EventReader } from './event-reader.js';
import { call, createJob } from './http.js';
import { RpcClient } from './rpc-client.js';
import { StubHub, startStubGateway } from './stub-gateway.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

describe('the health of the service', () => {
  it('is ready once requests are served, and says what an acknowledgement is worth', async () => {
    expect((await call(service, '/livez')).json()).toEqual({ status: 'ok' });
    expect((await call(service, '/readyz')).json()).toEqual({ status: 'ok' });
    const health = (await call(service, '/healthz')).json();
    expect(health).toMatchObject({
      status: 'ok',
      durability: 'fsynced',
      version: '0.1.0',
      gateway: { watchers: 0 },
      manager: { epoch: 1 },
    });
  });

  it('is alive but not ready while no manager answers', async () => {
    const gateway = await startStubGateway();
    expect((await call(gateway, '/livez')).status).toBe(200);
    const ready = await call(gateway, '/readyz', { token: null });
    expect(ready.problem()).toMatchObject({ status: 503, code: 'unavailable' });
    expect(ready.headers['retry-after']).toBe('1');
    const health = await call(gateway, '/healthz');
    expect([health.status, health.json()]).toMatchObject([503, { status: 'unavailable', durability: 'none: a stub', manager: null }]);
    expect((await call(gateway, '/metrics')).text).toContain('tallyman_up 0\n');
    await gateway.close();
  });

  it('is in the metrics, in Prometheus’ text format', async () => {
    const { id } = await createJob(service, { start: false });
    await call(service, `/v1/jobs/${id}`);
    const answer = await call(service, '/metrics');
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const line of answer.text.trimEnd().split('\n')) {
      expect(line).toMatch(/^# (HELP|TYPE) [a-z_]+ .+$|^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?\d+(\.\d+)?(e[+-]?\d+)?$/);
    }
    expect(answer.text).toContain('tallyman_up 1\n');
    expect(answer.text).toContain('tallyman_jobs{status="pending"} 1\n');
    expect(answer.text).toContain('tallyman_http_requests_total{method="GET",route="/v1/jobs/:id",status="200"} 1\n');
    const names = [...answer.text.matchAll(/# TYPE (\S+)/g)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('is under the prefix of the settings', async () => {
    const gateway = await startStubGateway({}, { TALLYMAN_PREFIX: '2nd-site' });
    expect((await call(gateway, '/metrics')).text).toContain('\n_2nd_site_up 0\n');
    await gateway.close();
  });
});

describe('a gateway that starts', () => {
  it('says so when its port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const port = String((other.address() as AddressInfo).port);
    await expect(startStubGateway({}, { TALLYMAN_HTTP_PORT: port })).rejects.toMatchObject({
      message: expect.stringContaining('TALLYMAN_HTTP_PORT') as string,
    });
    other.close();
  });
});

describe('a gateway that closes', () => {
  it('answers what is under way, ends event streams, and closes WebSockets with 1001', async () => {
    let answer: (text: string) => void = () => undefined;
    const askText = () => new Promise<string>((resolve) => (answer = resolve));
    const hub = new StubHub();
    const gateway = await startStubGateway({ hub, client: { ask: () => Promise.reject(new Error()), askText } });
    const rpc = await RpcClient.open(gateway);
    const events = await EventReader.open(gateway, '/v1/events');
    await events.next();
    const underWay = call(gateway, '/v1/stats', { headers: { connection: 'keep-alive' } });
    await expect.poll(() => answer.length).toBe(1);
    const closed = gateway.close();
    expect(await events.next()).toBeNull();
    expect((await rpc.closed).code).toBe(1001);
    answer('{"done":true}');
    const answered = await underWay;
    expect(answered.json()).toEqual({ done: true });
    expect(answered.headers.connection).toBe('close');
    await closed;
    await expect(call(gateway, '/livez')).rejects.toThrow();
    expect(hub.watchers).toBe(0);
  });

  it('does not wait longer than the ask timeout for anybody', async () => {
    let asked = 0;
    const never = () => new Promise<never>(() => (asked += 1));
    const gateway = await startStubGateway({ client: { ask: never, askText: never } }, { TALLYMAN_ASK_TIMEOUT_MS: '100' });
    const rpc = await RpcClient.open(gateway);
    rpc.ws.pause();
    const { host, hostname, port } = new URL(gateway.url);
    const idle = connect(Number(port), hostname, () => idle.write(`GET /livez HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
    await once(idle, 'data');
    const waiting = call(gateway, '/v1/stats').catch(() => 'cut off');
    await expect.poll(() => asked).toBe(1);
    await Promise.all([gateway.close(), once(idle, 'close')]);
    expect(await waiting).toBe('cut off');
    rpc.close();
  });
});
