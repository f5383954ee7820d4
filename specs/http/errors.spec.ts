import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, JobError, type ErrorCode } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import { startTestService, type TestService } from '../support/service.js';
import { call, createJob, ownJob, rawCall, type Call } from './http.js';
import { startStubGateway } from './stub-gateway.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const send = (path: string, options?: Call) => call(service, path, options);
const create = (raw: string | Buffer, headers: Record<string, string> = {}) => send('/v1/jobs', { method: 'POST', raw, headers });

describe('every error', () => {
  it('of the catalogue is a problem with its status', async () => {
    const codes = Object.keys(ERROR_CATALOGUE) as ErrorCode[];
    const wanted = { code: codes[0] as ErrorCode };
    const askText = () => Promise.reject(new JobError(wanted.code, 'Do that.', { id: 'x' }));
    const gateway = await startStubGateway({ client: { ask: () => Promise.reject(new Error()), askText } });
    for (const code of codes) {
      wanted.code = code;
      const answer = await call(gateway, '/v1/stats');
      const { status, executed } = ERROR_CATALOGUE[code];
      expect(answer.status).toBe(status);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(answer.problem()).toMatchObject({ code, status, executed, message: 'Do that.', detail: 'Do that.', details: { id: 'x' } });
      expect(answer.problem().type).toBe(`urn:tallyman:error:${code}`);
      expect(answer.headers['retry-after'] !== undefined).toBe(status === 503);
    }
    await gateway.close();
  });

  it('that is a defect has an id that is in the log, and tells nothing else', async () => {
    const askText = () => Promise.reject(new TypeError('secret of the inside'));
    const gateway = await startStubGateway({ client: { ask: () => Promise.reject(new Error()), askText } });
    const answer = await call(gateway, '/v1/stats');
    expect(answer.problem()).toMatchObject({ status: 500, code: 'internal', executed: 'unknown' });
    expect(answer.text).not.toMatch(/secret|at .*\.[jt]s/);
    expect(gateway.logged).toHaveLength(1);
    expect(gateway.logged[0]?.details['id']).toBe(answer.problem().details['id']);
    expect(String(gateway.logged[0]?.details['stack'])).toContain('secret of the inside');
    await gateway.close();
  });

  it('is not made of a client that leaves in the middle of its request', async () => {
    const gateway = await startStubGateway();
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    const head = `POST /v1/jobs HTTP/1.1\r\nHost: ${new URL(gateway.url).host}\r\nAuthorization: Bearer ${gateway.token}\r\n`;
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a"`);
    await call(gateway, '/livez');
    socket.destroy();
    await call(gateway, '/livez');
    await gateway.close();
    expect(gateway.logged).toEqual([]);
  });

  it('says what there is when nothing is there', async () => {
    expect((await send('/v1/nothing')).problem()).toMatchObject({ status: 404, code: 'not_found' });
    expect((await send('/v1/jobs/x/y/z', { method: 'POST' })).problem().code).toBe('not_found');
    const put = await send('/v1/jobs/some', { method: 'PUT', body: {} });
    expect(put.problem()).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(put.headers.allow?.split(', ').sort()).toEqual(['DELETE', 'GET', 'HEAD', 'PATCH']);
    expect((await send('/v1/jobs/claim')).headers.allow).toBe('POST');
  });
});

describe('bad input', () => {
  it.each([
    ['nothing', ''],
    ['half of JSON', '{"type":"probe"'],
    ['text', 'hello'],
    ['a list', '[1,2]'],
    ['null', 'null'],
    ['NUL bytes', '\0\0\0'],
    ['a number that is no number', '{"type":"probe","input":1e999}'],
    ['__proto__', '{"type":"probe","__proto__":{"name":"x"}}'],
    ['__proto__ deep inside', '{"type":"probe","input":{"a":[{"__proto__":{"polluted":1}}]}}'],
    ['an unknown field', '{"type":"probe","colour":"red"}'],
    ['broken UTF-8', Buffer.from('{"type":"probe","input":"\xc3("}', 'latin1')],
    ['great depth', `{"type":"probe","input":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ])('that is %s is refused', async (_what, raw) => {
    const answer = await create(raw);
    expect(answer.problem()).toMatchObject({ status: 400, code: 'invalid_request', executed: 'no' });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each(['{"__proto__":{"name":"x"}}', '{"name":"x","__proto__":null}', `{"labels":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_001)}`])(
    'is refused where the path names the job too',
    async (raw) => {
      const { id } = await createJob(service);
      const answer = await send(`/v1/jobs/${id}`, { method: 'PATCH', raw });
      expect(answer.problem()).toMatchObject({ status: 400, code: 'invalid_request' });
      expect((await send(`/v1/jobs/${id}`)).job().version).toBe(1);
    },
  );

  it('past the limit of the body is refused, with and without its length told', async () => {
    const raw = JSON.stringify(ownJob({ input: 'x'.repeat(LIMITS.requestBytes) }));
    expect((await create(raw)).problem()).toMatchObject({ status: 413, code: 'payload_too_large' });
    const head = `POST /v1/jobs HTTP/1.1\r\nHost: ${new URL(service.url).host}\r\nAuthorization: Bearer ${service.token}\r\nContent-Type: application/json\r\n`;
    const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n${raw.length.toString(16)}\r\n${raw}\r\n0\r\n\r\n`;
    expect(await rawCall(service.url, chunked)).toContain('"payload_too_large"');
  });

  it('that is not JSON by its type is refused', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', 'x']) {
      const answer = await create(JSON.stringify(ownJob()), { 'content-type': type });
      expect(answer.problem()).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    }
    expect((await create(JSON.stringify(ownJob()), { 'content-type': 'application/json; charset=utf-8' })).status).toBe(201);
  });

  it.each([
    ['Ask-Timeout-Ms', '0'],
    ['Ask-Timeout-Ms', '1.5'],
    ['Ask-Timeout-Ms', '99999999'],
    ['Idempotency-Key', 'x'.repeat(201)],
    ['Idempotency-Key', 'a b'],
    ['If-Match', '"x"'],
    ['If-Match', '"1", "2"'],
    ['If-Match', '"99999999999999999999"'],
  ])('in the header %s (%s) is refused, naming the header', async (header, value) => {
    const { id } = await createJob(service);
    const answer = await send(`/v1/jobs/${id}/pause`, { method: 'POST', headers: { [header]: value } });
    expect(answer.problem()).toMatchObject({ status: 400, code: 'invalid_request', details: { header } });
  });

  it('in the path is refused', async () => {
    expect((await send('/%zz')).problem()).toMatchObject({ status: 400, code: 'invalid_request' });
    expect((await send('/v1/jobs/%00')).problem()).toMatchObject({ status: 400, code: 'invalid_request' });
    expect((await send(`/v1/jobs/${'x'.repeat(65)}`)).problem()).toMatchObject({ status: 400, code: 'invalid_request' });
    expect((await send(`/v1/jobs/${encodeURIComponent('../../etc/passwd')}`)).problem().code).toBe('invalid_request');
  });

  it('that is not HTTP is answered and the connection closed', async () => {
    expect(await rawCall(service.url, 'hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400[^]*"invalid_request"/);
    const long = `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`;
    expect(await rawCall(service.url, long)).toMatch(/^HTTP\/1.1 413[^]*"payload_too_large"/);
  });

  it('leaves the service as it was', async () => {
    expect((await createJob(service)).status).toBe('queued');
  });
});

describe('a client that is slow', () => {
  it('to send its request is answered and cut off', async () => {
    const gateway = await startStubGateway({ timings: { requestMs: 200 } });
    const { host, hostname, port } = new URL(gateway.url);
    expect(await rawCall(gateway.url, `GET /livez HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `)).toContain('"invalid_request"');
    const head = `POST /v1/jobs HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${gateway.token}\r\nContent-Type: application/json\r\n`;
    expect(await rawCall(gateway.url, `${head}Content-Length: 100\r\n\r\n{`)).toContain('"invalid_request"');
    const quiet = connect(Number(port), hostname);
    await new Promise((resolve) => quiet.on('close', resolve).resume());
    await gateway.close();
  });
});

describe('a request whose time passes', () => {
  it('was not executed, or has an outcome that is not known, and says which', async () => {
    const alone = await startTestService({ settings: { TALLYMAN_ASK_TIMEOUT_MS: '300' } });
    process.kill(alone.nats.pid(), 'SIGSTOP');
    const stopped = await call(alone, '/v1/jobs', { method: 'POST', body: ownJob() });
    process.kill(alone.nats.pid(), 'SIGCONT');
    expect(stopped.problem()).toMatchObject({ status: 504, code: 'outcome_unknown', executed: 'unknown' });
    await alone.stop();
  });
});
