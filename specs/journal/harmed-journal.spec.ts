import type { JetStreamManager, NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { JobError } from '../../actors/errors.js';
import { readConfig } from '../../src/config.js';
import { JobClient } from '../../src/job-client.js';
import { startManager, type RunningManager } from '../../src/manager.js';
import { JetStreamJournal } from '../../src/nats/journal.js';
import { subjectsOf } from '../../src/subjects.js';
import { OpenServer } from './open-server.js';

/** What a running manager does when somebody, or a disk, harms its journal. */
const { journal: subject, journalStream } = subjectsOf('tallyman');
const config = readConfig({ TALLYMAN_ASK_TIMEOUT_MS: '2000', TALLYMAN_ROOTS: '/' });

let server: OpenServer;
let nc: NatsConnection;
let jsm: JetStreamManager;
let client: JobClient;
let manager: RunningManager;
beforeEach(async () => {
  server = await OpenServer.start();
  nc = await server.connect();
  jsm = await nc.jetstreamManager();
  client = new JobClient(nc, { prefix: config.prefix, askTimeoutMs: config.askTimeoutMs });
  manager = await startOne();
});
afterEach(async () => {
  await manager.stop();
  await server.stop();
});

async function startOne(): Promise<RunningManager> {
  const journal = await JetStreamJournal.open({ nc, prefix: config.prefix, timeoutMs: 500 });
  return await startManager({ config, nc, journal });
}

const codeOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'answered',
    (error: unknown) => (error instanceof JobError ? error.code : `a stranger: ${String(error)}`),
  );

const anotherStream = async () => {
  await jsm.streams.delete(journalStream);
  await jsm.streams.add({ name: journalStream, subjects: [subject] });
};

const harms: [string, () => Promise<unknown>][] = [
  ['deleted', () => jsm.streams.delete(journalStream)],
  ['made anew', anotherStream],
  [
    'made anew and grown past where it was',
    async () => {
      await anotherStream();
      for (let n = 0; n < 10; n += 1) await nc.jetstream().publish(subject, 'somebody else');
    },
  ],
  ['written to by a stranger, in no format of ours', () => nc.jetstream().publish(subject, 'somebody else')],
];

describe.each(harms)('a journal that was %s under the running manager', (_what, harm) => {
  test.each(['write', 'read'] as const)('makes it stop at the next %s, say why, and acknowledge nothing any more', async (next) => {
    await client.create({ type: 'probe', name: 'before' });
    await harm();
    manager.doubt();
    expect(await codeOf(next === 'write' ? client.create({ type: 'probe' }) : client.list())).toMatch(/^(unavailable|outcome_unknown)$/);
    expect(await manager.ended).toMatch(/another job manager has taken over|went backwards or was made anew/);
    expect(await codeOf(client.create({ type: 'probe' }))).toBe('unavailable');
    expect(await codeOf(client.list())).toBe('unavailable');
  });
});

test('a journal that went back to an older copy makes it stop and acknowledge nothing any more', { timeout: 60_000 }, async () => {
  let reason: string | null = null;
  void manager.ended.then((ended) => (reason = ended));
  await client.create({ type: 'probe', name: 'in the copy' });
  await server.kill();
  await server.backup();
  await server.up();
  await expect.poll(() => codeOf(client.create({ type: 'probe', name: 'not in the copy' }))).toBe('answered');
  await server.kill();
  await server.restore();
  await server.up();
  manager.doubt();
  const heard = new Set<string>();
  await expect.poll(async () => (heard.add(await codeOf(client.list())), reason), { timeout: 20_000 }).toMatch(/went backwards/);
  expect(heard).not.toContain('answered');
  expect(await codeOf(client.create({ type: 'probe' }))).toBe('unavailable');
});

test('a record that cannot be read stops the next start, which names it', async () => {
  await client.create({ type: 'probe' });
  await manager.stop();
  const { seq } = await nc.jetstream().publish(subject, 'somebody else');
  await expect(startOne()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(`Record ${seq} of the journal`) as string,
  });
});

test('a full journal refuses changes and changes nothing, answers reads, and takes changes again when there is room', async () => {
  const kept = await client.create({ type: 'probe', name: 'kept' });
  const { state } = await jsm.streams.info(journalStream);
  await jsm.streams.update(journalStream, { max_bytes: state.bytes + 20 });
  for (let n = 0; n < 3; n += 1) {
    expect(await codeOf(client.create({ type: 'probe' }))).toBe('storage_failed');
    expect(await codeOf(client.ask('update', { id: kept.id, name: 'lost' }))).toBe('storage_failed');
    expect(await client.list()).toMatchObject({ total: 1, jobs: [{ name: 'kept', version: 1 }] });
  }
  await jsm.streams.update(journalStream, { max_bytes: -1 });
  expect(await client.ask('update', { id: kept.id, name: 'changed' })).toMatchObject({ version: 2 });
  await manager.stop();
  manager = await startOne();
  expect(await client.list()).toMatchObject({ total: 1, jobs: [{ name: 'changed', version: 2 }] });
});

test('who asks a manager that has stopped is told so, and never left without an answer', async () => {
  const asked = Array.from({ length: 200 }, (_, n) => codeOf(n % 2 === 0 ? client.create({ type: 'probe' }) : client.list()));
  const stopping = manager.stop();
  const more = Array.from({ length: 200 }, () => codeOf(client.create({ type: 'probe' })));
  for (const code of await Promise.all([...asked, ...more])) expect(code).toMatch(/^(answered|unavailable)$/);
  await stopping;
});
