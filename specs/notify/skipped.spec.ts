import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { StringCodec } from 'nats';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectNats } from '../../src/nats/connection.js';
import type { SkipNotice } from '../../src/notify/notice.js';
import { subjectsOf } from '../../src/subjects.js';
import { startTestService, type TestService } from '../support/service.js';
import { Receiver } from './receiver.js';

let receiver: Receiver;
let service: TestService;
beforeEach(async () => {
  receiver = await Receiver.start();
  service = await startTestService({ settings: { TALLYMAN_WEBHOOK_PRIVATE: 'allow' }, outbox: { backoffMs: () => 10 } });
});
afterEach(async () => {
  await service.stop();
  await receiver.close();
});

/** Every second, of which the first run never ends. */
const everySecond = (notify: object) => ({ name: 'often', cron: '* * * * * *', job: { type: 'probe', options: { notify } } });

test('a run that did not happen is told to the webhook of its job and on NATS', async () => {
  const listener = await connectNats(service.nats.logins.client, 'client');
  const events = listener.subscribe(subjectsOf(service.config.prefix).event('skipped', '*'), { max: 1 });
  await listener.flush();
  const schedule = await service.client.ask('schedule_create', everySecond({ webhook: receiver.url }));
  const [{ notice } = expect.fail()] = await receiver.gets(1);
  const { event, skip, schedule: told } = notice as SkipNotice;
  expect([event, told.id, skip.code]).toEqual(['skipped', schedule.id, 'overlap']);
  expect(skip.why).toMatch(/had not ended/);
  for await (const message of events) {
    expect(message.subject.endsWith(`skipped.${schedule.id}`)).toBe(true);
    expect(JSON.parse(StringCodec().decode(message.data))).toMatchObject({ event: 'skipped', schedule: { id: schedule.id } });
  }
  await listener.close();
});

test('each once, whatever is restarted in between', async () => {
  const { id } = await service.client.ask('schedule_create', everySecond({ webhook: receiver.url }));
  await receiver.gets(1);
  await service.restartManager();
  const before = receiver.received.length;
  await receiver.gets(before + 2);
  await service.client.ask('schedule_delete', { id });
  const times = new Map(receiver.received.map(({ notice }) => [notice.id, (notice as SkipNotice).skip.at]));
  expect(new Set(times.values()).size).toBe(times.size);
});

test('to nobody whose job says that it wants to hear of others only', async () => {
  const quiet = await service.client.ask('schedule_create', everySecond({ webhook: receiver.url, on: ['failed'] }));
  await service.client.ask('schedule_create', everySecond({ webhook: receiver.url }));
  await receiver.gets(2);
  expect(receiver.received.map(({ notice }) => (notice as SkipNotice).schedule.id)).not.toContain(quiet.id);
});

test('to the program of the settings, with what it is about in its environment', async () => {
  const script = path.join(service.nats.dir, 'tell.mjs');
  const said = path.join(service.nats.dir, 'said');
  const words = ['EVENT', 'SCHEDULE_NAME', 'SKIPPED_CODE'].map((name) => `process.env.TALLYMAN_${name}`).join();
  await writeFile(script, `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(said)}, [${words}].join(' '));`);
  const command = JSON.stringify([process.execPath, script]);
  const other = await startTestService({ settings: { TALLYMAN_NOTIFY_COMMAND: command, TALLYMAN_NOTIFY_ON: 'skipped' } });
  await other.client.ask('schedule_create', everySecond({}));
  await expect.poll(() => readFile(said, 'utf8').catch(() => ''), { timeout: 20_000 }).toContain('skipped often overlap');
  await other.stop();
});
