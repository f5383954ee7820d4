import type { Schedule } from '../../actors/schedule.js';
import type { ScheduleAnswer } from '../answers.js';
import { localTime, plural, relativeTime } from './format.js';
import { shortId } from './job-view.js';
import { pairLines, tableLines, type Column } from './table.js';
import type { Piece, Terminal } from './terminal.js';

/** How schedules look. */

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'NAME', shrinks: true },
  { title: 'WHEN' },
  { title: 'NEXT' },
  { title: 'LAST' },
  { title: 'RUNS', right: true },
];

/** Whole ids where a program reads it, short ones for people. */
export function scheduleTable(schedules: readonly Schedule[], terminal: Terminal, now: number): Piece[][] {
  const rows = schedules.map((schedule) => [
    { text: terminal.interactive ? shortId(schedule.id) : schedule.id },
    { text: schedule.name },
    { text: whenWords(schedule) },
    { text: nextWords(schedule, now) },
    { text: lastWords(schedule, now) },
    { text: String(schedule.runs) },
  ]);
  return tableLines(COLUMNS, rows, terminal.interactive ? terminal.columns - 1 : Infinity);
}

const whenWords = ({ cron, timeZone }: Schedule): string => (cron === null ? 'when asked' : `${cron} ${timeZone}`);

function nextWords({ cron, enabled, nextAt }: Schedule, now: number): string {
  if (!enabled) return 'paused';
  return cron === null || nextAt === null ? '' : relativeTime(nextAt, now);
}

function lastWords({ lastAt, lastSkip }: Schedule, now: number): string {
  const wasSkipped = lastSkip !== null && (lastAt === null || lastSkip.at > lastAt);
  if (wasSkipped) return `skipped ${relativeTime(lastSkip.at, now)}`;
  return lastAt === null ? '' : relativeTime(lastAt, now);
}

/** All of one schedule, for `show`. */
export function scheduleDetails(schedule: ScheduleAnswer, now: number): Piece[][] {
  const at = (timestamp: string): string => `${localTime(timestamp)}  (${relativeTime(timestamp, now)})`;
  const { job, lastSkip, next, cron, enabled } = schedule;
  return pairLines([
    ['id', schedule.id],
    ['name', schedule.name],
    ['when', whenWords(schedule)],
    ['state', cron === null ? 'a template: "tallyman schedule run" makes a job of it' : enabled ? 'on' : 'paused'],
    ...next.map((time, index) => [index === 0 ? 'next' : '', at(time)] as const),
    ['overlap', cron === null ? null : schedule.overlap],
    ['missed', cron === null ? null : schedule.missed],
    ...jobPairs(job),
    ['runs', plural(schedule.runs, 'run')],
    ['last run', schedule.lastAt === null ? null : `${at(schedule.lastAt)}, job ${schedule.lastJobId ?? ''}`],
    ['did not run', lastSkip === null ? null : [`${at(lastSkip.at)}: ${lastSkip.why} (${lastSkip.code})`, 'yellow']],
    ['version', String(schedule.version)],
  ]);
}

function jobPairs({ type, source, destination, input, labels, options }: Schedule['job']): (readonly [string, string | null])[] {
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : value === undefined ? null : JSON.stringify(value));
  return [
    ['type', text(type)],
    ['from', text(source)],
    ['to', text(destination)],
    ['input', text(input)],
    ['labels', text(labels)],
    ['options', text(options)],
  ];
}
