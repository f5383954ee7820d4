import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { AppendRefused, JournalUnreadable } from '../../actors/journal.js';
import { connectNats } from '../../src/nats/connection.js';
import { encodeRecord } from '../../src/nats/journal-record.js';
import { JetStreamJournal } from '../../src/nats/journal.js';
import { subjectsOf } from '../../src/subjects.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';
import { startProxy } from '../watch/cuttable-proxy.js';
import { describeJournal, draftOf, readAll } from './contract.js';
import { dropStream } from './streams.js';

const { journal: subject, journalStream } = subjectsOf('tallyman');

let nats: TestNats;
let nc: NatsConnection;
let jsm: JetStreamManager;
beforeAll(async () => {
  nats = await startTestNats();
  nc = await connectNats(nats.logins.journal, 'journal');
  jsm = await nc.jetstreamManager({ checkAPI: false });
});
afterEach(() => dropStream(nats));
afterAll(async () => {
  await nc.close();
  await nats.stop();
});

const open = (options: { nc?: NatsConnection; appendTimeoutMs?: number } = {}) =>
  JetStreamJournal.open({ nc, prefix: 'tallyman', ...options });

async function withThree(): Promise<JetStreamJournal> {
  const journal = await open();
  for (let seq = 0; seq < 3; seq += 1) await journal.append(draftOf(`job${seq}`), seq);
  return journal;
}

describeJournal('JetStream', async () => {
  const server = await startTestNats();
  const own = await connectNats(server.logins.journal, 'journal');
  const close = async () => {
    await own.close();
    await server.stop();
  };
  return { journal: await JetStreamJournal.open({ nc: own, prefix: 'tallyman' }), close };
});

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
  // The service's own stream denies this; one that somebody else made may not.
  await jsm.streams.add({ name: journalStream, subjects: [subject] });
  const journal = await withThree();
  const admin = await connect({ servers: nats.url, user: 'journal', pass: nats.logins.journal.password ?? '', inboxPrefix: '_INBOX_journal' });
  await expect(admin.request(`$JS.API.STREAM.MSG.DELETE.${journalStream}`, '{"seq":2}', { timeout: 300 })).rejects.toThrow();
  await admin.close();
  await deleteFromDisk(journal);
});

/** The role may not delete a record, so the stream is copied without it: sourced streams keep no numbers, a purge of one record does. */
async function deleteFromDisk(journal: JetStreamJournal): Promise<void> {
  expect((await readAll(journal)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
}

test('the stream that it makes refuses the deletion of a record, forgets nothing by age and takes no more when full', async () => {
  await open();
  expect((await jsm.streams.info(journalStream)).config).toMatchObject({
    deny_delete: true,
    discard: 'new',
    max_age: 0,
    storage: 'file',
    retention: 'limits',
  });
});

test('an append whose acknowledgement is lost is an unknown outcome, and is found when it is read back', async () => {
  const proxy = await startProxy(nats.url);
  const far = await connectNats({ ...nats.logins.journal, url: proxy.url }, 'journal');
  const journal = await open({ nc: far, appendTimeoutMs: 300 });
  await journal.append(draftOf('a'), 0);
  proxy.mute();
  const draft = draftOf('b');
  const error: unknown = await journal.append(draft, 1).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Error);
  expect(error).not.toBeInstanceOf(AppendRefused);
  proxy.mend();
  await expect.poll(() => journal.commitAt(2).catch(() => 'not yet')).toBe(draft.commit);
  await far.close();
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
  await dropStream(nats);
  expect(await journal.state()).toMatchObject({ createdAt: '', lastSeq: 0 });
  const anew = await (await withThree()).state();
  expect(anew.createdAt).not.toBe(before.createdAt);
});
