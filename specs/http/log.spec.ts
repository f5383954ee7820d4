import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogLine } from '../../src/log-line.js';
import { connectNats } from '../../src/nats/connection.js';
import { LogWriter } from '../../src/nats/log-writer.js';
import { startTestService, type TestService } from '../support/service.js';
import { EventReader } from './event-reader.js';
import { call, createJob, type Call } from './http.js';
import { RpcClient } from './rpc-client.js';
import { startStubGateway } from './stub-gateway.js';

let service: TestService;
let writer: LogWriter;
let closeWriter: () => Promise<void>;
beforeAll(async () => {
  service = await startTestService();
  const nc = await connectNats(service.nats.logins.worker, 'worker');
  writer = new LogWriter(nc, service.config.prefix);
  closeWriter = () => nc.close();
});
afterAll(async () => {
  await closeWriter();
  await service.stop();
});

async function write(job: string, texts: string[], fields: Partial<LogLine> = {}): Promise<void> {
  for (const text of texts)
    writer.write({ at: new Date().toISOString(), job, attempt: 1, level: 'info', stream: 'stdout', text, ...fields });
  await writer.flush();
}

const get = (id: string, query = '', options: Call = {}) => call(service, `/v1/jobs/${id}/log?${query}`, options);
const textsOf = async (id: string, query = '') => ((await get(id, query)).json() as { lines: LogLine[] }).lines.map(({ text }) => text);

describe('the log of a job', () => {
  it('is read a page at a time, filtered and searched', async () => {
    const { id } = await createJob(service);
    await write(id, ['one', 'two', 'three']);
    await write(id, ['Four broke'], { level: 'error', stream: 'stderr', attempt: 2 });
    expect(await textsOf(id)).toEqual(['one', 'two', 'three', 'Four broke']);
    const page = (await get(id, 'limit=2')).json() as { lines: LogLine[]; last: number };
    expect(page.lines.map(({ text }) => text)).toEqual(['one', 'two']);
    expect(await textsOf(id, `after=${page.last}`)).toEqual(['three', 'Four broke']);
    expect(await textsOf(id, 'level=warning')).toEqual(['Four broke']);
    expect(await textsOf(id, 'stream=stderr&attempt=2&text=four')).toEqual(['Four broke']);
    expect(await textsOf(id, 'attempt=3')).toEqual([]);
  });

  it('is text or JSON lines, whole, when that is asked for', async () => {
    const { id } = await createJob(service);
    const many = Array.from({ length: 6000 }, (_, n) => `line ${n}`);
    await write(id, many);
    const lines = (await get(id, 'format=jsonl')).text.trimEnd().split('\n').map((line) => (JSON.parse(line) as LogLine).text); // prettier-ignore
    expect(lines).toEqual(many);
    const text = await get(id, 'download=true', { headers: { accept: 'text/plain' } });
    expect(text.headers['content-type']).toMatch(/^text\/plain/);
    expect(text.headers['content-disposition']).toBe(`attachment; filename="${id}.log"`);
    expect(text.text.trimEnd().split('\n').map((line) => line.replace(/^\S+ 1 info +stdout +/, ''))).toEqual(many); // prettier-ignore
    expect((await get(id, 'limit=3', { headers: { accept: 'application/jsonl' } })).text.trimEnd().split('\n')).toHaveLength(3);
    expect((await get(id, '', { headers: { accept: 'text/html,*/*' } })).headers['content-type']).toMatch(/^text\/plain/);
  });

  it('is just its newest lines, in every form, and followed from there', async () => {
    const { id } = await createJob(service);
    await write(id, ['one', 'two', 'three']);
    expect(await textsOf(id, 'last=2')).toEqual(['two', 'three']);
    expect((await get(id, 'last=2&format=jsonl')).text.trimEnd().split('\n')).toHaveLength(2);
    expect((await get(id, 'last=1&format=text')).text).toMatch(/three\n$/);
    expect((await get(id, 'last=0')).problem()).toMatchObject({ status: 400, code: 'invalid_request' });
    const rpc = await RpcClient.open(service);
    await rpc.call('logs.follow', { id, last: 1 });
    await write(id, ['four']);
    const texts = () => rpc.notified<{ lines: LogLine[] }>('logs.lines').flatMap(({ lines }) => lines.map(({ text }) => text));
    await expect.poll(texts).toEqual(['three', 'four']);
    rpc.close();
  });

  it('shows control characters escaped in text, and keeps them in JSON', async () => {
    const { id } = await createJob(service);
    const hostile = '\u001b[2J\u202egnp.exe\r\u0007<script>';
    await write(id, [hostile]);
    expect(await textsOf(id)).toEqual([hostile]);
    expect((await get(id, 'format=text')).text).toContain('\\u001b[2J\\u202egnp.exe\\u000d\\u0007<script>');
  });

  it('is followed as it grows, and gone on with after Last-Event-ID', async () => {
    const { id } = await createJob(service);
    await write(id, ['first']);
    const reader = await EventReader.open(service, `/v1/jobs/${id}/log?follow=true`);
    const first = await reader.next();
    expect(first).toMatchObject({ event: 'lines', data: [{ text: 'first' }] });
    await write(id, ['second']);
    expect(await reader.next()).toMatchObject({ data: [{ text: 'second' }] });
    reader.close();
    await write(id, ['third']);
    const again = await EventReader.open(service, `/v1/jobs/${id}/log`, {
      accept: 'text/event-stream',
      'last-event-id': String(first?.id),
    });
    const texts: string[] = [];
    while (texts.length < 2) texts.push(...((await again.next())?.data as LogLine[]).map(({ text }) => text));
    expect(texts).toEqual(['second', 'third']);
    again.close();
  });

  it('is followed over the WebSocket until unfollow', async () => {
    const { id } = await createJob(service);
    await write(id, ['first']);
    const rpc = await RpcClient.open(service);
    const { follow } = (await rpc.call('logs.follow', { id, level: 'info' })).result as { follow: number };
    await write(id, ['second']);
    await write(id, ['hidden'], { level: 'debug' });
    const lines = () => rpc.notified<{ follow: number; lines: LogLine[] }>('logs.lines');
    await expect.poll(() => lines().flatMap((notified) => notified.lines.map(({ text }) => text))).toEqual(['first', 'second']);
    expect(lines()[0]?.follow).toBe(follow);
    expect((await rpc.call('logs.unfollow', { follow })).result).toEqual({});
    expect((await rpc.call('logs.follow', { id: 'nobody' })).error?.data.code).toBe('job_not_found');
    rpc.close();
  });

  it('waits for the first line where the query says so', async () => {
    const { id } = await createJob(service);
    const waiting = get(id, 'waitMs=20000');
    await write(id, ['at last']);
    expect((await waiting).json()).toMatchObject({ lines: [{ text: 'at last' }] });
  });

  it.each(['after=-1', 'level=loud', 'format=xml', 'follow=perhaps', 'limit=0', 'colour=red', 'waitMs=999999'])(
    'refuses the query %s',
    async (query) => {
      const { id } = await createJob(service);
      expect((await get(id, query)).problem()).toMatchObject({ status: 400, code: 'invalid_request' });
    },
  );

  it('is cut off for a reader who is too slow to follow', async () => {
    let send: (lines: LogLine[]) => void = () => undefined;
    const state = { stopped: false };
    const follow = (_query: unknown, sink: typeof send) => {
      send = sink;
      return Promise.resolve({ stop: () => void (state.stopped = true) });
    };
    const client = { ask: () => Promise.resolve({} as never), askText: () => Promise.resolve('{}') };
    const gateway = await startStubGateway({ client, logs: { read: () => Promise.resolve({ lines: [], last: 0 }), follow } });
    const reader = await EventReader.open(gateway, '/v1/jobs/a/log?follow=true');
    for (let seq = 1; seq < 1000 && !state.stopped; seq++) {
      send([{ seq, at: '', job: 'a', attempt: 1, level: 'info', stream: 'stdout', text: 'x'.repeat(100_000) }]);
      await new Promise(setImmediate);
    }
    expect(state.stopped).toBe(true);
    reader.close();
    await gateway.close();
  });
});
