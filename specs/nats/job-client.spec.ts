import type { Msg, NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JobError } from '../../actors/errors.js';
import { JobClient } from '../../src/job-client.js';
import { connectNats } from '../../src/nats/connection.js';
import { INBOX_PREFIX } from '../../src/subjects.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';
import { startTestService } from '../support/service.js';

test('a caller that tries again without a pause does not keep the connection from coming back', async () => {
  const service = await startTestService({ gateway: false });
  await service.nats.kill();
  const codes = new Set<string>();
  const answered = (async () => {
    for (;;) {
      try {
        return await service.client.list({}, { timeoutMs: 1000 });
      } catch (error) {
        codes.add((error as JobError).code);
      }
    }
  })();
  await expect.poll(() => codes.has('unavailable')).toBe(true);
  await service.nats.restart();
  expect(await answered).toMatchObject({ jobs: [] });
  await service.stop();
});

describe('answers come to those who asked', () => {
  let nats: TestNats;
  let manager: NatsConnection;
  beforeAll(async () => {
    nats = await startTestNats();
    manager = await connectNats(nats.logins.manager, 'manager');
  });
  afterAll(async () => {
    await manager.close();
    await nats.stop();
  });

  const codeOf = async (asked: Promise<unknown>) =>
    await asked.then(
      () => 'answered',
      (error: unknown) => (error as JobError).code,
    );

  /** Keeps the requests of `get` until `count` have come, and hands them over. */
  async function gather(count: number): Promise<Msg[]> {
    const messages: Msg[] = [];
    const subscription = manager.subscribe('tallyman.jobs.get', { max: count });
    for await (const msg of subscription) messages.push(msg);
    return messages;
  }

  test('whatever the order in which they come', async () => {
    const client = await JobClient.connect(nats.logins.client);
    const gathered = gather(3);
    await manager.flush();
    const asked = ['a', 'b', 'c'].map((id) => client.get(id));
    for (const msg of (await gathered).reverse()) msg.respond(msg.data);
    expect(await Promise.all(asked)).toEqual([{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
    await client.close();
  });

  test('a request says for how long it may wait when its client was told, and not otherwise', async () => {
    const [plain, told] = [
      await JobClient.connect(nats.logins.client),
      await JobClient.connect(nats.logins.client, { askTimeoutMs: 7000 }),
    ];
    const gathered = gather(3);
    await manager.flush();
    const asked = [plain.get('a'), plain.get('a', { timeoutMs: 8000 }), told.get('a')];
    const messages = await gathered;
    expect(messages.map((msg) => msg.headers?.get('Ask-Timeout-Ms')).sort()).toEqual(['7000', '8000', undefined]);
    for (const msg of messages) msg.respond(msg.data);
    await Promise.all(asked);
    await Promise.all([plain.close(), told.close()]);
  });

  test('one that comes too late is nobody’s', async () => {
    const client = await JobClient.connect(nats.logins.client);
    const gathered = gather(2);
    await manager.flush();
    expect(await codeOf(client.get('a', { timeoutMs: 1 }))).toBe('outcome_unknown');
    const asked = client.get('b');
    for (const msg of await gathered) msg.respond(msg.data);
    expect(await asked).toEqual({ id: 'b' });
    await client.close();
  });

  test('who gets none is told whether something may have been done', async () => {
    const client = await JobClient.connect(nats.logins.client);
    for (const verb of ['get', 'create']) manager.subscribe(`tallyman.jobs.${verb}`, { max: 1, callback: () => undefined });
    await manager.flush();
    const told = { code: 'outcome_unknown', executed: 'unknown' };
    await expect(client.get('a', { timeoutMs: 1 })).rejects.toMatchObject({
      ...told,
      message: expect.stringMatching(/it changes nothing, so ask again\.$/) as unknown,
    });
    await expect(client.create({ type: 'render' }, { timeoutMs: 1 })).rejects.toMatchObject({
      ...told,
      message: expect.stringContaining('may have been done or not') as unknown,
    });
    await client.close();
  });

  test('who waits when the connection is closed is told at once', async () => {
    const client = await JobClient.connect(nats.logins.client, { askTimeoutMs: 600_000 });
    const gathered = gather(1);
    await manager.flush();
    const asked = codeOf(client.get('a'));
    await gathered;
    await client.close();
    expect(await asked).toBe('outcome_unknown');
  });

  test('nobody answers, a verb is not allowed, or answers cannot be heard: told at once', async () => {
    const nc = await connectNats(nats.logins.worker, 'worker');
    const worker = new JobClient(nc, { inboxPrefix: INBOX_PREFIX.worker, askTimeoutMs: 600_000 });
    expect(await codeOf(worker.get('a'))).toBe('unavailable');
    const both = [worker.create({ type: 'render' }), worker.create({ type: 'render' })];
    expect(await Promise.all(both.map(codeOf))).toEqual(['forbidden', 'forbidden']);
    const deaf = new JobClient(nc, { askTimeoutMs: 600_000 });
    expect(await codeOf(deaf.get('a'))).toBe('forbidden');
    await nc.close();
  });
});
