import { z } from 'zod';

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
const ZONES_KEPT = 1000;

export const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day as 22:00');

export const timeZoneSchema = z.string().max(64).refine(isTimeZone, 'a time zone as Europe/Berlin or UTC');

/** When a job may run: each of the days from one time to another, over midnight if `to` is the earlier one. */
export const hoursSchema = z.strictObject({
  from: timeOfDay,
  to: timeOfDay.describe('at this time it is stopped, to go on the next time; the same as from: a whole day'),
  timeZone: timeZoneSchema,
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .max(7)
    .default([...DAYS])
    .describe('those on which the hours begin'),
});
export type Hours = z.infer<typeof hoursSchema>;

export function isOpen(hours: Hours, ms: number): boolean {
  const { day, minute } = localTime(hours.timeZone, ms);
  const [from, to] = [minuteOf(hours.from), minuteOf(hours.to)];
  const begins = (index: number) => hours.days.includes(DAYS[(index + 7) % 7] as (typeof DAYS)[number]);
  if (from < to) return begins(day) && minute >= from && minute < to;
  return (begins(day) && minute >= from) || (begins(day - 1) && minute < to);
}

/** When they next begin or end after `ms`; `null` when they never do. */
export function nextChange(hours: Hours, ms: number): number | null {
  const wasOpen = isOpen(hours, ms);
  const midnight = Math.floor(localTime(hours.timeZone, ms).asUtcMs / MINUTE_MS / DAY_MINUTES) * DAY_MINUTES;
  const candidates = Array.from({ length: 10 }, (_, day) =>
    [hours.from, hours.to].map((time) => instantOf(hours.timeZone, (midnight + (day - 1) * DAY_MINUTES + minuteOf(time)) * MINUTE_MS)),
  );
  const next = candidates
    .flat()
    .sort((a, b) => a - b)
    .find((at) => at > ms && isOpen(hours, at) !== wasOpen);
  return next === undefined ? null : firstOf(hours, ms, next);
}

/** The first moment from which it is as at `to`: another one only where the clocks go forward over the time of day. */
function firstOf(hours: Hours, from: number, to: number): number {
  const after = isOpen(hours, to);
  let [low, high] = [from, to];
  if (isOpen(hours, high - 1) !== after) return high;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isOpen(hours, middle) === after) high = middle;
    else low = middle;
  }
  return high;
}

/** The moment at which the clocks of the zone show what UTC clocks show at `asUtcMs`; where they jump over that, one after the jump. */
function instantOf(timeZone: string, asUtcMs: number): number {
  const guess = asUtcMs - (localTime(timeZone, asUtcMs).asUtcMs - asUtcMs);
  const at = asUtcMs - (localTime(timeZone, guess).asUtcMs - guess);
  return localTime(timeZone, at).asUtcMs === asUtcMs ? at : Math.max(at, guess);
}

export function localTime(timeZone: string, ms: number): { day: number; minute: number; asUtcMs: number } {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(ms)
      .map(({ type, value }) => [type, Number(value)]),
  ) as Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', number>;
  const asUtcMs = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
  return { day: (new Date(asUtcMs).getUTCDay() + 6) % 7, minute: parts.hour * 60 + parts.minute, asUtcMs };
}

export const minuteOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/** A formatter costs much more than what it formats. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const [numeric, hourCycle] = ['numeric', 'h23'] as const;
  const format = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle,
    year: numeric,
    month: numeric,
    day: numeric,
    hour: numeric,
    minute: numeric,
    second: numeric,
  });
  if (formats.size >= ZONES_KEPT) formats.clear();
  formats.set(timeZone, format);
  return format;
}

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}
