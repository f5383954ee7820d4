import type { JetStreamManager, NatsConnection } from 'nats';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { AppendRefused, JournalUnreadable } from '../../actors/journal.js';
import { encodeRecord } from '../../src/nats/journal-record.js';
import { JetStreamJournal } from '../../src/nats/journal.js';
import { subjectsOf } from '../../src/subjects.js';
import { startProxy } from '../watch/cuttable-proxy.js';
import { describeJournal, draftOf, readAll } from './contract.js';
import { OpenServer } from './open-server.js';

let server: OpenServer;
let nc: NatsConnection;
let jsm: JetStreamManager;
beforeAll(async () => {
  server = await OpenServer.start();
  nc = await server.connect();
  jsm = await nc.jetstreamManager({ checkAPI: false });
});
afterAll(() => server.stop());

/** Each test has a stream of its own: one that is made again under a name just deleted may have the old records for a moment. */
let prefix = '';
let subject: string;
let journalStream: string;
let tests = 0;
beforeEach(() => {
  prefix = `journal${(tests += 1)}`;
  ({ journal: subject, journalStream } = subjectsOf(prefix));
});

const open = (options: { nc?: NatsConnection; timeoutMs?: number } = {}) => JetStreamJournal.open({ nc, prefix, ...options });

async function withThree(): Promise<JetStreamJournal> {
  const journal = await open();
  for (let seq = 0; seq < 3; seq += 1) await journal.append(draftOf(`job${seq}`), seq);
  return journal;
}

describeJournal('JetStream', async () => ({
  journal: await JetStreamJournal.open({ nc, prefix: 'contract' }),
  close: () => Promise.resolve(),
}));

const damaged = () => {
  const bytes = encodeRecord(draftOf('x'));
  bytes[bytes.length - 3]! ^= 1;
  return bytes;
};

test.each<[string, () => Uint8Array, RegExp]>([
  ['is damaged', damaged, /damaged: its checksum/],
  ['is cut short', () => encodeRecord(draftOf('x')).slice(0, -5), /damaged: its checksum/],
  ['is of a newer format', () => Buffer.from('tallyman/2 00000000\n{}'), /newer Tallyman/],
  ['is not of Tallyman', () => Buffer.from('hello'), /not a Tallyman record/],
  ['is empty', () => new Uint8Array(), /not a Tallyman record/],
])('a record that %s stops the reading, by its number', async (_what, bytes, message) => {
  const journal = await withThree();
  await nc.jetstream().publish(subject, bytes());
  await journal.append(draftOf('after'), 4);
  const reading = readAll(journal);
  await expect(reading).rejects.toThrow(JournalUnreadable);
  await expect(reading).rejects.toMatchObject({ seq: 4, message: expect.stringMatching(message) as string });
});

test('a record that is missing in the middle stops the reading, by its number', async () => {
  // The stream that the service makes denies this; one that somebody else made may not.
  await jsm.streams.add({ name: journalStream, subjects: [subject] });
  const journal = await withThree();
  await jsm.streams.deleteMessage(journalStream, 2);
  await expect(readAll(journal)).rejects.toMatchObject({ seq: 2, message: expect.stringMatching(/Record 2 .* missing/) as string });
});

test('the stream that it makes refuses the deletion of a record, forgets nothing by age and takes no more when full', async () => {
  await withThree();
  await expect(jsm.streams.deleteMessage(journalStream, 2)).rejects.toThrow();
  expect((await jsm.streams.info(journalStream)).config).toMatchObject({
    deny_delete: true,
    discard: 'new',
    max_age: 0,
    storage: 'file',
    retention: 'limits',
  });
});

test('an append whose acknowledgement is lost is an unknown outcome, and is found when it is read back', async () => {
  const proxy = await startProxy(server.url);
  const far = await server.connect(proxy.url);
  const journal = await open({ nc: far, timeoutMs: 300 });
  await journal.append(draftOf('a'), 0);
  proxy.mute();
  const draft = draftOf('b');
  const error: unknown = await journal.append(draft, 1).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Error);
  expect(error).not.toBeInstanceOf(AppendRefused);
  proxy.mend();
  await expect.poll(() => journal.commitAt(2).catch(() => 'not yet')).toBe(draft.commit);
  await proxy.close();
});

test('an append is given up when the connection breaks, and the journal is asked again as soon as that stands', async () => {
  const proxy = await startProxy(server.url);
  const journal = await open({ nc: await server.connect(proxy.url), timeoutMs: 600_000 });
  await journal.append(draftOf('a'), 0);
  proxy.mute();
  const draft = draftOf('b');
  const appending = journal.append(draft, 1).catch((caught: unknown) => caught);
  await expect.poll(async () => (await jsm.streams.info(journalStream)).state.last_seq).toBe(2);
  proxy.cut();
  expect(await appending).toMatchObject({ message: expect.stringContaining('connection broke') as string });
  const [state, commit, next] = [journal.state(), journal.commitAt(2), journal.append(draftOf('c'), 2)];
  proxy.mend();
  expect((await state).lastSeq).toBeGreaterThanOrEqual(2);
  expect(await commit).toBe(draft.commit);
  await next;
  await proxy.close();
});

test('a full stream refuses as storage, keeps what it has, and takes the next when there is room', async () => {
  const journal = await withThree();
  const { bytes } = await journal.state();
  await jsm.streams.update(journalStream, { max_bytes: bytes + 10 });
  await expect(journal.append(draftOf('no room'), 3)).rejects.toMatchObject({ reason: 'storage' });
  expect((await readAll(journal)).length).toBe(3);
  await jsm.streams.update(journalStream, { max_bytes: -1 });
  await journal.append(draftOf('room'), 3);
  expect((await journal.state()).lastSeq).toBe(4);
});

test('a record larger than the server takes is refused for certain', async () => {
  const journal = await open();
  const lines = [JSON.stringify({ del: 'x'.repeat(9 * 1024 * 1024) })];
  await expect(journal.append(draftOf('', { lines }), 0)).rejects.toMatchObject({ reason: 'storage' });
});

test('a stream that is gone has no records and no date of birth; one made anew has another', async () => {
  const journal = await withThree();
  const before = await journal.state();
  await jsm.streams.delete(journalStream);
  expect(await journal.state()).toMatchObject({ createdAt: '', lastSeq: 0 });
  const anew = await (await open()).state();
  expect(anew.createdAt).not.toBe(before.createdAt);
});
