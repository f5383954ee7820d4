import { describe, expect, test } from 'vitest';
import { nextTime } from '../../src/cron.js';

/** The times that follow one another, as the service works them out: each from the one before. */
function times(cron: string, timeZone: string, after: string, count: number): string[] {
  const found: string[] = [];
  let at: number | null = Date.parse(after);
  while (found.length < count && (at = nextTime(cron, timeZone, at)) !== null) found.push(new Date(at).toISOString().slice(0, 16));
  return found;
}

describe('where the clocks go forward', () => {
  test('a time of day that does not come is run right behind the gap: Berlin', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
  });

  test('and in New York', () => {
    expect(times('30 2 * * *', 'America/New_York', '2026-03-07T00:00Z', 3)).toEqual([
      '2026-03-07T07:30',
      '2026-03-08T07:00',
      '2026-03-09T06:30',
    ]);
  });

  test('one of several times of day too', () => {
    expect(times('30 2,14 * * *', 'Europe/Berlin', '2026-03-29T00:00Z', 2)).toEqual(['2026-03-29T01:00', '2026-03-29T12:30']);
  });

  test('what comes every hour comes once an hour', () => {
    expect(times('30 * * * *', 'Europe/Berlin', '2026-03-28T23:45Z', 3)).toEqual([
      '2026-03-29T00:30',
      '2026-03-29T01:30',
      '2026-03-29T02:30',
    ]);
  });
});

describe('where the clocks go back', () => {
  test('a time of day that comes twice is run once: Berlin', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', 2)).toEqual(['2026-10-25T00:30', '2026-10-26T01:30']);
  });

  test('and in New York', () => {
    expect(times('30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', 2)).toEqual(['2026-11-01T05:30', '2026-11-02T06:30']);
  });

  test('not again when it is asked for between the two, as after a restart', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-25T01:15Z', 1)).toEqual(['2026-10-26T01:30']);
  });

  test('what comes every hour comes in both hours', () => {
    expect(times('30 * * * *', 'Europe/Berlin', '2026-10-24T23:45Z', 3)).toEqual([
      '2026-10-25T00:30',
      '2026-10-25T01:30',
      '2026-10-25T02:30',
    ]);
  });
});

test('a time that never comes is none', () => {
  expect(nextTime('0 0 30 2 *', 'UTC', Date.parse('2026-01-01'))).toBeNull();
});

test('a leap day is waited for', () => {
  expect(times('0 0 29 2 *', 'UTC', '2026-01-01T00:00Z', 2)).toEqual(['2028-02-29T00:00', '2032-02-29T00:00']);
});

test.each([
  ['61 * * * *', 'the minute cannot be "61". It takes 0 to 59'],
  ['0 0 * 13 *', 'the month cannot be "13". It takes 1 to 12'],
  ['0 0 * * MON-FOO', 'the weekday cannot be "MON-FOO"'],
  ['99 * * * * *', 'the second cannot be "99"'],
  ['0 5-1 * * *', 'the hour cannot be "5-1"'],
  ['* * * *', 'has 4 parts, and takes five'],
  ['', 'has 0 parts'],
  ['@often', 'only @hourly, @daily'],
])('what is wrong with %j is said by its part: %s', (cron, words) => {
  expect(() => nextTime(cron, 'UTC', 0)).toThrow(words);
});
