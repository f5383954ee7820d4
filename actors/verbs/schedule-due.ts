import { JobError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { NextTime, Schedule, Skip } from '../schedule.js';
import type { VerbContext } from './context.js';
import { changed, makeRun, ranNow, requireSchedule } from './schedules.js';

/** How many are looked at in one round: asks that wait come in between. */
const DUE_MAX = 50;

/** Makes the jobs of the schedules whose time has come. Job and schedule stand in one record: no time is run twice, and none is lost. */
export function runDue(context: VerbContext): void {
  const { draft } = context;
  for (const id of draft.table.schedules.due(context.nowIso, DUE_MAX)) {
    const mark = draft.mark();
    runOne(context, requireSchedule(context, id));
    if (draft.bytes <= context.recordBytesMax) continue;
    draft.rollbackTo(mark);
    // The next record takes it.
    if (mark > 0) return;
    tooLarge(context, requireSchedule(context, id));
  }
}

function runOne(context: VerbContext, before: Schedule): void {
  const { nowMs, nextTime } = context;
  let due: Due;
  try {
    due = dueTimes(nextTime, before, nowMs);
  } catch (error) {
    const why = `Its next time cannot be told any more, so it is paused: ${messageOf(error)}`;
    return skip(context, changed(context, before, { enabled: false, nextAt: null }), {
      at: before.nextAt ?? '',
      code: 'no_next_time',
      why,
    });
  }
  const schedule = { ...before, nextAt: due.nextAt };
  if (due.missed.length === 0) return run(context, schedule, due.onTime ?? context.nowIso, '');
  const told = toldOf(due);
  if (schedule.missed === 'once') return run(context, schedule, due.onTime ?? due.lastMissed, `; it makes up for ${told}`);
  skip(context, changed(context, schedule, {}), { at: due.lastMissed, code: 'missed', why: `Nobody could run it at its time: ${told}.` });
  if (due.onTime !== null) run(context, requireSchedule(context, schedule.id), due.onTime, '');
}

function run(context: VerbContext, schedule: Schedule, at: string, made: string): void {
  const { draft } = context;
  const open = draft.table.schedules.openRunsOf(schedule.id);
  const obstacle = obstacleOf(context, schedule, open);
  if (obstacle !== null) return skip(context, changed(context, schedule, {}), { at, code: 'overlap', why: obstacle });
  const mark = draft.mark();
  try {
    const after = schedule.overlap === 'wait' ? open : [];
    const entry = makeRun(context, schedule, { schedule: schedule.id, after, note: `schedule ${schedule.name}, due at ${at}${made}` });
    draft.schedules.put(changed(context, schedule, ranNow(context, schedule, entry)));
  } catch (error) {
    draft.rollbackTo(mark);
    const code = error instanceof JobError ? error.code : 'internal';
    skip(context, changed(context, schedule, {}), { at, code, why: `Its job was refused: ${messageOf(error)}` });
  }
}

/** Why no run may be made while these have not ended. At most one waits, so that they do not pile up. */
function obstacleOf({ draft: { table } }: VerbContext, { overlap }: Schedule, open: readonly string[]): string | null {
  if (overlap === 'allow' || open.length === 0) return null;
  if (overlap === 'skip') return `Job ${open.join(', ')} of it had not ended.`;
  const waiting = open.find((id) => table.get(id)?.job.after.some((other) => open.includes(other)));
  if (waiting !== undefined) return `Job ${waiting} of it waits already for one before it to end.`;
  return open.length > LIMITS.afterPerJob ? `${open.length} jobs of it had not ended.` : null;
}

function tooLarge(context: VerbContext, schedule: Schedule): void {
  const { nextAt } = dueTimes(context.nextTime, schedule, context.nowMs);
  const why = 'Its job does not fit in one record of the journal.';
  skip(context, changed(context, schedule, { nextAt }), { at: schedule.nextAt ?? '', code: 'payload_too_large', why });
}

const skip = ({ draft }: VerbContext, schedule: Schedule, skipped: Skip): void =>
  void draft.schedules.put({ ...schedule, lastSkip: skipped }, { skip: skipped });

interface Due {
  /** Times that nobody could run: they are too long ago, or a later one has come too. The first ones at most. */
  missed: string[];
  /** Whether there are more of them. */
  more: boolean;
  lastMissed: string;
  /** The last time, if it is late by no more than what a busy service may be late. */
  onTime: string | null;
  nextAt: string | null;
}

function dueTimes(nextTime: NextTime, { cron, timeZone, nextAt }: Schedule, nowMs: number): Due {
  if (cron === null || nextAt === null) throw new Error('a template is never due');
  const after = (ms: number) => nextTime(cron, timeZone, ms);
  const passed = (from: number | null, max: number): number[] => {
    const times: number[] = [];
    for (let at = from; at !== null && at <= nowMs && times.length < max; at = after(at)) times.push(at);
    return times;
  };
  const missed = passed(Date.parse(nextAt), LIMITS.missedTimesTold + 1);
  const more = missed.length > LIMITS.missedTimesTold;
  const lateMs = nowMs - LIMITS.scheduleLateMs;
  const last = (more ? passed(after(lateMs - 1), Infinity) : missed).at(-1) ?? 0;
  if (more || last >= lateMs) missed.pop();
  const next = after(nowMs);
  return {
    missed: missed.map(isoOf),
    more,
    lastMissed: isoOf(missed.at(-1) ?? last),
    onTime: last >= lateMs ? isoOf(last) : null,
    nextAt: next === null ? null : isoOf(next),
  };
}

function toldOf({ missed, more }: Due): string {
  const [first, last] = [missed[0], missed.at(-1)];
  if (missed.length === 1) return `the time ${first}, which was missed`;
  return more
    ? `more than ${missed.length} times from ${first} on, which were missed`
    : `${missed.length} times from ${first} to ${last}, which were missed`;
}

const isoOf = (ms: number): string => new Date(ms).toISOString();
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
