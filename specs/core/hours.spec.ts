import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hoursSchema, isOpen, nextChange, type Hours } from '../../actors/hours.js';

const hours = (from: string, to: string, timeZone = 'UTC', days?: string[]): Hours =>
  hoursSchema.parse({ from, to, timeZone, ...(days ? { days } : {}) });
const at = (iso: string) => Date.parse(iso);
const next = (when: Hours, iso: string) => {
  const ms = nextChange(when, at(iso));
  return ms === null ? null : new Date(ms).toISOString().replace(':00.000', '');
};

describe('hours', () => {
  test('are as the clocks of their time zone show', () => {
    const night = hours('22:00', '06:00', 'Europe/Berlin');
    expect(isOpen(night, at('2026-07-01T19:59:59Z'))).toBe(false);
    expect(isOpen(night, at('2026-07-01T20:00:00Z'))).toBe(true);
    expect(isOpen(night, at('2026-01-01T20:30:00Z'))).toBe(false);
    expect(next(night, '2026-07-01T12:00:00Z')).toBe('2026-07-01T20:00Z');
    expect(next(night, '2026-07-01T20:00:00Z')).toBe('2026-07-02T04:00Z');
    expect(next(hours('09:00', '10:00', 'Asia/Kathmandu'), '2026-07-01T00:00:00Z')).toBe('2026-07-01T03:15Z');
  });

  test('over midnight belong to the day on which they begin', () => {
    const friday = hours('22:00', '06:00', 'UTC', ['fri']);
    expect(isOpen(friday, at('2026-11-27T23:00:00Z'))).toBe(true);
    expect(isOpen(friday, at('2026-11-28T05:00:00Z'))).toBe(true);
    expect(isOpen(friday, at('2026-11-27T05:00:00Z'))).toBe(false);
    expect(next(friday, '2026-11-28T06:00:00Z')).toBe('2026-12-04T22:00Z');
  });

  test('from a time to the same are whole days, of all days for ever', () => {
    expect(next(hours('08:00', '08:00', 'UTC', ['sat', 'sun']), '2026-11-28T12:00:00Z')).toBe('2026-11-30T08:00Z');
    expect(next(hours('00:00', '00:00'), '2026-11-28T12:00:00Z')).toBeNull();
  });

  test('end when the clocks jump over their end', () => {
    const night = hours('22:00', '02:30', 'Europe/Berlin');
    expect(next(night, '2026-03-28T22:00:00Z')).toBe('2026-03-29T01:00Z');
    expect(next(hours('02:30', '12:00', 'Europe/Berlin'), '2026-03-28T23:00:00Z')).toBe('2026-03-29T01:00Z');
  });

  test('begin when the clocks jump over their begin, also on the only day of the week', () => {
    const sunday = hours('02:00', '00:00', 'America/St_Johns', ['sun']);
    expect(next(sunday, '2026-03-02T12:00:00Z')).toBe('2026-03-08T05:30Z');
    expect(next(hours('02:30', '00:00', 'America/St_Johns', ['sun']), '2026-03-02T12:00:00Z')).toBe('2026-03-08T05:30Z');
  });

  test.each([
    [{ from: '24:00', to: '06:00', timeZone: 'UTC' }],
    [{ from: '22:00', to: '6:00', timeZone: 'UTC' }],
    [{ from: '22:00', to: '06:00', timeZone: 'Europe/Nowhere' }],
    [{ from: '22:00', to: '06:00' }],
    [{ from: '22:00', to: '06:00', timeZone: 'UTC', days: [] }],
    [{ from: '22:00', to: '06:00', timeZone: 'UTC', days: ['Friday'] }],
  ])('%j are refused', (value) => {
    expect(hoursSchema.safeParse(value).success).toBe(false);
  });

  test('change exactly where the minute before was otherwise, whatever the zone and the day', () => {
    const time = fc
      .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
      .map((pair) => pair.map((n) => String(n).padStart(2, '0')).join(':'));
    const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia');
    const days = fc.subarray(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], { minLength: 1 });
    const start = fc.integer({ min: at('2026-01-01T00:00:00Z') / 60_000, max: at('2027-01-01T00:00:00Z') / 60_000 });
    fc.assert(
      fc.property(time, time, zone, days, start, (from, to, timeZone, on, minute) => {
        const when = hours(from, to, timeZone, on);
        const change = nextChange(when, minute * 60_000);
        const before = isOpen(when, minute * 60_000);
        if (change === null) {
          expect(from === to && on.length === 7).toBe(true);
          return;
        }
        expect(isOpen(when, change)).toBe(!before);
        expect(isOpen(when, change - 1)).toBe(before);
        const step = Math.ceil((change - minute * 60_000) / 50);
        for (let ms = minute * 60_000; ms < change; ms += step) expect(isOpen(when, ms)).toBe(before);
      }),
      { numRuns: 300 },
    );
  });
});
