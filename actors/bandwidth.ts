import { z } from 'zod';
import { JobError } from './errors.js';
import { DAYS, localTime, minuteOf, timeOfDay, timeZoneSchema } from './hours.js';
import { LIMITS } from './limits.js';
import { parseSize } from './sizes.js';

const DAY_MINUTES = 24 * 60;
const WEEK_MINUTES = 7 * DAY_MINUTES;

/** rsync knows no smaller limit. */
export const LEAST_BYTES_PER_SECOND = 1024;

const bytesPerSecond = z
  .number()
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .refine((count) => count === 0 || count >= LEAST_BYTES_PER_SECOND, `0, which is no limit, or from ${LEAST_BYTES_PER_SECOND}`);

/** From each of these times on, until the next one of the week, its limit holds. */
const timetableSchema = z.strictObject({
  timeZone: timeZoneSchema.default('UTC'),
  steps: z
    .array(
      z.strictObject({
        from: timeOfDay,
        bytesPerSecond,
        days: z
          .array(z.enum(DAYS))
          .min(1)
          .max(7)
          .default([...DAYS]),
      }),
    )
    .min(1)
    .max(LIMITS.bandwidthSteps),
});

/** The bandwidth limit of all transfers together: bytes a second (0: none), always or by time of day. */
export const bandwidthSchema = z.union([bytesPerSecond, timetableSchema]);
export type Bandwidth = z.infer<typeof bandwidthSchema>;

/** The limit that holds at `ms`; 0 is none. */
export function limitAt(limit: Bandwidth, ms: number): number {
  if (typeof limit === 'number') return limit;
  const { day, minute } = localTime(limit.timeZone, ms);
  const now = day * DAY_MINUTES + minute;
  let [newest, least] = [0, Infinity];
  for (const step of limit.steps) {
    for (const name of step.days) {
      const ago = (now - DAYS.indexOf(name) * DAY_MINUTES - minuteOf(step.from) + WEEK_MINUTES) % WEEK_MINUTES;
      if (ago <= least) [newest, least] = [step.bytesPerSecond, ago];
    }
  }
  return newest;
}

const STEP = /^(?:(?<days>[a-z]{3}(?:-[a-z]{3})?) +)?(?<from>\d\d:\d\d) +(?<rate>[^ ]+)(?: +(?<zone>[^ ]+))?$/;

/**
 * Reads `20M`, `off` or `mon-fri 08:00 5M, 18:00 off Europe/Berlin`; without a
 * zone at its end the times are of `timeZone`. Throws `invalid_request` naming `what`.
 */
export function parseBandwidth(text: string, what: string, timeZone: string): Bandwidth {
  if (!text.includes(':')) return checked(rateOf(text.trim(), what), what);
  const words = text.split(',');
  const parts = words.map((part) => STEP.exec(part.trim())?.groups).filter((groups) => groups !== undefined);
  const zones = parts.map(({ zone }) => zone);
  if (parts.length < words.length || zones.slice(0, -1).some((zone) => zone !== undefined)) {
    throw new JobError(
      'invalid_request',
      `${what} is ${JSON.stringify(text)}: give a limit such as 20M or off, or times as "08:00 5M, 18:00 off Europe/Berlin", with days as "mon-fri 08:00 5M".`,
    );
  }
  const steps = parts.map(({ days, from, rate = '' }) => ({
    from,
    bytesPerSecond: rateOf(rate, what),
    ...(days === undefined ? {} : { days: daysOf(days, what) }),
  }));
  return checked({ timeZone: zones.at(-1) ?? timeZone, steps }, what);
}

const rateOf = (text: string, what: string): number => (text === 'off' ? 0 : parseSize(text, what));

/** `mon-fri`, `sat-mon`, `sun`. */
function daysOf(text: string, what: string): string[] {
  const [first = '', last = first] = text.split('-');
  const [from, to] = [first, last].map((name) => (DAYS as readonly string[]).indexOf(name)) as [number, number];
  if (from < 0 || to < 0) throw new JobError('invalid_request', `${what}: ${JSON.stringify(text)} are no days: ${DAYS.join(', ')}.`);
  return DAYS.filter((_, index) => (from <= to ? index >= from && index <= to : index >= from || index <= to));
}

function checked(value: unknown, what: string): Bandwidth {
  const schema = typeof value === 'number' ? bytesPerSecond : timetableSchema;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new JobError('invalid_request', `${what}: ${result.error.issues[0]?.message ?? 'not a limit'}.`);
}
