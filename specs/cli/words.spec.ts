import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JobError } from '../../actors/errors.js';
import { parseSize } from '../../actors/sizes.js';
import { bytes, duration, parseDuration, percent, relativeTime, speed } from '../../src/cli/format.js';
import { statusWords } from '../../src/cli/job-view.js';
import { clip, clipStart, displayWidth, safeJson, safeText } from '../../src/cli/safe-text.js';
import { nearest } from '../../src/cli/suggest.js';
import { tableLines } from '../../src/cli/table.js';
import { sampleJob } from '../support/sample-job.js';
import { ESCAPES } from './cli.js';

describe('numbers are told as people read them', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [12_345_678, '12.3 MB'],
    [999_600_000, '1.00 GB'],
    [Number.MAX_SAFE_INTEGER, '9.01 PB'],
  ])('%d bytes are %s', (count, words) => expect(bytes(count)).toBe(words));

  test.each([
    [0.2, 'under 1 s'],
    [59, '59 s'],
    [80, '1 m 20 s'],
    [11_100, '3 h 5 m'],
    [187_200, '2 d 4 h'],
  ])('%d seconds are %s', (seconds, words) => expect(duration(seconds)).toBe(words));

  test('speed has its unit', () => expect(speed(12_300_000)).toBe('12.3 MB/s'));
  test('100 % is said of nothing that is not done', () => expect(percent(99.999)).toBe('99.9 %'));
  test('times are told from now', () => {
    const now = Date.parse('2030-01-01T00:10:00Z');
    expect(relativeTime('2030-01-01T00:05:00Z', now)).toBe('5 m ago');
    expect(relativeTime('2030-01-01T01:40:00Z', now)).toBe('in 1 h');
    expect(relativeTime('2030-01-01T00:10:00.100Z', now)).toBe('just now');
  });
});

describe('sizes and times are taken as people type them', () => {
  test.each([
    ['500', 500],
    ['500k', 500_000],
    ['10M', 10_000_000],
    ['10MB/s', 10_000_000],
    ['1.5GiB', 1_610_612_736],
  ])('%s is %d bytes', (typed, size) => expect(parseSize(typed, '--bwlimit')).toBe(size));

  test.each([
    ['90s', 90],
    ['15m', 900],
    ['7d', 604_800],
  ])('%s is %d seconds', (typed, seconds) => expect(parseDuration(typed, '--older-than')).toBe(seconds));

  test.each(['', 'fast', '-1', '10X', '1e9', '99999999T'])('%j is no size, and the flag is named', (typed) => {
    expect(() => parseSize(typed, '--bwlimit')).toThrow(/^--bwlimit/);
  });
  test.each(['', '7', 'week', '-7d'])('%j is no time, and the flag is named', (typed) => {
    expect(() => parseDuration(typed, '--older-than')).toThrow(JobError);
  });
});

describe('text of others cannot steer the terminal', () => {
  const anyText = fc.string({ unit: 'binary', maxLength: 60 });

  test('no control or direction character is left', () => {
    fc.assert(fc.property(anyText, (text) => !ESCAPES.test(safeText(text)) && !safeText(text).includes('\n')));
    expect(safeText('a\u001b[31m\u009b2J\u202eb\nc')).toBe('a\\x1b[31m\\x9b2J\\u202eb\\nc');
  });

  test('names that are only unusual stay as they are', () => {
    for (const name of ['Grüße', '写真', 'صور', '👩‍🚀'.normalize()])
      expect(safeText(name.replace('\u200d', ''))).toBe(name.replace('\u200d', ''));
  });

  test('JSON of it is safe as well, and the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), anyText, (value, text) => {
        const json = safeJson({ value, text });
        expect(ESCAPES.test(json)).toBe(false);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ value, text })));
      }),
    );
  });
});

describe('lines fit their columns', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'é', '写', '👍', 'b'), maxLength: 40 });

  test('a cut text is never wider, and is marked', () => {
    fc.assert(
      fc.property(line, fc.integer({ min: 1, max: 30 }), (text, columns) => {
        for (const cut of [clip(text, columns), clipStart(text, columns)]) {
          expect(displayWidth(cut)).toBeLessThanOrEqual(columns);
          expect(cut === text || cut.includes('…')).toBe(true);
        }
      }),
    );
  });

  test('a table narrows only the column that may be cut', () => {
    const columns = [{ title: 'ID' }, { title: 'NAME', shrinks: true }, { title: 'SIZE', right: true }];
    const rows = [[{ text: 'abcd' }, { text: 'a name that is rather long' }, { text: '12 MB' }]];
    const lines = tableLines(columns, rows, 24).map((pieces) =>
      pieces.map((piece) => (typeof piece === 'string' ? piece : piece[0])).join(''),
    );
    expect(lines).toEqual(['ID    NAME          SIZE', 'abcd  a name tha…  12 MB']);
  });
});

describe('a word that was mistyped finds the one that was meant', () => {
  const words = ['list', 'logs', 'resume', 'retry', 'completion'];
  test.each([
    ['lsit', 'list'],
    ['resmue', 'resume'],
    ['comp', 'completion'],
    ['RETRY', 'retry'],
  ])('%s is %s', (typed, meant) => expect(nearest(typed, words)).toBe(meant));
  test('and nothing is guessed from afar', () => expect(nearest('photograph', words)).toBeNull());
});

test.each([
  ['running', null, 'away, looks now'],
  ['queued', null, 'away, looks soon'],
  ['queued', '2026-01-01T00:00:01.000Z', 'away, looks soon'],
  ['queued', '2026-01-01T00:00:40.000Z', 'away, looks in 40 s'],
] as const)('a job that waits for a side that is away and is %s until %s reads "%s"', (status, retryAt, words) => {
  const job = sampleJob({ status, retryAt, awaySince: '2026-01-01T00:00:00.000Z' });
  expect(statusWords(job, Date.parse('2026-01-01T00:00:00.000Z'))).toBe(words);
});
