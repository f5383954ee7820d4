import { request } from 'node:https';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestService, type TestService } from '../support/service.js';
import { call, ownJob, rawCall, type Call } from './http.js';
import { startStubGateway } from './stub-gateway.js';

let service: TestService;
let port: string;
let cookie: string;
beforeAll(async () => {
  service = await startTestService();
  port = new URL(service.url).port;
  const login = await call(service, `/?token=${service.token}`, { token: null });
  cookie = login.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
});
afterAll(() => service.stop());

const send = (where: string, options?: Call) => call(service, where, options);
const browser = (headers: Record<string, string> = {}, options: Call = {}) =>
  send('/v1/jobs', { ...options, token: null, headers: { cookie, ...headers } });
const write = (headers: Record<string, string>) => browser(headers, { method: 'POST', body: ownJob() });

/** The status that opening a WebSocket is answered with; 101 when it opens. */
function openSocket(headers: Record<string, string>, where = '/v1/socket'): Promise<number> {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(service.url.replace('http', 'ws') + where, { headers });
    ws.on('open', () => resolve(101));
    ws.on('open', () => ws.terminate());
    ws.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    ws.on('error', reject);
  });
}

describe('the token', () => {
  const guarded = [
    '/',
    '/v1/jobs',
    '/v1/jobs/x',
    '/v1/jobs/x/log',
    '/v1/stats',
    '/v1/events',
    '/metrics',
    '/healthz',
    '/openapi.json',
    '/dashboard/app.js',
    '/v1/nothing',
  ];
  it.each(guarded)('is needed for %s', async (where) => {
    const answer = await send(where, { token: null });
    expect(answer.problem()).toMatchObject({ status: 401, code: 'unauthorized', executed: 'no' });
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  it('is not needed to ask whether the service lives and serves', async () => {
    for (const probe of ['/livez', '/readyz']) expect((await send(probe, { token: null, headers: { host: 'anybody' } })).status).toBe(200);
  });

  it.each(['', 'Bearer', 'Bearer wrong', 'Basic YTpi', `Bearer ${'x'.repeat(5000)}`, 'Bearer a-token-for-the-specs more', 'bearer'])(
    'is not taken as %j',
    async (authorization) => {
      expect((await send('/v1/jobs', { token: null, headers: { authorization } })).status).toBe(401);
    },
  );

  it('is not taken from the address but at the dashboard', async () => {
    expect((await send(`/v1/jobs?token=${service.token}`, { token: null })).status).toBe(401);
    expect((await send('/?token=wrong', { token: null })).status).toBe(401);
    expect((await send('/?token=', { token: null })).status).toBe(401);
  });
});

describe('a browser', () => {
  it('that opens the printed address gets a cookie that no script and no other site can use, and the address without the token', async () => {
    const answer = await send(`/?token=${service.token}`, { token: null });
    expect([answer.status, answer.headers.location]).toEqual([303, '/']);
    const [set = ''] = answer.headers['set-cookie'] ?? [];
    expect(set).toMatch(/; HttpOnly/);
    expect(set).toMatch(/; SameSite=Strict/);
    expect(set).not.toContain(service.token);
    const page = await send('/', { token: null, headers: { cookie: `other=1; ${cookie}` } });
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
  });

  it('reads with the cookie, and is refused with another', async () => {
    expect((await browser()).status).toBe(200);
    const [name] = cookie.split('=');
    for (const bad of [`${name}=`, `${name}=x`, `${name}=${service.token}`, `x${cookie}`])
      expect((await browser({ cookie: bad })).status).toBe(401);
  });

  it('changes things from the dashboard’s own pages only', async () => {
    expect((await write({ origin: service.url })).status).toBe(201);
    expect((await write({ 'sec-fetch-site': 'same-origin' })).status).toBe(201);
    const foreign = [
      'http://evil.example',
      `http://127.0.0.1:${Number(port) + 1}`,
      `https://127.0.0.1:${port}`,
      `http://localhost:${port}`,
      'null',
      '',
    ];
    for (const origin of foreign)
      expect((await write({ origin, 'sec-fetch-site': 'same-origin' })).problem()).toMatchObject({ status: 403, code: 'forbidden' });
    for (const site of ['cross-site', 'same-site', 'none']) expect((await write({ 'sec-fetch-site': site })).status).toBe(403);
    expect((await write({})).status).toBe(403);
  });

  it('is told in a sentence when it has no cookie', async () => {
    const answer = await send('/', { token: null, headers: { accept: 'text/html' } });
    expect([answer.status, answer.headers['content-type']]).toEqual([401, 'text/plain; charset=utf-8']);
    expect(answer.text).toContain('open in the browser the address');
  });

  it('gets the dashboard with a strict policy, and 304 while it is the same', async () => {
    const page = await send('/');
    expect(page.headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    expect(page.headers['content-security-policy']).not.toContain('unsafe');
    expect(page.text).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=/);
    const files = [...page.text.matchAll(/(?:href|src)="(\/dashboard\/[^"]+)"/g)].map(([, file = '']) => file);
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) {
      const { status, headers } = await send(file);
      expect([file, status, headers['x-content-type-options']]).toEqual([file, 200, 'nosniff']);
      expect((await send(file, { headers: { 'if-none-match': headers.etag ?? '' } })).status).toBe(304);
    }
  });

  it.each(['..%2f..%2fpackage.json', '%2e%2e%2fdashboard%2fapp.js', 'app.js%00', 'jsconfig.json', 'nothing.js', '.js', 'x'.repeat(90)])(
    'gets no other file as %s',
    async (file) => {
      expect((await send(`/dashboard/${file}`)).status).toBeGreaterThanOrEqual(400);
      expect((await send(`/dashboard/${file}`)).problem().code).toMatch(/not_found|invalid_request/);
    },
  );
});

describe('a name that is not the service’s own', () => {
  it('in the Host header is refused, since a page may have made it point here', async () => {
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${Number(port) + 1}`,
      `127.0.0.1.evil.example:${port}`,
      `user@127.0.0.1:${port}`,
      `0x7f.1:${port}`,
    ]) {
      expect((await send('/v1/jobs', { headers: { host } })).problem()).toMatchObject({ status: 403, code: 'forbidden' });
      expect((await send(`/?token=${service.token}`, { token: null, headers: { host } })).status).toBe(403);
    }
    for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`, `127.0.0.2:${port}`])
      expect((await send('/v1/jobs', { headers: { host } })).status).toBe(200);
    expect(await rawCall(service.url, `GET /v1/jobs HTTP/1.0\r\nAuthorization: Bearer ${service.token}\r\n\r\n`)).toMatch(/^HTTP\/1.1 403/);
  });
});

describe('a program with the token', () => {
  it('needs no Origin, and may not have a foreign one', async () => {
    expect((await send('/v1/jobs', { method: 'POST', body: ownJob() })).status).toBe(201);
    expect((await send('/v1/jobs', { method: 'POST', body: ownJob(), headers: { origin: 'http://evil.example' } })).status).toBe(403);
  });
});

describe('a WebSocket', () => {
  const bearer = () => ({ authorization: `Bearer ${service.token}` });
  it('opens with the token, or with the cookie from the own page', async () => {
    expect(await openSocket(bearer())).toBe(101);
    expect(await openSocket({ cookie, origin: service.url })).toBe(101);
  });

  it('is refused without them, from a foreign page, under a foreign name, and elsewhere', async () => {
    expect(await openSocket({})).toBe(401);
    expect(await openSocket({ cookie })).toBe(403);
    expect(await openSocket({ cookie, origin: 'http://evil.example' })).toBe(403);
    expect(await openSocket({ ...bearer(), origin: 'http://evil.example' })).toBe(403);
    expect(await openSocket({ ...bearer(), host: 'evil.example' })).toBe(403);
    expect(await openSocket(bearer(), '/v1/jobs')).toBe(404);
    const head = `GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${service.token}\r\nConnection: Upgrade\r\n`;
    expect(await rawCall(service.url, `${head}Upgrade: h2c\r\n\r\n`)).toContain('"invalid_request"');
    expect((await send('/v1/socket')).problem().code).toBe('invalid_request');
  });
});

describe('with TLS', () => {
  const fixture = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const files = { TALLYMAN_TLS_CERT: fixture('test-only.cert.pem'), TALLYMAN_TLS_KEY: fixture('test-only.key.pem') };

  it('the names of the certificate are the service’s own, and the cookie is for TLS only', async () => {
    const gateway = await startStubGateway({}, files);
    const tlsPort = new URL(gateway.url).port;
    const get = (host: string) =>
      new Promise<{ status: number; cookie: string }>((resolve, reject) => {
        const sent = request(
          `${gateway.url}/?token=${gateway.token}`,
          { rejectUnauthorized: false, agent: false, headers: { host } },
          (response) => {
            resolve({ status: response.statusCode ?? 0, cookie: response.headers['set-cookie']?.[0] ?? '' });
            response.resume();
          },
        );
        sent.on('error', reject).end();
      });
    expect(await get(`tally.example:${tlsPort}`)).toMatchObject({ status: 303, cookie: expect.stringContaining('; Secure') as string });
    expect((await get(`evil.example:${tlsPort}`)).status).toBe(403);
    await gateway.close();
  });

  it('files that are no good are told at the start', async () => {
    const swapped = { TALLYMAN_TLS_CERT: files.TALLYMAN_TLS_KEY, TALLYMAN_TLS_KEY: files.TALLYMAN_TLS_CERT };
    await expect(startStubGateway({}, swapped)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(startStubGateway({}, { ...files, TALLYMAN_TLS_KEY: fixture('nothing.pem') })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});
