import { Cron } from 'croner';

/** The parts of an expression, and what each takes. Seconds may be left out. */
const PARTS = [
  ['second', '0 to 59'],
  ['minute', '0 to 59'],
  ['hour', '0 to 23'],
  ['day', '1 to 31, or L for the last'],
  ['month', '1 to 12, or JAN to DEC'],
  ['weekday', '0 to 7, where 0 and 7 are Sunday, or SUN to SAT'],
] as const;

/**
 * The first time of a cron expression after a moment, `null` when none comes. Throws what is wrong with it.
 * Where the clocks go forward over the time of day of a fixed one, it comes right behind the gap; where they
 * go back, once. What comes every so many minutes or hours comes so by the clock on the wall.
 */
export function nextTime(expression: string, timeZone: string, afterMs: number): number | null {
  try {
    return cronOf(expression, timeZone).nextRun(new Date(afterMs))?.getTime() ?? null;
  } catch (cause) {
    throw new Error(faultOf(expression), { cause });
  }
}

const cronOf = (expression: string, timeZone = 'UTC'): Cron =>
  new Cron(expression, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true });

/** In words of ours: which part is wrong is found out with each by itself, among parts that are right. */
function faultOf(expression: string): string {
  const parts = expression.trim().split(/\s+/).filter(Boolean);
  if (expression.startsWith('@')) return `there is no ${JSON.stringify(expression)}, only @hourly, @daily, @weekly, @monthly and @yearly.`;
  if (parts.length !== 5 && parts.length !== 6)
    return `${JSON.stringify(expression)} has ${parts.length} parts, and takes five, or six with seconds before them.`;
  for (const [index, text] of parts.entries()) {
    const alone = parts.map((_, other) => (other === index ? text : '*')).join(' ');
    const [name, takes] = PARTS[index + PARTS.length - parts.length] ?? PARTS[0];
    if (!isRight(alone)) return `the ${name} cannot be ${JSON.stringify(text)}. It takes ${takes}; "1,15", "1-5" and "*/10" too.`;
  }
  return `${JSON.stringify(expression)} cannot be read.`;
}

function isRight(expression: string): boolean {
  try {
    cronOf(expression);
    return true;
  } catch {
    return false;
  }
}
