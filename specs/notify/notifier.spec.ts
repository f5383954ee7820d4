import { createHmac, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { JobClient } from '../../src/job-client.js';
import { startManager } from '../../src/manager.js';
import { connectNats } from '../../src/nats/connection.js';
import { JetStreamJournal } from '../../src/nats/journal.js';
import type { NotifierOptions } from '../../src/notify/notifier.js';
import { packageRoot } from '../../src/package-root.js';
import { startManagerRole } from '../../src/roles/manager-role.js';
import { subjectsOf } from '../../src/subjects.js';
import { startTestNats } from '../support/nats-server.js';
import { startTestService, type TestService } from '../support/service.js';
import { finish } from './finishing.js';
import { Receiver } from './receiver.js';

const HOWS = ['completed', 'warning', 'failed', 'cancelled'] as const;

let receiver: Receiver;
let service: TestService;
let stop = () => Promise.resolve();
beforeEach(async () => {
  receiver = await Receiver.start();
});
afterEach(async () => {
  await stop();
  await receiver.close();
});

/** The service, which tries again at once. */
async function start(settings: Record<string, string> = {}, outbox: NotifierOptions['outbox'] = {}): Promise<void> {
  service = await startTestService({
    settings: { TALLYMAN_WEBHOOK_PRIVATE: 'allow', ...settings },
    outbox: { backoffMs: () => 10, ...outbox },
  });
  stop = () => service.stop();
}

const told = (options: { on?: (typeof HOWS)[number][]; url?: string } = {}) => ({
  maxRetries: 0,
  notify: { webhook: options.url ?? receiver.url, ...(options.on ? { on: options.on } : {}) },
});

const logOf = async (id: string) => (await service.client.ask('logs', { id })).lines.map(({ text }) => text).join('\n');

describe('a webhook', () => {
  test('of the job is told of every way to finish, with the job as it then is', async () => {
    await start();
    for (const [index, how] of HOWS.entries()) {
      const job = await finish(service.client, how, told());
      const { notice, headers } = (await receiver.gets(index + 1))[index] ?? expect.fail();
      expect(notice).toEqual({ event: how, id: `${job.id}-${job.version}`, job, at: job.finishedAt });
      expect(headers['webhook-id']).toBe(notice.id);
    }
  });

  test('of the settings is told of every job, signed with the secret that was made once', async () => {
    await start({ TALLYMAN_WEBHOOK: receiver.url });
    await finish(service.client, 'completed');
    const [{ headers, body } = expect.fail()] = await receiver.gets(1);
    const file = path.join(service.nats.dir, 'webhook-secret');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const secret = (await readFile(file, 'utf8')).trim();
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
    expect(key).toHaveLength(32);
    const text = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`;
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(text).digest('base64')}`);
  });

  test('can be quiet on success: for one job, and for all', async () => {
    await start({ TALLYMAN_WEBHOOK: receiver.url, TALLYMAN_NOTIFY_ON: 'warning, failed' });
    const own = await Receiver.start();
    for (const how of HOWS) await finish(service.client, how, told({ on: ['failed', 'cancelled'], url: own.url }));
    await finish(service.client, 'warning');
    await own.gets(2);
    await receiver.gets(2);
    await service.restartManager();
    expect(own.events).toEqual(['failed', 'cancelled']);
    expect(receiver.events).toEqual(['failed', 'warning']);
    await own.close();
  });

  test('that answers 500, or is not there, is tried again with the same notice until it has got it', async () => {
    await start();
    receiver.status = 500;
    const job = await finish(service.client, 'completed', told());
    await receiver.gets(3);
    await receiver.close();
    receiver.status = 204;
    await receiver.open();
    await expect.poll(() => receiver.received.length).toBeGreaterThan(3);
    expect(new Set(receiver.ids)).toEqual(new Set([`${job.id}-${job.version}`]));
    const got = receiver.received.length;
    await finish(service.client, 'completed', told());
    await receiver.gets(got + 1);
    expect(receiver.received).toHaveLength(got + 1);
  });

  test('that takes nothing is given up after 15 tries, which the job’s log tells without the key in the URL', async () => {
    await start();
    receiver.status = 503;
    const { id } = await finish(service.client, 'completed', told());
    await expect.poll(() => logOf(id)).toMatch(/webhook at 127\.0\.0\.1:\d+ was not told .* Given up: after 15 tries: it answered 503/);
    expect(await logOf(id)).not.toContain('between-us');
    expect(receiver.received).toHaveLength(15);
  });

  test('on a private address is refused and given up at once, unless it is allowed', async () => {
    await start({ TALLYMAN_WEBHOOK_PRIVATE: 'deny' });
    const { id } = await finish(service.client, 'completed', told());
    await expect.poll(() => logOf(id)).toMatch(/127\.0\.0\.1 is not an address of the public internet/);
    expect(receiver.received).toEqual([]);
  });

  test('that is slow holds up nobody but itself, and only so many notices wait for it', async () => {
    await start({}, { limits: { noticesPerReceiver: 5 } });
    const slow = await Receiver.start();
    slow.status = null;
    const ids: string[] = [];
    for (let n = 0; n < 6; n++) ids.push((await finish(service.client, 'completed', told({ url: slow.url }))).id);
    await finish(service.client, 'completed', told());
    await receiver.gets(1);
    expect(slow.received).toHaveLength(4);
    await expect.poll(() => logOf(ids[5] ?? '')).toMatch(/5 notices wait for it already/);
    await slow.close();
  });

  test.each([
    ['ftp://example.org/', /options\.notify\.webhook: a URL that begins with https/],
    ['https://ada:secret@example.org/', /options\.notify\.webhook: must hold no user and no password/],
    ['https://example.org/ and more', /options\.notify\.webhook: a URL/],
    ['https://', /options\.notify\.webhook: a URL/],
    [`https://example.org/${'x'.repeat(2048)}`, /options\.notify\.webhook: .*2048/],
  ])('%s is refused when the job is made', async (webhook, message) => {
    await start();
    const notify = { webhook };
    await expect(service.client.create({ type: 'probe', options: { notify } })).rejects.toThrow(message);
    await expect(service.client.create({ type: 'rsync', source: '/a', destination: '/b', options: { notify } })).rejects.toThrow(message);
    const { id } = await service.client.create({ type: 'probe' });
    await expect(service.client.ask('update', { id, options: { notify } })).rejects.toThrow(message);
  });
});

test('the example in the docs tells a genuine notice from a forged one', async () => {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  await start({ TALLYMAN_WEBHOOK: receiver.url, TALLYMAN_WEBHOOK_SECRET: secret });
  await finish(service.client, 'completed');
  const [{ headers, body } = expect.fail()] = await receiver.gets(1);
  const page = await readFile(path.join(packageRoot, 'docs/notifications.md'), 'utf8');
  const [, code = ''] = /```js\n([^]*?)```/.exec(page) ?? [];
  const module = `data:text/javascript,${encodeURIComponent(code.replace('function isGenuine', 'export function isGenuine'))}`;
  const { isGenuine } = (await import(/* @vite-ignore */ module)) as { isGenuine: (...request: unknown[]) => boolean };
  expect(isGenuine(headers, body, secret)).toBe(true);
  expect(isGenuine(headers, `${body} `, secret)).toBe(false);
  expect(isGenuine({ ...headers, 'webhook-timestamp': '1700000000' }, body, secret)).toBe(false);
});

describe('over a restart', () => {
  test('the past before the first start is not told, and what was stored but not told before a crash is', async () => {
    const nats = await startTestNats({ TALLYMAN_WEBHOOK_PRIVATE: 'allow', TALLYMAN_WEBHOOK: receiver.url });
    const { config, logins } = nats;
    const client = await JobClient.connect(logins.client);
    const journalNc = await connectNats(logins.journal, 'journal');
    const nc = await connectNats(logins.manager, 'manager');
    /** By a manager whose notices get nowhere: one of an older version, or one that is killed before it tells. */
    const finishUntold = async () => {
      const manager = await startManager({ config, nc, journal: await JetStreamJournal.open({ nc: journalNc, prefix: config.prefix }) });
      const job = await finish(client, 'completed');
      await manager.stop();
      return `${job.id}-${job.version}`;
    };
    await finishUntold();
    await (await startManagerRole(config, logins)).stop();
    const untold = [await finishUntold(), await finishUntold()];
    const manager = await startManagerRole(config, logins);
    const last = await finish(client, 'failed', { maxRetries: 0 });
    await receiver.gets(3);
    expect(receiver.ids.sort()).toEqual([...untold, `${last.id}-${last.version}`].sort());
    await manager.stop();
    for (const each of [client, nc, journalNc]) await each.close();
    await nats.stop();
  });

  test('nothing is told twice that was delivered, and what was not is told then', async () => {
    await start();
    await finish(service.client, 'completed', told());
    await receiver.gets(1);
    const late = await Receiver.start();
    late.status = 500;
    const job = await finish(service.client, 'failed', told({ url: late.url }));
    await late.gets(1);
    late.status = 204;
    const tries = late.received.length;
    await service.restartManager();
    await late.gets(tries + 1);
    expect(new Set(late.ids)).toEqual(new Set([`${job.id}-${job.version}`]));
    await finish(service.client, 'completed', told());
    await receiver.gets(2);
    await service.restartManager();
    await finish(service.client, 'cancelled', told());
    await receiver.gets(3);
    expect(receiver.events).toEqual(['completed', 'completed', 'cancelled']);
    await late.close();
  });

  test('what somebody else wrote among the notices is dropped, and the others are told', async () => {
    await start();
    receiver.status = 500;
    await finish(service.client, 'completed', told());
    await receiver.gets(1);
    const nc = await connectNats(service.nats.logins.notifier, 'notifier');
    const { notice } = subjectsOf('tallyman');
    await nc.jetstream().publish(notice('job', 'forged'), '{"receiver":"job"}');
    receiver.status = 204;
    const tries = receiver.received.length;
    await service.restartManager();
    await receiver.gets(tries + 1);
    const jsm = await nc.jetstreamManager({ checkAPI: false });
    await expect.poll(async () => (await jsm.streams.info('tallyman_NOTICES')).state.messages).toBe(1);
    await nc.close();
  });
});

describe('an event', () => {
  test('reaches every client that listens, whatever the job says of notices', async () => {
    await start();
    const nc = await connectNats(service.nats.logins.client, 'client');
    const heard: { subject: string; id: string | undefined; body: unknown }[] = [];
    nc.subscribe('tallyman.events.>', {
      callback: (_error, msg) => heard.push({ subject: msg.subject, id: msg.headers?.get('Nats-Msg-Id'), body: msg.json() }),
    });
    await nc.flush();
    for (const how of HOWS) {
      const job = await finish(service.client, how, told({ on: [] }));
      const id = `${job.id}-${job.version}`;
      await vi.waitFor(() =>
        expect(heard.at(-1)).toEqual({
          subject: `tallyman.events.${how}.${job.id}`,
          id,
          body: { event: how, id, job, at: job.finishedAt },
        }),
      );
    }
    expect(heard).toHaveLength(4);
    expect(receiver.received).toEqual([]);
    await nc.close();
  });

  test('of one kind can be listened to alone, and an update of a finished job is none', async () => {
    await start();
    const nc = await connectNats(service.nats.logins.client, 'client');
    const heard: string[] = [];
    nc.subscribe('tallyman.events.failed.*', { callback: (_error, msg) => heard.push(msg.json<{ id: string }>().id) });
    await nc.flush();
    const first = await finish(service.client, 'failed', { maxRetries: 0 });
    await service.client.ask('update', { id: first.id, name: 'a better name' });
    await finish(service.client, 'completed');
    const second = await finish(service.client, 'failed', { maxRetries: 0 });
    await expect.poll(() => heard.length).toBeGreaterThan(1);
    expect(heard).toEqual([`${first.id}-${first.version}`, `${second.id}-${second.version}`]);
    await nc.close();
  });
});
