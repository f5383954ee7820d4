import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isPublic, publicLookup } from '../../src/notify/public-address.js';
import { Webhook, type WebhookOptions } from '../../src/notify/webhook.js';
import { Receiver } from './receiver.js';

const key = randomBytes(32);
const BODY = '{"name":"naïve 🚢"}';
let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.start();
});
afterEach(() => receiver.close());

const post = (url: string, options: Partial<WebhookOptions> = {}, signal = new AbortController().signal) =>
  new Webhook({ key, privateAllowed: true, ...options }).post(url, 'job1-7', BODY, signal);

test('a notice is signed as Standard Webhooks says', async () => {
  await post(receiver.url);
  const [{ headers, body } = expect.fail()] = receiver.received;
  expect(body).toBe(BODY);
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': 'job1-7' });
  const timestamp = headers['webhook-timestamp'] as string;
  expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(5);
  const signed = Buffer.concat([Buffer.from(`job1-7.${timestamp}.`), Buffer.from(BODY)]);
  expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
});

test.each([
  [500, { message: 'it answered 500', isFinal: false }],
  [404, { message: 'it answered 404', isFinal: false }],
  [410, { message: 'it answered 410', isFinal: true }],
])('an answer of %d is no delivery', async (status, failure) => {
  receiver.status = status;
  await expect(post(receiver.url)).rejects.toMatchObject(failure);
});

test('a redirect is not followed, wherever it leads', async () => {
  const other = await Receiver.start();
  for (const location of [other.url, receiver.url]) {
    for (const status of [301, 302, 303, 307, 308]) {
      Object.assign(receiver, { status, headers: { location } });
      await expect(post(receiver.url)).rejects.toThrow(/redirects are not followed/);
    }
  }
  expect(receiver.received).toHaveLength(10);
  expect(other.received).toEqual([]);
  await other.close();
});

test('a receiver that does not answer in time has not got it, and one that only drags out its answer has', async () => {
  receiver.status = null;
  await expect(post(receiver.url, { timeoutMs: 50 })).rejects.toThrow('no answer within 0.05 seconds');
  Object.assign(receiver, { status: 200, headers: { 'content-length': '10' }, answer: 'x' });
  await post(receiver.url, { timeoutMs: 50 });
});

test('of an answer without an end only the beginning is read', async () => {
  Object.assign(receiver, { status: 200, answer: endless() });
  await post(receiver.url, { timeoutMs: 600_000 });
});

test('who is not there has not got it', async () => {
  await receiver.close();
  await expect(post(receiver.url)).rejects.toMatchObject({ message: 'ECONNREFUSED', isFinal: false });
  await expect(post('http://no-such-host.invalid/')).rejects.toMatchObject({ isFinal: false });
});

test('a server whose certificate nobody vouches for gets nothing', async () => {
  const folder = path.join(import.meta.dirname, '../http');
  const [cert, tlsKey] = await Promise.all(['cert', 'key'].map((what) => readFile(path.join(folder, `test-only.${what}.pem`))));
  const requests = vi.fn();
  const server = createServer({ cert, key: tlsKey }, requests).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await expect(post(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`)).rejects.toThrow(/SELF_SIGNED|UNABLE_TO_VERIFY/);
  expect(requests).not.toHaveBeenCalled();
  server.close();
});

test('it ends when it is broken off', async () => {
  receiver.status = null;
  const stopping = new AbortController();
  const posting = post(receiver.url, {}, stopping.signal);
  await receiver.gets(1);
  stopping.abort();
  await expect(posting).rejects.toThrow();
});

test.each(['127.0.0.1', '127.1', '2130706433', '0x7f000001', '017700000001', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0'])(
  'unless private addresses are allowed, %s is refused and nothing is sent',
  async (host) => {
    const url = receiver.url.replace('127.0.0.1', host);
    await expect(post(url, { privateAllowed: false })).rejects.toMatchObject({
      isFinal: true,
      message: expect.stringContaining('TALLYMAN_WEBHOOK_PRIVATE') as string,
    });
    expect(receiver.received).toEqual([]);
  },
);

function* endless(): Generator<string> {
  for (;;) yield 'x'.repeat(1024);
}

/** A resolver that gives these answers, one after the other. */
function resolver(...answers: string[][]) {
  const resolve = vi.fn(
    (_name: string, _options: unknown, callback: (error: null, addresses: { address: string; family: number }[]) => void) => {
      callback(
        null,
        (answers.shift() ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    },
  );
  return resolve as unknown as NonNullable<Parameters<typeof publicLookup>[0]> & typeof resolve;
}

test.each([[['127.0.0.1']], [['93.184.215.14', '127.0.0.1']], [['::1']], [['fe80::1']]])(
  'a name that leads to %s is refused',
  async (addresses) => {
    const url = receiver.url.replace('127.0.0.1', 'rebind.example');
    await expect(post(url, { privateAllowed: false, lookup: publicLookup(resolver(addresses)) })).rejects.toThrow(/rebind\.example/);
    expect(receiver.received).toEqual([]);
  },
);

test('a name that changes its address gains nothing: the address that was checked is the one that is used', () => {
  const resolve = resolver(['93.184.215.14'], ['127.0.0.1']);
  const lookup = publicLookup(resolve);
  const used = vi.fn();
  lookup('rebind.example', {}, used);
  expect(used).toHaveBeenCalledExactlyOnceWith(null, '93.184.215.14', 4);
  expect(resolve).toHaveBeenCalledOnce();
  lookup('rebind.example', { all: true }, used);
  expect(used.mock.lastCall?.[0]).toBeInstanceOf(Error);
});

test('what is an address of the public internet', () => {
  const closed =
    '0.0.0.0 10.1.2.3 100.64.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 198.18.0.1 224.0.0.1 255.255.255.255 :: ::1 ::ffff:8.8.8.8 64:ff9b::a00:1 fc00::1 fd12::1 fe80::1 ff02::1 2002:7f00:1:: 2001:db8::1 2001::1 name';
  const open = '8.8.8.8 1.1.1.1 172.32.0.1 100.128.0.1 93.184.215.14 2606:4700:4700::1111 2a00:1450:4001::200e';
  expect(closed.split(' ').filter(isPublic)).toEqual([]);
  expect(open.split(' ').filter((address) => !isPublic(address))).toEqual([]);
});
