import { beforeEach, expect, test, vi } from 'vitest';
import type { Change, RecordKind } from '../../actors/journal.js';
import { FinishFeed } from '../../src/notify/finish-feed.js';
import { noticesOf } from '../../src/notify/notice.js';
import { SimulatedJournal, type Fate } from '../support/simulated-journal.js';
import { sampleJob } from '../support/sample-job.js';

const AT = '2026-01-01T00:00:00.000Z';

function finished(id: string, result: unknown = null): Change {
  const job = sampleJob({ id, status: 'completed', version: 3, finishedAt: AT, result });
  return { put: job, notes: [{ at: AT, verb: 'complete', status: 'completed', version: 3, attempt: 1, worker: null, note: null }] };
}

let journal: SimulatedJournal;
let feed: FinishFeed;
const onGap = vi.fn();
beforeEach(() => {
  journal = new SimulatedJournal();
  onGap.mockReset();
  begin(1);
});

const begin = (nextSeq: number) => (feed = new FinishFeed({ journal, nextSeq, onNews: () => undefined, onGap }));

async function append(changes: Change[], kind: RecordKind = 'commit'): Promise<void> {
  const draft = { kind, epoch: 1, commit: `${journal.lastSeq}`, at: AT, lines: changes.map((change) => JSON.stringify(change)) };
  await feed.journal.append(draft, journal.lastSeq);
}

async function heard(): Promise<string[]> {
  const ids: string[] = [];
  while (feed.hasNews) {
    const { lines } = await feed.take();
    ids.push(...lines.flatMap((line) => noticesOf(JSON.parse(line) as Change).map(({ id }) => id)));
    feed.settle();
  }
  return ids;
}

test('every finish is heard once and in order, from before the start and as it is stored', async () => {
  await append([finished('a'), { put: sampleJob({ id: 'b' }) }]);
  begin(1);
  expect(await heard()).toEqual(['a-3']);
  await append([]);
  await append([finished('b'), finished('c')]);
  await append([finished('d')]);
  expect(await heard()).toEqual(['b-3', 'c-3', 'd-3']);
  expect(feed.settledSeq).toBe(4);
});

test('it begins after the place where it stopped', async () => {
  await append([finished('a')]);
  await append([finished('b')]);
  begin(2);
  expect(await heard()).toEqual(['b-3']);
});

test('a carried record repeats what everybody knows: it is not heard', async () => {
  await append([finished('a')], 'carried');
  expect(await heard()).toEqual([]);
  await append([finished('b')], 'carried');
  expect(await heard()).toEqual([]);
  expect(feed.settledSeq).toBe(2);
});

test.each<Fate>(['stored_answer_lost', 'not_stored_answer_lost', 'storage_full'])(
  'an append that fails (%s) is heard if it was stored',
  async (fate) => {
    expect(await heard()).toEqual([]);
    journal.fates.push(fate);
    await expect(append([finished('a')])).rejects.toThrow();
    // As the manager does when it does not know.
    await feed.journal.commitAt(1);
    expect(await heard()).toEqual(fate === 'stored_answer_lost' ? ['a-3'] : []);
    await append([finished('b')]);
    expect(await heard()).toEqual(['b-3']);
  },
);

test('what is stored while the journal is read comes after it, once', async () => {
  await append([finished('a')]);
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const { read } = journal;
  journal.read = async (...args) => {
    const state = await read.apply(journal, args);
    await ended;
    return state;
  };
  begin(1);
  const taking = heard();
  await append([finished('b')]);
  end();
  expect(await taking).toEqual(['a-3', 'b-3']);
});

test('past its limit nothing more waits in memory: the rest is read from the journal', async () => {
  expect(await heard()).toEqual([]);
  const large = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 40; n++) await append([finished(`${n}`, large)]);
  const { lines } = await feed.take();
  expect(lines.length).toBeLessThan(20);
  feed.settle();
  const rest = await heard();
  expect(lines.length + rest.length).toBe(40);
  expect(new Set(rest).size).toBe(rest.length);
  expect(rest.at(-1)).toBe('39-3');
});

test('nothing counts as dealt with before it is', async () => {
  expect(await heard()).toEqual([]);
  await append([finished('a')]);
  expect(feed.settledSeq).toBeNull();
  await feed.take();
  expect(feed.hasNews).toBe(false);
  expect(feed.settledSeq).toBeNull();
  feed.settle();
  expect(feed.settledSeq).toBe(1);
});

test('what was purged unread is said', async () => {
  for (const id of ['a', 'b', 'c']) await append([finished(id)]);
  await journal.purgeBelow(3);
  begin(1);
  expect(await heard()).toEqual(['c-3']);
  expect(onGap).toHaveBeenCalledExactlyOnceWith(1, 2);
});
