import { JobError } from '../errors.js';
import { NO_PROGRESS, asksToResume, type Job, type JobFailure, type Progress } from '../job.js';
import type { Seen } from '../seen.js';
import type { Entry } from '../entry.js';
import { LIMITS } from '../limits.js';
import type { ProgressUpdate, Requests } from '../requests.js';
import { takeShare } from './bandwidth.js';
import { change, requireAttempt, requireEntry, requireNext, type VerbContext } from './context.js';
import { deadlinePassed, failureOf, overdue, stopNote } from './overtime.js';
import { nextWaiting, targetToCount } from './queue.js';

const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;

/** The next job for a worker, or `null` when none waits that may run now. */
export function claim(context: VerbContext, { worker, types, disks }: Requests['claim']): Entry | null {
  if (disks) context.disks.set(disks.host, disks);
  const job = nextWaiting(context, types, disks);
  if (!job) return null;
  context.leases.extend(job.id, context.monotonicMs + context.leaseMs);
  const bandwidthShare = takeShare(context, job);
  return context.draft.put(
    change(context, job, {
      bandwidthShare,
      target: targetToCount(context, job, disks),
      status: requireNext(job, 'claim') as Job['status'],
      wanted: 'run',
      phase: null,
      progress: NO_PROGRESS,
      attempt: job.attempt + 1,
      worker,
      runAt: null,
      after: [],
      retryAt: null,
      error: job.awaySince === undefined ? null : job.error,
      warnings: [],
      verification: null,
      startedAt: context.nowIso,
      finishedAt: null,
      seen: job.seen ?? context.draft.table.pairs.seenBefore(job),
    }),
    job.awaySince === undefined ? { verb: 'claim' } : null,
  );
}

/** Progress of an attempt, or of a job that a service works on without one. An update that changes nothing is not stored. */
export function progress(context: VerbContext, update: ProgressUpdate & { seen?: Seen | undefined }): Entry {
  const { id, attempt } = update;
  const entry = requireEntry(context, id);
  const { job } = entry;
  if (attempt !== undefined) {
    requireAttempt(context, id, attempt);
    context.leases.extend(id, context.monotonicMs + context.leaseMs);
  } else if (job.finishedAt !== null) {
    throw new JobError('illegal_transition', `Job ${id} is ${job.status}: it takes no progress any more.`, {
      id,
      status: job.status,
      legal: [],
    });
  }
  const phase = update.phase ?? job.phase;
  const merged = mergedProgress(job, phase, update.progress);
  const { seen } = update;
  if (merged === job.progress && phase === job.phase && !seen) return entry;
  const next = change(context, job, { phase, progress: merged, ...(seen && { seen }) });
  if (isBack(job, phase))
    return context.draft.put({ ...next, awaySince: undefined, error: null }, { verb: 'back', note: `away since ${job.awaySince}` });
  return seen ? context.draft.put(next, null) : context.draft.patch(next);
}

/** A side that was away is back: the attempt has passed its preflight. */
const isBack = ({ awaySince }: Job, phase: Job['phase']): boolean => awaySince !== undefined && phase !== null && phase !== 'preflight';

/** A new phase begins anew; within one, percent never falls. */
function mergedProgress(job: Job, phase: Job['phase'], update: Requests['heartbeat']['progress']): Progress {
  const before = phase === job.phase ? job.progress : NO_PROGRESS;
  if (!update) return before;
  const merged = { ...before, ...update } as Progress;
  if (before.percent !== null && (merged.percent === null || merged.percent < before.percent)) merged.percent = before.percent;
  for (const field in merged) {
    if (merged[field as keyof Progress] !== before[field as keyof Progress]) return merged;
  }
  return before;
}

export const progressAnswer = (context: VerbContext, { job }: Entry): { version: number; wanted: Job['wanted']; leaseMs: number } => ({
  version: job.version,
  wanted: job.wanted,
  leaseMs: context.leaseMs,
});

export function complete(context: VerbContext, body: Requests['complete']): Entry {
  const job = requireAttempt(context, body.id, body.attempt);
  if (JSON.stringify(body.result ?? null).length > LIMITS.inputBytes) {
    throw new JobError('payload_too_large', `result: more than ${LIMITS.inputBytes} characters. Put it elsewhere and give its place.`, {
      field: 'result',
    });
  }
  return finish(context, job, 'complete', {
    status: requireNext(job, 'complete') as Job['status'],
    progress: mergedProgress(job, job.phase, body.progress),
    result: body.result ?? null,
    error: null,
    warnings: body.warnings,
    verification: body.verification,
    deletion: withDeletion(job.deletion, body.deletion),
    seen: body.seen ?? job.seen,
  });
}

export function fail(context: VerbContext, body: Requests['fail']): Entry {
  const job = requireAttempt(context, body.id, body.attempt);
  const lastProgress = mergedProgress(job, job.phase, body.progress);
  const mayRetry = body.error.retriable && job.retries < job.options.maxRetries;
  const deletion = withDeletion(job.deletion, body.deletion);
  const verification = body.verification ?? null;
  return endAttempt(context, { ...job, progress: lastProgress, verification, deletion }, 'fail', mayRetry, body.error);
}

/** The worker lets go: paused or cancelled if that was wanted, failed if its time is over, else back to the queue. */
export function release(context: VerbContext, body: Requests['release']): Entry {
  const job = requireAttempt(context, body.id, body.attempt);
  const given = { ...job, deletion: withDeletion(job.deletion, body.deletion) };
  if (job.wanted !== 'stop') return endAttempt(context, given, 'release', false, null, body.reason ?? null);
  const failure = failureOf(job, context.nowIso);
  if (!failure) return endAttempt(context, given, 'release', false, null, stopNote(job, context.nowIso));
  return endAttempt(context, given, 'fail', failure.retriable && job.retries < job.options.maxRetries, failure);
}

/** What was deleted adds up over the attempts; what is kept, and why, is as the last one left it. */
function withDeletion(before: Job['deletion'], now: Job['deletion'] | undefined): Job['deletion'] {
  if (!now || !before) return now ?? before;
  return {
    ...before,
    ...now,
    filesDeleted: before.filesDeleted + now.filesDeleted,
    bytesDeleted: before.bytesDeleted + now.bytesDeleted,
    foldersDeleted: before.foldersDeleted + now.foldersDeleted,
  };
}

/**
 * Attempts whose lease has passed: another worker may take the job, until
 * `maxRetries` workers were lost over it. The lease of an attempt that has
 * ended is forgotten here and not when it ends, since that may yet be undone.
 */
export function expire(context: VerbContext): void {
  for (const id of context.leases.passed(context.monotonicMs)) {
    // The others come in the next round: after a long silence all of them may pass at once.
    if (context.draft.bytes > context.recordBytesMax / 2) return;
    const job = context.draft.table.get(id)?.job;
    if (job?.status !== 'running') {
      context.leases.end(id);
      continue;
    }
    const lost: JobFailure = {
      code: 'worker_lost',
      message: `Worker ${job.worker} was not heard of for ${context.leaseMs} ms in attempt ${job.attempt}.`,
      exitCode: null,
      retriable: true,
      advice: 'See whether the worker runs and reaches NATS.',
    };
    endAttempt(context, job, 'expire', job.retries < job.options.maxRetries, lost);
  }
}

/** Jobs whose deadline, attempt's time or hours are over. One that runs is told to stop, and judged when its worker has let go. */
export function timesUp(context: VerbContext): void {
  const { table } = context.draft;
  for (const id of table.alarms.due(context.nowIso)) {
    if (context.draft.bytes > context.recordBytesMax / 2) return;
    const { job } = requireEntry(context, id);
    if (job.status === 'running') {
      const note = overdue(job, context.nowIso).join(', ');
      context.draft.put(change(context, job, { wanted: 'stop' }), { verb: 'stop', note });
      continue;
    }
    const error = deadlinePassed(job);
    const status = requireNext(job, 'deadline') as Job['status'];
    finish(context, job, 'deadline', { status, error, retryAt: null }, `${error.code}: ${error.message}`);
  }
}

function endAttempt(
  context: VerbContext,
  job: Job,
  event: 'fail' | 'release' | 'expire',
  mayRetry: boolean,
  error: JobFailure | null,
  note?: string | null,
): Entry {
  const isAway = staysAway(job, event, error);
  const asks = event === 'fail' ? error?.asks !== undefined : !isAway && asksToResume(job);
  const status = requireNext(job, event, mayRetry || isAway, asks) as Job['status'];
  if (isAway && status === 'queued') return waitForSide(context, job, event, error, note);
  if (event !== 'fail' && status === 'paused' && job.wanted === 'run') error = interrupted(job, error, note);
  const text = note ?? (error ? `${error.code}: ${error.message}`.slice(0, 500) : null);
  if (status === 'failed' || status === 'cancelled') return finish(context, job, event, { status, error }, text);
  const retries = event === 'release' || status === 'paused' ? job.retries : job.retries + 1;
  const retryAt = event === 'fail' && status === 'queued' ? backoff(context, BACKOFF_MIN_MS * 2 ** (retries - 1)) : null;
  const ended = { status, wanted: 'run', phase: null, worker: null, awaySince: undefined, error, retries, retryAt } as const;
  return context.draft.put(change(context, job, ended), {
    verb: event,
    note: text,
  });
}

/** Whether the attempt found a side away that the job is to wait for; one that was cut off before it had looked has found out nothing new. */
const staysAway = ({ options, awaySince }: Job, event: 'fail' | 'release' | 'expire', error: JobFailure | null): boolean =>
  event === 'fail' ? error?.away === true && 'whenAway' in options && options.whenAway === 'wait' : awaySince !== undefined;

/** Back in the queue until it is time to look again: later and later, as it has waited. No retry is used up, and only the first is told in the history. */
function waitForSide(
  context: VerbContext,
  job: Job,
  event: 'fail' | 'release' | 'expire',
  error: JobFailure | null,
  note?: string | null,
): Entry {
  const awaySince = job.awaySince ?? context.nowIso;
  const found = event === 'fail' ? error : job.error;
  const retryAt = event === 'release' ? null : backoff(context, context.nowMs - Date.parse(awaySince));
  const waiting = { status: 'queued', wanted: 'run', phase: null, worker: null, awaySince, error: found, retryAt } as const;
  const isKnown = event === 'fail' && job.awaySince !== undefined;
  const text = note ?? (error ? `${error.code}: ${error.message}`.slice(0, 500) : null);
  return context.draft.put(change(context, job, waiting), isKnown ? null : { verb: event === 'fail' ? 'away' : event, note: text });
}

/** Why a job waits for a person, who did not pause it. */
const interrupted = (job: Job, lost: JobFailure | null, note: string | null | undefined): JobFailure => ({
  code: lost?.code ?? 'interrupted',
  message: lost?.message ?? `Attempt ${job.attempt} was interrupted${note ? `: ${note}` : ''}.`,
  exitCode: null,
  retriable: true,
  advice: 'This job asks before it goes on (options.resume). Look at what was done, then resume or cancel it.',
});

function finish(context: VerbContext, job: Job, verb: string, changes: Partial<Job>, note: string | null = null): Entry {
  return context.draft.put(
    change(context, job, { ...changes, wanted: 'run', phase: null, onlyFailed: null, awaySince: undefined, finishedAt: context.nowIso }),
    {
      verb,
      note,
    },
  );
}

/** Exponential from 1 s to 60 s, with half of it random so that many jobs do not come back at once. */
function backoff({ nowMs, random }: VerbContext, wantedMs: number): string {
  const fullMs = Math.min(BACKOFF_MAX_MS, wantedMs);
  return new Date(nowMs + Math.max(BACKOFF_MIN_MS, fullMs * (0.5 + random() / 2))).toISOString();
}
