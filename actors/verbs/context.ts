import type { BandwidthNow, BandwidthWatch } from '../bandwidth-watch.js';
import type { Disks } from '../disks.js';
import type { Draft } from '../draft.js';
import { JobError } from '../errors.js';
import { asksToResume, type Job } from '../job.js';
import type { Entry } from '../entry.js';
import type { SameHosts } from '../host-place.js';
import type { RunLimits } from '../run-limits.js';
import type { Allowed } from '../paths.js';
import type { NextTime } from '../schedule.js';
import { legalEvents, nextStatus, type LifecycleEvent } from '../job-lifecycle.js';

/** What a verb is decided with. All of it comes from outside: the same inputs give the same changes and answer. */
export interface VerbContext extends Allowed {
  draft: Draft;
  leases: Leases;
  nowMs: number;
  nowIso: string;
  /** What leases count by: a clock that is set does not end or lengthen them. */
  monotonicMs: number;
  newId(): string;
  /** 0 to below 1. */
  random(): number;
  digest(text: string): string;
  nextTime: NextTime;
  leaseMs: number;
  /** What one record may have. */
  recordBytesMax: number;
  limits: RunLimits;
  sameHosts: SameHosts;
  /** Of each machine with a worker, as its last claim told. In memory only: claims tell it again and again. */
  disks: Map<string, Disks>;
  bandwidth: BandwidthNow;
  bandwidthWatch: BandwidthWatch;
}

/**
 * Until when, on the monotonic clock, each running attempt may be silent. Kept in memory only: after a
 * restart every running attempt gets a whole lease anew, which is never sooner
 * than its worker believes.
 */
export class Leases {
  readonly #untilMs = new Map<string, number>();
  /** None passes before this: the manager asks at every turn, of ten thousand attempts perhaps. */
  #noneBeforeMs = Infinity;

  extend(jobId: string, untilMs: number): void {
    this.#untilMs.set(jobId, untilMs);
    this.#noneBeforeMs = Math.min(this.#noneBeforeMs, untilMs);
  }

  hasPassed(jobId: string, nowMs: number): boolean {
    return (this.#untilMs.get(jobId) ?? 0) <= nowMs;
  }

  end(jobId: string): void {
    this.#untilMs.delete(jobId);
  }

  isDue(nowMs: number): boolean {
    return this.passed(nowMs).next().done === false;
  }

  *passed(nowMs: number): Generator<string> {
    if (nowMs < this.#noneBeforeMs) return;
    let earliestMs = Infinity;
    for (const [id, untilMs] of this.#untilMs) {
      earliestMs = Math.min(earliestMs, untilMs);
      if (untilMs <= nowMs) yield id;
    }
    this.#noneBeforeMs = earliestMs;
  }
}

export function requireEntry(context: VerbContext, id: string): Entry {
  const entry = context.draft.table.get(id);
  if (!entry) throw new JobError('job_not_found', `There is no job ${id}. It may have been deleted; "list" shows what there is.`, { id });
  return entry;
}

export function requireVersion({ id, version }: Pick<Job, 'id' | 'version'>, ifVersion: number | undefined, noun = 'Job'): void {
  if (ifVersion === undefined || ifVersion === version) return;
  throw new JobError('version_conflict', `${noun} ${id} has version ${version} by now, not ${ifVersion}. Read it again, then decide.`, {
    id,
    version,
  });
}

/** The status that `event` leads to. Throws `illegal_transition` naming the status and what is legal. */
export function requireNext(
  job: Job,
  event: LifecycleEvent,
  mayRetry = hasRetryAhead(job),
  asks = asksToResume(job),
): Job['status'] | 'deleted' {
  const next = nextStatus(job.status, event, { wanted: job.wanted, mayRetry, asks });
  if (next !== null) return next;
  const legal = legalEvents(job.status, job.wanted, hasRetryAhead(job));
  throw new JobError('illegal_transition', `Job ${job.id} is ${job.status}: ${event} is not possible now, only ${legal.join(', ')}.`, {
    id: job.id,
    status: job.status,
    legal,
  });
}

const hasRetryAhead = ({ status, retryAt }: Job): boolean => status === 'queued' && retryAt !== null;

/** The job, if `attempt` is its running attempt and its lease has not passed. Throws `attempt_expired`. */
export function requireAttempt(context: VerbContext, id: string, attempt: number): Job {
  const { job } = requireEntry(context, id);
  if (job.status === 'running' && job.attempt === attempt && !context.leases.hasPassed(id, context.monotonicMs)) return job;
  throw new JobError(
    'attempt_expired',
    `Attempt ${attempt} of job ${id} is over: the job is ${job.status}, at attempt ${job.attempt}. Stop working on it.`,
    {
      id,
      status: job.status,
      attempt: job.attempt,
    },
  );
}

/** A new value of the job: `changes` over it, one version up. */
export function change(context: VerbContext, job: Job, changes: Partial<Job>): Job {
  return { ...job, ...changes, version: job.version + 1, updatedAt: context.nowIso };
}
