import { expect, test } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import { DeliveryFailed, backoffMs } from '../../src/notify/delivery.js';
import type { Due } from '../../src/notify/notice-store.js';
import { Outbox, type OutboxOptions } from '../../src/notify/outbox.js';
import { sampleJob } from '../support/sample-job.js';

const AT = '2026-01-01T00:00:00.000Z';
const due = (id: string, result: unknown = null): Due => ({
  receiver: 'job',
  notice: { event: 'completed', id, at: AT, job: sampleJob({ id, result }) },
});

const forever = () => new Promise<void>(() => undefined);

/** An outbox whose deliveries the spec decides: how often each is tried, and how it ends. */
function outbox(options: Partial<OutboxOptions> = {}) {
  const tries: string[] = [];
  const ends: [seq: number, why: string | null][] = [];
  const box = new Outbox({
    keyOf: ({ notice }) => notice.id.slice(0, 1),
    deliver: () => Promise.reject(new DeliveryFailed('not today')),
    onEnd: (seq, _due, why) => {
      ends.push([seq, why]);
      return Promise.resolve();
    },
    backoffMs: () => 1,
    nowMs: () => Date.parse(AT),
    ...options,
    ...(options.deliver
      ? { deliver: (each, signal) => (tries.push(each.notice.id), options.deliver?.(each, signal) ?? Promise.resolve()) }
      : {}),
  });
  return { box, tries, ends };
}

test('a notice is tried 15 times at most', async () => {
  const { box, tries, ends } = outbox({ deliver: () => Promise.reject(new DeliveryFailed('not today')) });
  box.add(7, due('a1'));
  await expect.poll(() => ends).toEqual([[7, 'after 15 tries: not today']]);
  expect(tries).toHaveLength(LIMITS.noticeTries);
});

test('a notice of yesterday is tried once more and then given up', async () => {
  const { box, ends } = outbox({ nowMs: () => Date.parse(AT) + LIMITS.noticeAgeMs });
  box.add(7, due('a1'));
  await expect.poll(() => ends).toEqual([[7, 'after 1 tries: not today']]);
});

test('what cannot succeed is not tried again', async () => {
  const { box, ends } = outbox({ deliver: () => Promise.reject(new DeliveryFailed('gone', { isFinal: true })) });
  box.add(7, due('a1'));
  await expect.poll(() => ends).toEqual([[7, 'gone']]);
});

test('a few go to one receiver at once, and none waits for another’s', () => {
  const { box, tries } = outbox({ deliver: forever });
  for (let n = 0; n < 10; n++) box.add(n, due(`a${n}`));
  box.add(10, due('b0'));
  expect(tries).toEqual(['a0', 'a1', 'a2', 'a3', 'b0']);
});

test('receivers that never answer take turns with the others, however many notices wait for them', async () => {
  const answers: (() => void)[] = [];
  const { box, tries } = outbox({
    keyOf: ({ notice }) => notice.id.replace(/-.*/, ''),
    deliver: () => new Promise((resolve) => answers.push(resolve)),
  });
  for (let lane = 0; lane < 16; lane++) for (let n = 0; n < 8; n++) box.add(lane * 8 + n, due(`slow${lane}-${n}`));
  box.add(999, due('quick-0'));
  expect(tries).toHaveLength(LIMITS.noticesAtOnce);
  expect(tries).not.toContain('quick-0');
  for (const answer of answers.splice(0, 17)) answer();
  await expect.poll(() => tries).toContain('quick-0');
});

test('no more than the limits say wait: for one receiver, for all, and in size', () => {
  const { box, ends } = outbox({
    deliver: forever,
    limits: { noticesPerReceiver: 2, notices: 3, noticeBytes: 12_000 },
  });
  box.add(1, due('a1', 'x'.repeat(9000)));
  box.add(2, due('b1', 'x'.repeat(9000)));
  box.add(3, due('a2'));
  box.add(4, due('a3'));
  expect(ends).toEqual([
    [2, 'too many notices wait'],
    [4, '2 notices wait for it already'],
  ]);
});

test('a notice that is known already is not told twice, and is then ended where it stands now', async () => {
  let take: () => void = () => undefined;
  const { box, tries, ends } = outbox({ deliver: () => new Promise((resolve) => (take = resolve)) });
  box.add(1, due('a1'));
  box.add(5, due('a1'));
  take();
  await expect.poll(() => ends).toEqual([[5, null]]);
  expect(tries).toEqual(['a1']);
});

test('when it stops, it breaks off what is on its way and ends nothing', async () => {
  const { box, ends } = outbox({
    deliver: (_due, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
  });
  box.add(1, due('a1'));
  await box.stop();
  expect(ends).toEqual([]);
});

test('the pauses grow from seconds to hours: the last try is within a day', () => {
  const pauses = Array.from({ length: LIMITS.noticeTries - 1 }, (_, n) => backoffMs(n + 1, () => 0.999));
  expect(backoffMs(1, () => 0)).toBe(3750);
  expect(backoffMs(1, () => 0.999)).toBeGreaterThan(6000);
  expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(LIMITS.noticeAgeMs);
  expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(12 * 3600 * 1000);
});
