import type { JetStreamManager, NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import { READER_REQUESTS, type ReaderRequests } from '../../actors/requests.js';
import { bytesOf, pathOf, type FileEntry } from '../../src/file-record.js';
import { connectNats } from '../../src/nats/connection.js';
import { monitorOf } from '../../src/nats/connection-monitor.js';
import { FileReader } from '../../src/nats/file-reader.js';
import { FileWriter } from '../../src/nats/file-writer.js';
import { ensureJobStreams, jobPurger } from '../../src/nats/job-streams.js';
import { StreamPublisher } from '../../src/nats/stream-publisher.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';
import { sampleJob } from '../support/sample-job.js';
import { startProxy, type CuttableProxy } from '../watch/cuttable-proxy.js';

let nats: TestNats;
let proxy: CuttableProxy;
let owner: NatsConnection;
let jsm: JetStreamManager;
let workerNc: NatsConnection;
let gatewayNc: NatsConnection;
let reader: FileReader;

beforeEach(async () => {
  nats = await startTestNats();
  proxy = await startProxy(nats.url);
  owner = await connectNats(nats.logins.logs, 'logs');
  jsm = await owner.jetstreamManager({ checkAPI: false });
  await ensureJobStreams(jsm, 'tallyman');
  workerNc = await connectNats({ ...nats.logins.worker, url: proxy.url }, 'worker');
  gatewayNc = await connectNats(nats.logins.gateway, 'gateway');
  const client = { get: (id: string) => Promise.resolve(sampleJob({ id, attempt: 2 })) };
  reader = new FileReader({ nc: gatewayNc, prefix: 'tallyman', client });
});

afterEach(async () => {
  for (const nc of [workerNc, gatewayNc, owner]) await nc.close();
  await proxy.close();
  await nats.stop();
});

const entry = (path: string, fields: Partial<FileEntry> = {}): FileEntry => ({
  path,
  outcome: 'transferred',
  bytes: 1,
  provedBy: null,
  checksum: null,
  why: null,
  ...fields,
});
const writerOf = (attempt = 2, job = 'j1') =>
  new FileWriter({ publisher: new StreamPublisher(workerNc), prefix: 'tallyman', job, attempt });
const inTime = () => AbortSignal.timeout(10_000);
const write = async (entries: FileEntry[], writer = writerOf()): Promise<void> => {
  for (const one of entries) writer.write(one);
  expect(await writer.flush(inTime())).toBe(true);
};
const query = (fields: Partial<ReaderRequests['files']> = {}) => READER_REQUESTS.files.parse({ id: 'j1', ...fields });
const pathsOf = async (fields: Partial<ReaderRequests['files']> = {}) =>
  (await reader.read(query(fields))).files.map(({ path }) => path).sort();
const isDown = (nc: NatsConnection) => expect.poll(() => monitorOf(nc).connected).toBe(false);

describe('what became of a file', () => {
  test('is read as it was written, whatever its name is', async () => {
    const names = ['new\nline', 'esc\u001b[2J', '\u202egnp.exe', ' blank ', '{"at":1}', 'x'.repeat(255)].map((name) => Buffer.from(name));
    names.push(Buffer.from([0x66, 0xff, 0xfe]), Buffer.from('half \ufffd'));
    const written = names.map((name) => entry('', { ...pathOf(name), outcome: 'failed', why: 'Permission denied (13)', bytes: 7 }));
    await write(written);
    const { attempt, files, next, counts } = await reader.read(query());
    expect(files.map(({ seq: _seq, at: _at, job: _job, attempt: _attempt, ...rest }) => rest)).toEqual(written);
    expect(files.map((file) => bytesOf(file).toString('hex'))).toEqual(names.map((name) => name.toString('hex')));
    expect(files.map(({ pathBase64 }) => pathBase64 !== undefined).indexOf(true)).toBe(6);
    expect({ attempt, next, counts }).toEqual({ attempt: 2, next: null, counts: { failed: names.length } });
  });

  test('is of one attempt, the newest where none is named', async () => {
    await write([entry('first')], writerOf(1));
    await write([entry('second')]);
    await write([entry('other')], writerOf(2, 'j10'));
    expect(await pathsOf()).toEqual(['second']);
    expect(await pathsOf({ attempt: 1 })).toEqual(['first']);
    expect(await reader.read(query({ attempt: 3 }))).toEqual({ attempt: 3, files: [], next: null });
  });

  test('is found by outcome, by path and by cause', async () => {
    await write([
      entry('a/Photo'),
      entry('b', { outcome: 'failed', why: 'Permission denied (13)' }),
      entry('c', { outcome: 'skipped' }),
      entry('d', { outcome: 'equal', provedBy: 'checksum', checksum: 'xxh128:00' }),
    ]);
    expect(await pathsOf({ outcome: ['failed'] })).toEqual(['b']);
    expect(await pathsOf({ outcome: ['failed', 'skipped', 'failed'] })).toEqual(['b', 'c']);
    expect(await pathsOf({ text: 'pHOTO' })).toEqual(['a/Photo']);
    expect(await pathsOf({ text: 'permission' })).toEqual(['b']);
    expect((await reader.read(query({ outcome: ['failed'] }))).counts).toEqual({ transferred: 1, failed: 1, skipped: 1, equal: 1 });
  });

  test('goes page by page, each once, many in one message', async () => {
    const names = Array.from({ length: 4500 }, (_, index) => `file ${String(index).padStart(4, '0')}`);
    await write(names.map((name) => entry(name)));
    const found: string[] = [];
    for (let after: number | null = 0; after !== null;) {
      const { files, next } = await reader.read(query({ after, limit: 700 }));
      expect(files.length).toBeLessThanOrEqual(700);
      found.push(...files.map(({ path }) => path));
      after = next;
    }
    expect(found).toEqual(names);
    expect((await jsm.streams.info('tallyman_FILES')).state.messages).toBeLessThan(12);
  });

  test('is no more than an answer holds', async () => {
    const name = 'x'.repeat(4000);
    await write(Array.from({ length: 1500 }, () => entry(name)));
    const { files, next } = await reader.read(query({ limit: LIMITS.filesPerAnswer }));
    expect(files.length).toBeLessThan(1500);
    expect((await reader.read(query({ limit: LIMITS.filesPerAnswer, after: next ?? 0 }))).files.length).toBe(1500 - files.length);
  });

  test('that is none is left out, and hurts nothing', async () => {
    const js = workerNc.jetstream();
    await js.publish('tallyman.files.j1.2.failed', Buffer.from([0xff, 0x0a, 0x7b, 0x0a]));
    await js.publish('tallyman.files.j1.2.loud', JSON.stringify({ at: new Date().toISOString(), path: 'x' }));
    await js.publish('tallyman.files.j1.2.counts', '{"failed":"many"}');
    await write([entry('good')]);
    expect(await pathsOf()).toEqual(['good']);
  });

  test('goes with its job, and no other job’s', async () => {
    await write([entry('gone')]);
    await write([entry('stays')], writerOf(2, 'j2'));
    jobPurger(owner, 'tallyman')(['j1']);
    await expect.poll(() => pathsOf()).toEqual([]);
    expect(await pathsOf({ id: 'j2' })).toEqual(['stays']);
  });
});

describe('writing while the store is away', () => {
  test('loses nothing, keeps the order, makes the writer wait, and stores it once', async () => {
    proxy.cut();
    await isDown(workerNc);
    const name = 'x'.repeat(1000);
    const writer = writerOf();
    const count = Math.ceil((LIMITS.fileQueueBytes * 1.2) / 1000);
    for (let index = 0; index < count; index++) writer.write(entry(`${index} ${name}`));
    const room = vi.fn();
    const waiting = writer.room().then(room);
    expect(await writer.flush(AbortSignal.timeout(50))).toBe(false);
    expect(room).not.toHaveBeenCalled();
    proxy.mend();
    expect(await writer.flush(inTime())).toBe(true);
    await waiting;
    const found: string[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page = await reader.read(query({ after, limit: 5000 }));
      found.push(...page.files.map(({ path }) => path.split(' ')[0] ?? ''));
      after = page.next;
    }
    expect(found).toEqual(Array.from({ length: count }, (_, index) => String(index)));
  });

  test('a connection that is closed makes nobody wait', async () => {
    const writer = writerOf();
    proxy.cut();
    await isDown(workerNc);
    writer.write(entry('one'));
    const flushed = writer.flush(inTime());
    await workerNc.close();
    expect(await flushed).toBe(false);
  });
});

test('past the limit files are only counted, and the list says so', { timeout: 60_000 }, async () => {
  const writer = writerOf();
  for (let index = 0; index < LIMITS.filesPerAttempt + 5; index++) {
    writer.write(entry('x'));
    if (index % 10_000 === 0) await writer.room();
  }
  expect(await writer.flush(AbortSignal.timeout(50_000))).toBe(true);
  const { counts, files } = await reader.read(query({ outcome: ['skipped'] }));
  expect(counts).toEqual({ transferred: LIMITS.filesPerAttempt + 5 });
  expect(files).toMatchObject([{ path: '', why: expect.stringContaining('only counted') as unknown }]);
});

test('different outcomes are sent at once, and of each one message after the other', async () => {
  const sent: string[] = [];
  const acknowledge: (() => void)[] = [];
  const publish = (subject: string) => {
    sent.push(subject.split('.').at(-1) ?? '');
    return new Promise<boolean>((resolve) => acknowledge.push(() => resolve(true)));
  };
  const publisher = { isClosed: false, publish } as unknown as StreamPublisher;
  const writer = new FileWriter({ publisher, prefix: 'tallyman', job: 'j1', attempt: 1 });
  const flush = () => writer.flush(AbortSignal.abort());
  writer.write(entry('one'));
  writer.write(entry('two', { outcome: 'failed' }));
  expect(await flush()).toBe(false);
  for (const late of ['three', 'four']) {
    writer.write(entry(late));
    expect(await flush()).toBe(false);
  }
  const steps: string[][] = [];
  while (acknowledge.length > 0) {
    steps.push(sent.splice(0));
    acknowledge.splice(0).forEach((one) => one());
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(steps).toEqual([
    ['transferred', 'failed', 'counts'],
    ['transferred', 'counts'],
    ['transferred', 'counts'],
  ]);
});

test('who tells many files lets others have a turn, also while there is room', async () => {
  let turns = 0;
  setImmediate(() => turns++);
  await writerOf().room();
  expect(turns).toBe(1);
});
