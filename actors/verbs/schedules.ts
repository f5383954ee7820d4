import { JobError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { parseRequest, withinPart } from '../parse-request.js';
import { createSchemaFor, type Requests } from '../requests.js';
import type { Schedule } from '../schedule.js';
import type { Entry } from '../entry.js';
import { requireVersion, type VerbContext } from './context.js';
import { create as createJob, madeBefore, newJob, requireMade, type Origin } from './create.js';
import { overridden } from './duplicate.js';

const TIMES_SHOWN = 5;

export function create(context: VerbContext, body: Requests['schedule_create']): string {
  const { idempotencyKey, ...asked } = body;
  const { key, id } = madeBefore(context, idempotencyKey, { verb: 'schedule_create', ...asked });
  if (id !== null) return get(context, id);
  const { draft, nowIso } = context;
  if (draft.table.schedules.entries.size >= LIMITS.schedules) {
    throw new JobError(
      'storage_failed',
      `There are ${LIMITS.schedules} schedules, and no more are taken. Delete some with "schedule_delete".`,
    );
  }
  const next = requireNextTime(context, asked, context.nowMs);
  const schedule: Schedule = {
    id: context.newId(),
    ...asked,
    job: checkedJob(context, asked.name, asked.job),
    nextAt: asked.enabled ? next : null,
    lastAt: null,
    lastJobId: null,
    lastSkip: null,
    runs: 0,
    version: 1,
    createdAt: nowIso,
    updatedAt: nowIso,
  };
  return answerOf(context, draft.schedules.put(schedule, { key }).schedule);
}

export function update(context: VerbContext, { id, ifVersion, ...changes }: Requests['schedule_update']): string {
  const schedule = requireSchedule(context, id);
  requireVersion(schedule, ifVersion, 'Schedule');
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as Partial<Schedule>;
  const merged = changed(context, schedule, given);
  const job = given.job ? checkedJob(context, merged.name, given.job) : merged.job;
  return answerOf(context, context.draft.schedules.put({ ...merged, job, nextAt: nextAtOf(context, merged, given) }).schedule);
}

/** After the last run too, should the clock have been set back, so that no time is run twice; a new expression begins now. */
function nextAtOf(context: VerbContext, schedule: Schedule, given: Partial<Schedule>): string | null {
  if (given.cron === undefined && given.timeZone === undefined && given.enabled === undefined) return schedule.nextAt;
  const lastMs = given.cron === undefined && schedule.lastAt !== null ? Date.parse(schedule.lastAt) : 0;
  const next = requireNextTime(context, schedule, Math.max(context.nowMs, lastMs));
  return schedule.enabled ? next : null;
}

export function get(context: VerbContext, id: string): string {
  return answerOf(context, requireSchedule(context, id));
}

/** A page in the order of creation. It ends at its limit, or where an answer would get too large. */
export function list({ draft: { table } }: VerbContext, { limit, cursor }: Requests['schedule_list']): string {
  const ids = [...table.schedules.entries.keys()].sort();
  const texts: string[] = [];
  let chars = 0;
  let last: string | null = null;
  for (const id of cursor ? ids.filter((each) => each > cursor) : ids) {
    const text = table.schedules.get(id)?.text ?? '';
    if (texts.length > 0 && (texts.length === limit || (chars += text.length) > LIMITS.answerBytes)) break;
    texts.push(text);
    last = id;
  }
  const nextCursor = last !== null && last !== ids.at(-1) ? last : null;
  return `{"schedules":[${texts.join(',')}],"nextCursor":${JSON.stringify(nextCursor)},"total":${ids.length}}`;
}

/** Its jobs stay, as jobs like any other. */
export function remove(context: VerbContext, { id, ifVersion }: Requests['schedule_delete']): string {
  requireVersion(requireSchedule(context, id), ifVersion, 'Schedule');
  context.draft.schedules.delete(id, context.nowMs + LIMITS.keyMemoryMs);
  return JSON.stringify({ deleted: [id] });
}

/** A run now, because somebody asks for it: paused or not, whatever runs already. */
export function run(context: VerbContext, request: Requests['schedule_run']): Entry {
  const { id, ifVersion, idempotencyKey } = request;
  const { id: known } = madeBefore(context, idempotencyKey, request);
  if (known !== null) return requireMade(context, known);
  const schedule = requireSchedule(context, id);
  requireVersion(schedule, ifVersion, 'Schedule');
  const entry = makeRun(context, schedule, { schedule: id, after: [], note: `asked of schedule ${schedule.name}` }, request);
  context.draft.schedules.put(changed(context, schedule, ranNow(context, schedule, entry)));
  return entry;
}

export const ranNow = ({ nowIso }: VerbContext, { runs }: Schedule, { job }: Entry): Partial<Schedule> => ({
  lastAt: nowIso,
  lastJobId: job.id,
  runs: runs + 1,
});

/** The job of a run, by the rules of `create` as they are now. */
export function makeRun(context: VerbContext, schedule: Schedule, origin: Origin, request?: Requests['schedule_run']): Entry {
  const { overrides = {}, idempotencyKey } = request ?? {};
  const merged = overridden({ name: schedule.name, ...consentedTo(schedule.job, overrides) }, overrides);
  const body = parseRequest(createSchemaFor(merged), merged, request ? 'overrides.' : 'job.');
  return createJob(context, idempotencyKey === undefined ? body : { ...body, idempotencyKey }, request ?? body, origin);
}

/** A yes to the deletion of source files was given for the places of the schedule, and for no others. */
function consentedTo(job: Schedule['job'], overrides: Record<string, unknown>): Schedule['job'] {
  const options = job['options'] as { deleteSource?: object } | undefined;
  if (!options?.deleteSource || !('source' in overrides || 'destination' in overrides)) return job;
  return { ...job, options: { ...options, deleteSource: { ...options.deleteSource, confirmed: false } } };
}

/** Refused when it is stored, not when nobody looks: the job is made once, and thrown away. */
function checkedJob(context: VerbContext, name: string, job: Schedule['job']): Schedule['job'] {
  for (const field of ['after', 'runAt', 'previewId', 'idempotencyKey']) {
    if (field in job) throw invalid(`job.${field}`, 'it can be of one job only, and a schedule makes many. Leave it out.');
  }
  const body = parseRequest(createSchemaFor(job), job, 'job.');
  if (body.options.deadlineAt) {
    throw invalid('job.options.deadlineAt', 'one moment is no deadline for many jobs. Give attemptTimeoutSeconds, or leave it out.');
  }
  withinPart('job.', () => newJob(context, { name, ...body }));
  const { runAt: _never, ...kept } = body;
  const chars = JSON.stringify(kept).length;
  if (chars <= LIMITS.scheduleJobChars) return kept;
  throw new JobError('payload_too_large', `job: it has ${chars} characters; a schedule takes ${LIMITS.scheduleJobChars}.`, {
    field: 'job',
  });
}

type When = Pick<Schedule, 'cron' | 'timeZone'>;

/** The first time after a moment; `null` of a template. Throws `invalid_request` for an expression that is wrong or never comes. */
function requireNextTime(context: VerbContext, { cron, timeZone }: When, afterMs: number): string | null {
  if (cron === null) return null;
  let next: number | null;
  try {
    next = context.nextTime(cron, timeZone, afterMs);
  } catch (error) {
    throw invalid('cron', `${error instanceof Error ? error.message : String(error)} ${EXPECTED}`);
  }
  if (next === null) throw invalid('cron', `no day fits "${cron}": it would never run. ${EXPECTED}`);
  return new Date(next).toISOString();
}

const EXPECTED = 'Expected: minute hour day month weekday, as "30 2 * * *" for every night at 2:30.';

const invalid = (field: string, message: string): JobError => new JobError('invalid_request', `${field}: ${message}`, { field });

export function requireSchedule(context: VerbContext, id: string): Schedule {
  const entry = context.draft.table.schedules.get(id);
  if (entry) return entry.schedule;
  throw new JobError('schedule_not_found', `There is no schedule ${id}. "schedule_list" shows what there is.`, { id });
}

/** A new value of the schedule: `changes` over it, one version up. */
export const changed = ({ nowIso }: VerbContext, schedule: Schedule, changes: Partial<Schedule>): Schedule => ({
  ...schedule,
  ...changes,
  version: schedule.version + 1,
  updatedAt: nowIso,
});

function answerOf(context: VerbContext, schedule: Schedule): string {
  const { cron, timeZone, nextAt } = schedule;
  const next: string[] = [];
  for (let at = nextAt; cron !== null && at !== null && next.length < TIMES_SHOWN;) {
    next.push(at);
    const following = context.nextTime(cron, timeZone, Date.parse(at));
    at = following === null ? null : new Date(following).toISOString();
  }
  return JSON.stringify({ ...schedule, next });
}
