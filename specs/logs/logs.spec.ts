import type { JetStreamManager, NatsConnection } from 'nats';
import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import { READER_REQUESTS } from '../../actors/requests.js';
import type { LogLine } from '../../src/log-line.js';
import { connectNats } from '../../src/nats/connection.js';
import { monitorOf } from '../../src/nats/connection-monitor.js';
import { LogReader, type LogQuery } from '../../src/nats/log-reader.js';
import { ensureJobStreams } from '../../src/nats/job-streams.js';
import { LogWriter } from '../../src/nats/log-writer.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';
import { startProxy, type CuttableProxy } from '../watch/cuttable-proxy.js';

let nats: TestNats;
let proxy: CuttableProxy;
let owner: NatsConnection;
let jsm: JetStreamManager;
let workerNc: NatsConnection;
let gatewayNc: NatsConnection;
let writer: LogWriter;
let reader: LogReader;

beforeEach(async () => {
  nats = await startTestNats();
  proxy = await startProxy(nats.url);
  owner = await connectNats(nats.logins.logs, 'logs');
  jsm = await owner.jetstreamManager({ checkAPI: false });
  await ensureJobStreams(jsm, 'tallyman');
  workerNc = await connectNats({ ...nats.logins.worker, url: proxy.url }, 'worker');
  gatewayNc = await connectNats({ ...nats.logins.gateway, url: proxy.url }, 'gateway');
  writer = new LogWriter(workerNc, 'tallyman');
  reader = new LogReader({ nc: gatewayNc, prefix: 'tallyman' });
});

afterEach(async () => {
  for (const nc of [workerNc, gatewayNc, owner]) await nc.close();
  await proxy.close();
  await nats.stop();
});

const line = (text: string, fields: Partial<LogLine> = {}): Omit<LogLine, 'seq'> => ({
  at: '2026-01-01T00:00:00.000Z',
  job: 'j1',
  attempt: 1,
  level: 'info',
  stream: 'stdout',
  text,
  ...fields,
});
const query = (fields: Partial<LogQuery> = {}): LogQuery => READER_REQUESTS.logs.parse({ id: 'j1', ...fields });
const textsOf = async (fields: Partial<LogQuery> = {}): Promise<string[]> =>
  (await reader.read(query(fields))).lines.map(({ text }) => text);
const write = async (...lines: Omit<LogLine, 'seq'>[]): Promise<void> => {
  for (const one of lines) writer.write(one);
  await writer.flush();
};
const messages = async (): Promise<number> => (await jsm.streams.info('tallyman_LOGS')).state.messages;
const isDown = (nc: NatsConnection) => expect.poll(() => monitorOf(nc).connected).toBe(false);

describe('a log line', () => {
  test('is read as it was written, in order, with a place that grows', async () => {
    const written = [line('one'), line('two', { level: 'error', stream: 'stderr', attempt: 2 }), line('three', { stream: 'worker' })];
    await write(...written);
    await write(line('four'));
    const { lines, last } = await reader.read(query());
    expect(lines.map(({ seq: _, ...rest }) => rest)).toEqual(expect.arrayContaining([...written, line('four')]));
    const seqs = lines.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(last).toBe(seqs.at(-1));
  });

  test('goes with others in one message, without being flushed', async () => {
    for (let index = 0; index < 50; index++) writer.write(line(`line ${index}`));
    await expect.poll(() => textsOf()).toHaveLength(50);
    expect(await messages()).toBe(1);
  });

  test('is kept whatever it holds', async () => {
    const texts = ['', '\u001b[2J\u0000\r\n\t', 'a\nb\u2028c', '{"at":1}', '\u202egnp.exe', '💾'.repeat(10)];
    await write(...texts.map((text) => line(text)), line('half a character: \ud83d'));
    expect(await textsOf()).toEqual([...texts, 'half a character: \ufffd']);
  });

  test('that is too long is cut visibly, between characters', async () => {
    await write(line('💾'.repeat(LIMITS.logLineBytes)), line('x'.repeat(LIMITS.logLineBytes)));
    const [cut, whole] = await textsOf();
    expect(Buffer.byteLength(cut!)).toBeLessThanOrEqual(LIMITS.logLineBytes);
    expect(cut).toMatch(/^(💾)+ … \(65536 bytes in all\)$/u);
    expect(whole).toHaveLength(LIMITS.logLineBytes);
  });

  test('that is none is shown, and hurts nothing', async () => {
    const js = workerNc.jetstream();
    await js.publish('tallyman.logs.j1.1', Buffer.from([0xff, 0xfe, 0x0a, 0x7b, 0x0a]));
    await js.publish('tallyman.logs.j1.x', JSON.stringify({ at: 'now', level: 'loud', stream: 'stdout', text: 'x' }));
    await js.publish('tallyman.logs.j1.1', '\n'.repeat(5000));
    await write(line('good'));
    const { lines } = await reader.read(query({ limit: 5000 }));
    expect(lines.slice(0, 3).map(({ text }) => text)).toEqual(['(not a log line) \ufffd\ufffd', '(not a log line) {', '(not a log line) ']);
    expect(lines.at(-1)?.text).toBe('good');
    expect(new Set(lines.map(({ seq }) => seq)).size).toBe(lines.length);
  });
});

describe('reading a log', () => {
  test('takes lines of this job alone, by attempt, level and above, stream and text', async () => {
    await write(
      line('Alpha', { level: 'debug' }),
      line('beta', { level: 'warning', stream: 'stderr' }),
      line('gamma ALPHA', { level: 'error', attempt: 2 }),
      line('other', { job: 'j10' }),
      line('other', { job: 'j' }),
    );
    expect((await textsOf()).sort()).toEqual(['Alpha', 'beta', 'gamma ALPHA']);
    expect(await textsOf({ attempt: 2 })).toEqual(['gamma ALPHA']);
    expect((await textsOf({ level: 'warning' })).sort()).toEqual(['beta', 'gamma ALPHA']);
    expect(await textsOf({ stream: 'stderr' })).toEqual(['beta']);
    expect((await textsOf({ text: 'aLPHa' })).sort()).toEqual(['Alpha', 'gamma ALPHA']);
    expect(await textsOf({ text: '.*' })).toEqual([]);
    expect(await textsOf({ text: 'alpha', last: 1 })).toEqual(['gamma ALPHA']);
  });

  test('gives just the newest lines, and the place to go on from', async () => {
    const texts = Array.from({ length: 250 }, (_, index) => `line ${index}`);
    for (let at = 0; at < texts.length; at += 50) await write(...texts.slice(at, at + 50).map((text) => line(text)));
    const { lines, last } = await reader.read(query({ last: 120 }));
    expect(lines.map(({ text }) => text)).toEqual(texts.slice(-120));
    expect(await textsOf({ last: 1000 })).toEqual(texts);
    await write(line('later'));
    expect(await textsOf({ after: last })).toEqual(['later']);
    expect(await textsOf({ after: last, last: 5 })).toEqual(['later']);
  });

  test('gives as many of the newest lines as an answer takes', async () => {
    const long = 'x'.repeat(LIMITS.logLineBytes);
    const count = Math.ceil(LIMITS.answerBytes / LIMITS.logLineBytes) + 10;
    for (let at = 0; at < count; at += 10) await write(...Array.from({ length: 10 }, () => line(long)));
    await write(line('the end'));
    const texts = await textsOf({ last: 5000 });
    expect(texts.at(-1)).toBe('the end');
    expect(texts.length).toBeLessThan(count);
    expect(texts.join('').length).toBeGreaterThan(LIMITS.answerBytes / 2);
  });

  test('goes page by page, each line once', async () => {
    const texts = Array.from({ length: 2500 }, (_, index) => `line ${index}`);
    await write(...texts.map((text) => line(text)));
    const found: string[] = [];
    for (let after = 0; ;) {
      const page = await reader.read(query({ after, limit: 700 }));
      if (page.lines.length === 0) break;
      expect(page.lines.length).toBeLessThanOrEqual(700);
      found.push(...page.lines.map(({ text }) => text));
      after = page.last;
    }
    expect(found).toEqual(texts);
  });

  test('answers no more than an answer holds', async () => {
    for (let count = 0; count < 400; count += 100) await write(...Array.from({ length: 100 }, () => line('x'.repeat(LIMITS.logLineBytes))));
    const page = await reader.read(query({ limit: LIMITS.logLinesPerAnswer }));
    expect(page.lines.length).toBeLessThan(400);
    expect((await reader.read(query({ after: page.last }))).lines.length).toBe(400 - page.lines.length);
  });

  test('of a job without one is empty at once', async () => {
    await write(line('of another', { job: 'j2' }));
    expect(await reader.read(query())).toEqual({ lines: [], last: 0 });
  });

  test('with filters that nothing fits gets on all the same', async () => {
    await write(line('one'), line('two'));
    const { lines, last } = await reader.read(query({ level: 'error' }));
    expect(lines).toEqual([]);
    expect(last).toBeGreaterThan(0);
    expect(await textsOf({ after: last })).toEqual([]);
  });

  test('waits for the first line that fits, and no longer than it was told', async () => {
    await write(line('old'));
    const { last } = await reader.read(query());
    const waiting = reader.read(query({ after: last, level: 'error', waitMs: 20_000 }));
    await write(line('info'), line('bad', { level: 'error' }));
    expect((await waiting).lines.map(({ text }) => text)).toEqual(['bad']);
    expect(await reader.read(query({ id: 'quiet', waitMs: 50 }))).toEqual({ lines: [], last: 0 });
  });

  test('from a place that is not there yet begins anew, since the stream was made anew', async () => {
    await write(line('one'));
    expect(await textsOf({ after: 999_999_000 })).toEqual(['one']);
  });

  test('leaves no consumer behind, and says when the store is not there', async () => {
    await write(line('one'));
    for (let index = 0; index < 20; index++) await textsOf();
    await expect.poll(async () => (await jsm.streams.info('tallyman_LOGS')).state.consumer_count).toBe(0);
    const other = new LogReader({ nc: gatewayNc, prefix: 'nothing' });
    await expect(other.read(query())).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('by more than it can bear is refused', async () => {
    const ending = new AbortController();
    setMaxListeners(0, ending.signal);
    const waiting = Array.from({ length: LIMITS.logReaders }, () => reader.read(query({ waitMs: 30_000 }), ending.signal));
    await expect(reader.read(query())).rejects.toMatchObject({ code: 'overloaded' });
    await expect(reader.follow(query(), () => undefined)).rejects.toMatchObject({ code: 'overloaded' });
    ending.abort();
    for (const page of await Promise.all(waiting)) expect(page.lines).toEqual([]);
    expect(await textsOf()).toEqual([]);
  });
});

describe('following a log', () => {
  test('gives what is there, then every new line, once and in order, through a cut and a restart', async () => {
    await write(line('0'));
    const heard: string[] = [];
    const follow = await reader.follow(query(), (lines) => heard.push(...lines.map(({ text }) => text)));
    const expected = ['0'];
    const goesOn = async (text: string): Promise<void> => {
      writer.write(line(text));
      expected.push(text);
      await expect.poll(() => heard, { timeout: 20_000 }).toEqual(expected);
    };
    await goesOn('1');
    proxy.cut();
    await isDown(gatewayNc);
    writer.write(line('while away'));
    expected.push('while away');
    proxy.mend();
    await goesOn('2');
    await nats.kill();
    await nats.restart();
    await goesOn('3');
    follow.stop();
    await write(line('4'));
    expect(heard).toEqual(expected);
  });

  test('from a place gives only what comes after it, and only what fits', async () => {
    await write(line('one'), line('two'), line('three', { level: 'error' }));
    const { lines } = await reader.read(query());
    const heard: string[] = [];
    await reader.follow(query({ after: lines[0]!.seq, level: 'error' }), (more) => heard.push(...more.map(({ text }) => text)));
    await write(line('four'), line('five', { level: 'error' }));
    await expect.poll(() => heard).toEqual(['three', 'five']);
  });

  test('ends for a sink that throws', async () => {
    const sink = vi.fn(() => {
      throw new Error('broken');
    });
    await reader.follow(query(), sink);
    await write(line('one'));
    await expect.poll(() => sink.mock.calls.length).toBe(1);
    await write(line('two'));
    await expect.poll(async () => (await jsm.streams.info('tallyman_LOGS')).state.consumer_count).toBe(0);
    expect(sink).toHaveBeenCalledTimes(1);
  });
});

describe('writing while the store is away', () => {
  test('loses nothing that fits, keeps the order and stores it once', async () => {
    proxy.cut();
    await isDown(workerNc);
    const texts = Array.from({ length: 1500 }, (_, index) => `line ${index}`);
    for (const text of texts) writer.write(line(text));
    proxy.mend();
    await expect.poll(() => textsOf({ limit: 5000 }).catch(() => []), { timeout: 20_000 }).toEqual(texts);
  });

  test('stores a line once whose acknowledgement was lost', async () => {
    await write(line('before'));
    proxy.mute();
    writer.write(line('once'));
    await expect.poll(() => messages()).toBe(2);
    proxy.cut();
    await isDown(gatewayNc);
    proxy.mend();
    writer.write(line('after'));
    await expect.poll(() => textsOf().catch(() => []), { timeout: 20_000 }).toEqual(['before', 'once', 'after']);
  });

  test('leaves out the oldest past the limit, keeps errors, and says how many', async () => {
    proxy.cut();
    await isDown(workerNc);
    const filler = 'x'.repeat(1000);
    const count = Math.ceil((LIMITS.logQueueBytes * 1.5) / 1000);
    for (let index = 0; index < count; index++) {
      writer.write(line(`${index} ${filler}`));
      if (index === 200) writer.write(line('the cause', { level: 'error' }));
    }
    writer.write(line('the end'));
    proxy.mend();
    await expect.poll(() => textsOf({ text: 'the end' }).catch(() => []), { timeout: 20_000 }).toEqual(['the end']);
    expect(await textsOf({ text: 'the cause' })).toEqual(['the cause']);
    const [note] = await textsOf({ text: 'lines left out here', level: 'warning' });
    const leftOut = Number(note?.split(' ')[0]);
    expect(leftOut).toBeGreaterThan(0);
    let kept = 0;
    for (let after = 0; ;) {
      const page = await reader.read(query({ after, text: 'xxx', limit: 5000 }));
      if (page.lines.length === 0) break;
      kept += page.lines.length;
      after = page.last;
    }
    expect(kept + leftOut).toBe(count);
  });

  test('flush comes back in time', async () => {
    proxy.cut();
    await isDown(workerNc);
    writer.write(line('one'));
    await writer.flush();
    proxy.mend();
    await expect.poll(() => textsOf().catch(() => []), { timeout: 20_000 }).toEqual(['one']);
  });
});

test('a job that writes too much is told so once, and the others write on', { timeout: 60_000 }, async () => {
  const text = 'x'.repeat(LIMITS.logLineBytes - 200);
  const lines = Math.ceil(LIMITS.logBytesPerJob / text.length);
  for (let index = 0; index < lines + 50; index++) {
    writer.write(line(text));
    if (index % 100 === 0) await writer.flush();
  }
  await write(line('of another', { job: 'j2' }));
  expect(await textsOf({ id: 'j2' })).toEqual(['of another']);
  expect(await textsOf({ level: 'error' })).toEqual([expect.stringContaining('what comes after is left out')]);
});

test('the store is made once and keeps its lines when it is made sure of again', async () => {
  await write(line('one'));
  await ensureJobStreams(jsm, 'tallyman');
  expect(await textsOf()).toEqual(['one']);
});
