import { afterEach, beforeEach, expect, test } from 'vitest';
import { endProcess, startSplitService, type SplitService } from '../support/split-service.js';
import { finish } from './finishing.js';
import { Receiver } from './receiver.js';

let receiver: Receiver;
let service: SplitService;
beforeEach(async () => {
  receiver = await Receiver.start();
  service = await startSplitService({ TALLYMAN_WEBHOOK_PRIVATE: 'allow', TALLYMAN_WEBHOOK: receiver.url });
});
afterEach(async () => {
  await service.stop();
  await receiver.close();
});

test('killed between the end of a job and the delivery, the service delivers after its next start', async () => {
  const killed = await service.startManager();
  const client = await service.connect();
  receiver.status = 500;
  const job = await finish(client, 'completed');
  await receiver.gets(1);
  await endProcess(killed, 'SIGKILL');
  receiver.status = 204;
  const tries = receiver.received.length;
  await service.startManager();
  await receiver.gets(tries + 1);
  expect(new Set(receiver.ids)).toEqual(new Set([`${job.id}-${job.version}`]));
});

test('killed at any moment, it loses no notice, and repeats none but the last', { timeout: 60_000 }, async () => {
  const finished: string[] = [];
  for (let crash = 0; crash < 3; crash++) {
    const running = await service.startManager();
    const client = await service.connect();
    for (let n = 0; n < 10; n++) {
      const job = await finish(client, 'completed');
      finished.push(`${job.id}-${job.version}`);
    }
    // At once: what was just answered may not have been told yet.
    await endProcess(running, 'SIGKILL');
  }
  const last = await service.startManager();
  await expect.poll(() => finished.filter((id) => !receiver.ids.includes(id)), { timeout: 20_000 }).toEqual([]);
  const client = await service.connect();
  await finish(client, 'failed', { maxRetries: 0 });
  await expect.poll(() => receiver.events).toContain('failed');
  // What was on its way at a crash comes again, twice if it was stored and is told once more: nothing else does.
  expect(receiver.ids.length).toBeLessThanOrEqual(finished.length + 1 + 3 * 10 * 2);
  expect(new Set(receiver.ids).size).toBe(finished.length + 1);
  await endProcess(last, 'SIGTERM');
  const told = receiver.ids.length;
  await service.startManager();
  await finish(await service.connect(), 'cancelled');
  await expect.poll(() => receiver.events).toContain('cancelled');
  expect(receiver.ids).toHaveLength(told + 1);
});
