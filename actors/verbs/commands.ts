import { JobError } from '../errors.js';
import { isTransferType, ownOptionsSchema, transferOptionsSchema, type Job } from '../job.js';
import type { Entry } from '../entry.js';
import { LIMITS } from '../limits.js';
import { parseRequest } from '../parse-request.js';
import type { Requests } from '../requests.js';
import { requireDeletion } from '../run-options.js';
import { isSameSchedule } from '../run-queue.js';
import { checkTransfer, type Transfer } from '../transfer-rules.js';
import { checkDeadline } from './create.js';
import { change, requireEntry, requireNext, requireVersion, type VerbContext } from './context.js';

type CommandVerb = 'start' | 'pause' | 'resume' | 'cancel';

/** start, pause, resume or cancel one job; retry one that waits for its `retryAt`. */
export function command(context: VerbContext, verb: CommandVerb | 'retry', id: string, { ifVersion, skipDeletion }: RunRequest): Entry {
  const entry = requireEntry(context, id);
  const { job } = entry;
  requireVersion(job, ifVersion);
  const status = requireNext(job, verb) as Job['status'];
  if (job.status === 'running' && skipDeletion !== undefined) {
    throw new JobError('illegal_transition', `Job ${id} is still running: pause it, and say skipDeletion when it is paused.`, {
      id,
      status: job.status,
    });
  }
  if (job.status === 'running') return want(context, entry, verb);
  return context.draft.put(
    change(context, job, { ...moved(context, status), ...skipping(job, skipDeletion), ...(verb === 'resume' ? agreed(job) : {}) }),
    {
      verb,
      note: skipDeletion ? SKIPS : null,
    },
  );
}

type RunRequest = Pick<Requests['start'], 'ifVersion' | 'skipDeletion'>;

const SKIPS = 'this run deletes nothing in the source';

/** What was said of the run before holds until something else is. */
function skipping(job: Job, skipDeletion: boolean | undefined): Partial<Job> {
  if (skipDeletion) requireDeletion(job.options, job.id);
  return skipDeletion === undefined ? {} : { skipDeletion: skipDeletion || undefined };
}

/** What a paused job asks for is granted by its resume. */
function agreed({ seen, error }: Job): Partial<Job> {
  return seen && error?.asks ? { seen: { ...seen, agreed: { ...seen.agreed, ...error.asks } } } : {};
}

export function retry(context: VerbContext, id: string, request: Omit<Requests['retry'], 'id' | 'ids'>): Entry {
  const { ifVersion, onlyFailed, skipDeletion = false } = request;
  const { job } = requireEntry(context, id);
  // It is tried again anyway, and as it was: this only says now.
  if (job.status === 'queued' && !onlyFailed) return command(context, 'retry', id, request);
  requireVersion(job, ifVersion);
  const status = requireNext(job, 'retry') as Job['status'];
  const only = onlyFailed ? failedIn(job) : null;
  const notes = [
    ...(only ? [`only the ${only.files} files that failed in attempt ${only.attempt}`] : []),
    ...(skipDeletion ? [SKIPS] : []),
  ];
  // A new run: it deletes unless this request says otherwise.
  return context.draft.put(change(context, job, { ...moved(context, status), ...skipping(job, skipDeletion), onlyFailed: only }), {
    verb: 'retry',
    note: notes.join('; ') || null,
  });
}

/** Just these may be taken only when nothing else was left to do: else the job would be completed without it. */
function failedIn(job: Job): NonNullable<Job['onlyFailed']> {
  const files = job.error?.filesFailed;
  if (job.status === 'failed' && files !== undefined) return { attempt: job.attempt, files };
  throw new JobError(
    'illegal_transition',
    `The last attempt of job ${job.id} did not get as far as to leave nothing but failed files. Retry the whole job, without onlyFailed: what is copied already is not copied again.`,
    { id: job.id, status: job.status, legal: ['retry'] },
  );
}

/** A running job is stopped by its worker: here it is only said what is wanted. Asked again, nothing changes. */
function want(context: VerbContext, entry: Entry, verb: CommandVerb | 'retry'): Entry {
  const wanted = verb === 'resume' ? 'run' : (verb as 'pause' | 'cancel');
  // Who asked for cancel has said the last word.
  if (entry.job.wanted === wanted || (entry.job.wanted === 'cancel' && wanted === 'pause')) return entry;
  return context.draft.put(change(context, entry.job, { wanted }), { verb });
}

function moved(context: VerbContext, status: Job['status']): Partial<Job> {
  const waits = { retryAt: null, awaySince: undefined };
  if (status === 'queued') return { ...waits, status, retries: 0, error: null, finishedAt: null };
  if (status === 'cancelled') return { ...waits, status, finishedAt: context.nowIso };
  return { ...waits, status };
}

/** Many at once, each with its own answer: what one is refused for does not touch the others. */
export function each(context: VerbContext, ids: readonly string[], one: (id: string) => string): string {
  const results = ids.map((id) => attemptOne(context, id, () => one(id)));
  return `{"results":[${results.join(',')}]}`;
}

export function attemptOne(context: VerbContext, id: string, one: () => string): string {
  const mark = context.draft.mark();
  try {
    return one();
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    context.draft.rollbackTo(mark);
    return `{"id":${JSON.stringify(id)},"error":${JSON.stringify(error.toBody())}}`;
  }
}

export function update(context: VerbContext, body: Requests['update']): Entry {
  const { job } = requireEntry(context, body.id);
  requireVersion(job, body.ifVersion);
  requireNext(job, 'update');
  const { name = job.name, labels = job.labels, priority = job.priority } = body;
  if (body.options && job.preview) {
    throw new JobError('preview_stale', `Job ${job.id} runs what its preview showed. Make a new preview and a new job for other options.`, {
      id: job.id,
    });
  }
  const options = body.options ? mergedOptions(context, job, body.options) : job.options;
  const after = body.after ? fewerOf(job, body.after) : job.after;
  const restart = job.status === 'running' ? restartFor(job, body.options ?? {}, options) : body.options ? wholeAgain(job) : {};
  return context.draft.put(change(context, job, { name, labels, priority, options, after, ...restart }), { verb: 'update' });
}

/** With other options more may be left to do than the files that failed. */
function wholeAgain({ error }: Job): Partial<Job> {
  if (!error) return { onlyFailed: null };
  const { filesFailed: _stale, ...rest } = error;
  return { onlyFailed: null, error: rest };
}

/** No program takes another limit while it runs: its attempt is given back and goes on with the new one. */
function restartFor(job: Job, given: Record<string, unknown>, options: Job['options']): Partial<Job> {
  const other = Object.keys(given).find((name) => name !== 'bandwidthLimit');
  if (other !== undefined) {
    throw new JobError(
      'illegal_transition',
      `Job ${job.id} is running: of its options only bandwidthLimit can be changed now, not ${other}. Pause it first.`,
      { id: job.id, status: job.status },
    );
  }
  return limitOf(options) === limitOf(job.options) || job.wanted !== 'run' ? {} : { wanted: 'stop' };
}

const limitOf = (options: Job['options']): number | null => ('bandwidthLimit' in options ? options.bandwidthLimit : null);

/** `after` may only get shorter: with jobs that were made later two could wait for one another. */
function fewerOf(job: Job, after: readonly string[]): string[] {
  const added = after.find((id) => !job.after.includes(id));
  if (added === undefined) return [...new Set(after)];
  throw new JobError('invalid_request', `after: job ${job.id} does not wait for ${added}. Jobs can only be taken out of "after".`, {
    field: 'after',
  });
}

function mergedOptions(context: VerbContext, job: Job, options: Record<string, unknown>): Job['options'] {
  const schema = isTransferType(job.type) ? transferOptionsSchema : ownOptionsSchema;
  const merged = parseRequest<Job['options']>(schema, { ...job.options, ...options }, 'options.');
  if ('deadlineAt' in options) checkDeadline(context, merged);
  if ('deleteSource' in merged) checkTransfer(context, { ...job, options: merged } as Transfer);
  return merged;
}

export function remove(context: VerbContext, id: string, ifVersion?: number): void {
  const { job } = requireEntry(context, id);
  requireVersion(job, ifVersion);
  requireNext(job, 'delete');
  letGo(context, job);
  context.draft.delete(id, context.nowMs + LIMITS.keyMemoryMs);
}

/** A completed job that is deleted has still completed, and any run of a schedule has ended: those that wait for it need not know it any more. */
function letGo(context: VerbContext, gone: Job): void {
  const { table } = context.draft;
  for (const dependent of table.queue.dependentsOf(gone.id)) {
    const { job } = requireEntry(context, dependent);
    if (gone.status !== 'completed' && !isSameSchedule(job, gone)) continue;
    const after = job.after.filter((other) => other !== gone.id);
    context.draft.put(change(context, job, { after }), { verb: 'delete', note: `job ${gone.id}, which was ${gone.status}, is gone` });
  }
}

/** Forgets finished jobs, the oldest first, but none that another job still waits for. At most `LIMITS.cleanupPerRequest` at once, and what half a record takes; `remaining` says how many more there are. */
export function cleanup(context: VerbContext, body: Requests['cleanup']): string {
  const { table } = context.draft;
  const finishedBefore = new Date(Math.max(0, context.nowMs - body.olderThanSeconds * 1000)).toISOString();
  const statuses = new Set<string>(body.statuses);
  const old: string[] = [];
  let newer = table.finished.size;
  for (const key of table.finished.ascending()) {
    const bar = key.lastIndexOf('|');
    if (newer <= body.keepLast || key.slice(0, bar) > finishedBefore) break;
    const id = key.slice(bar + 1);
    newer -= 1;
    if (statuses.has(table.get(id)?.job.status ?? '') && table.queue.dependentsOf(id).length === 0) old.push(id);
  }
  const now: string[] = [];
  const bytesBefore = context.draft.bytes;
  for (const id of old) {
    if (now.length === LIMITS.cleanupPerRequest || context.draft.bytes - bytesBefore > context.recordBytesMax / 2) break;
    remove(context, id);
    now.push(id);
  }
  return JSON.stringify({ deleted: now.length, ids: now, remaining: old.length - now.length });
}
