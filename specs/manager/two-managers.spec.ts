import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { JobError } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { JobClient } from '../../src/job-client.js';
import { startManagerRole } from '../../src/roles/manager-role.js';
import type { RunningRole } from '../../src/roles/role.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';

let nats: TestNats;
let client: JobClient;
const managers: RunningRole[] = [];
beforeAll(async () => {
  nats = await startTestNats();
  client = await JobClient.connect(nats.logins.client);
});
afterEach(async () => {
  for (const manager of managers.splice(0)) await manager.stop();
});
afterAll(async () => {
  await client.close();
  await nats.stop();
});

async function startManager(): Promise<RunningRole> {
  const manager = await startManagerRole(nats.config, nats.logins);
  managers.push(manager);
  return manager;
}

/** Asks until it is answered. Whatever may be repeated is: what was not done, and what carries its key. */
async function persist<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof JobError) || !['unavailable', 'outcome_unknown'].includes(error.code)) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

test('a second manager deposes the first, whatever is asked meanwhile: all that was acknowledged is there, once', async () => {
  const first = await startManager();
  const made: Job[] = [];
  let working = true;
  const writers = Array.from({ length: 10 }, async (_, writer) => {
    for (let n = 0; working; n += 1) {
      const job = await persist(() => client.create({ type: 'handover', idempotencyKey: `${writer} ${n}` }));
      made.push(job);
      // What has been acknowledged is read back, whoever of the two answers.
      expect(await persist(() => client.get(job.id))).toMatchObject({ id: job.id, version: 1 });
    }
  });
  await expect.poll(() => made.length).toBeGreaterThan(100);
  const second = await startManager();
  expect(await first.ended).toMatch(/another job manager has taken over/);
  await first.stop();
  const before = made.length;
  await expect.poll(() => made.length).toBeGreaterThan(before + 100);
  working = false;
  await Promise.all(writers);
  expect(new Set(made.map(({ id }) => id)).size).toBe(made.length);
  const { total } = await client.list({ type: 'handover' });
  expect(total).toBe(made.length);
  await second.stop();
});

test('while two managers pass the lead to and fro no reader sees a job go back', async () => {
  let newest = await startManager();
  const { id } = await persist(() => client.create({ type: 'handover' }));
  let acknowledged = 1;
  let working = true;
  const isWorking = () => working;
  const writer = (async () => {
    for (let n = 0; isWorking(); n += 1) {
      const asked = client.ask('update', { id, name: `name ${n}` });
      await asked.then(
        ({ version }) => (acknowledged = Math.max(acknowledged, version)),
        (error: unknown) => expect(error).toMatchObject({ code: expect.stringMatching(/unavailable|outcome_unknown/) as string }),
      );
    }
  })();
  const readers = Array.from({ length: 5 }, async () => {
    while (working) {
      const atLeast = acknowledged;
      const { version } = await persist(() => client.get(id));
      expect(version).toBeGreaterThanOrEqual(atLeast);
    }
  });
  for (let handovers = 0; handovers < 4; handovers += 1) {
    const deposed = newest;
    newest = await startManager();
    await deposed.ended;
    await deposed.stop();
    const since = acknowledged;
    await expect.poll(() => acknowledged).toBeGreaterThan(since + 10);
  }
  working = false;
  await Promise.all([writer, ...readers]);
  expect((await client.get(id)).version).toBeGreaterThanOrEqual(acknowledged);
});
