import { Cron } from 'croner';

/**
 * The first time of a cron expression after a moment, `null` when none comes. Throws what is wrong with it.
 * Where the clocks go forward over the time of day of a fixed one, it comes right behind the gap; where they
 * go back, once. What comes every so many minutes or hours comes so by the clock on the wall.
 */
export function nextTime(expression: string, timeZone: string, afterMs: number): number | null {
  try {
    const cron = new Cron(expression, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true });
    return cron.nextRun(new Date(afterMs))?.getTime() ?? null;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${why.replace(/^Cron\w+: /, '').replace(/\.$/, '')}.`, { cause });
  }
}
