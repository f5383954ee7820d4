import { targetOf, type Disks } from '../disks.js';
import { isOpen, nextChange } from '../hours.js';
import type { Job } from '../job.js';
import { overlaps } from '../paths.js';
import type { Reason } from '../reasons.js';
import { limitOf } from '../run-limits.js';
import { queueKey } from '../run-queue.js';
import { requireEntry, type VerbContext } from './context.js';

/** How much a claim looks at before it gives up: each waiting job, and for its destination each running one, counts as one. */
const LOOKED_AT_MAX = 20_000;

/** What a job that is ready may still wait for. The one place that says so: a claim asks it, and `why` tells it. */
const RULES: readonly ((context: VerbContext, job: Job, disks: readonly Disks[]) => Reason | null)[] = [limits, target, hours, destination];

/** The first job in the queue that may run now on a machine with these disks. */
export function nextWaiting(context: VerbContext, types: readonly string[], disks?: Disks): Job | null {
  const { table } = context.draft;
  table.queue.promote(context.nowIso);
  if (isFull(context)) return null;
  let best: Job | null = null;
  let look: Job | null = null;
  const closed: Job[] = [];
  const here = disks ? [disks] : [];
  for (const type of new Set(types)) {
    let looked = 0;
    for (const id of table.queue.ready(type)) {
      const job = table.get(id)?.job;
      if (!job || looked > LOOKED_AT_MAX) break;
      looked += 1 + (job.destination === null ? 0 : table.byStatus.running.size);
      const obstacle = RULES.find((rule) => rule(context, job, here) !== null);
      if (obstacle === hours) closed.push(job);
      if (obstacle) continue;
      // Whether a side is back may take long to find out: what can run comes first.
      if (job.awaySince !== undefined) {
        look ??= job;
        continue;
      }
      if (!best || queueKey(job) < queueKey(best)) best = job;
      break;
    }
  }
  for (const job of closed) table.queue.delay(job, opensAt(context, job));
  return best ?? look;
}

/** Why a job does not run, as far as the manager knows: nothing of a job that runs or is finished. */
export function why(context: VerbContext, id: string): string {
  const { job } = requireEntry(context, id);
  return JSON.stringify({ reasons: reasonsOf(context, job) });
}

function reasonsOf(context: VerbContext, job: Job): Reason[] {
  if (job.status === 'pending') return [reason('not_started', 'It has not been started: "start" puts it into the queue.')];
  if (job.status === 'paused') return [reason('paused', `${job.error?.message ?? 'It is paused.'} "resume" goes on with it.`)];
  if (job.status !== 'queued') return [];
  const reasons = [
    ...others(context, job),
    ...times(context, job),
    ...RULES.flatMap((rule) => rule(context, job, [...context.disks.values()]) ?? []),
  ];
  if (reasons.length > 0) return reasons;
  return [reason('worker', `It can run: it waits for its turn and a free worker that takes jobs of type ${job.type}.`)];
}

/** The jobs of `after`: those that may still complete, and those that will not by themselves. */
function others({ draft: { table } }: VerbContext, job: Job): Reason[] {
  const open = table.queue.openOf(job);
  const ended = open.filter((id) => ENDED.has(table.get(id)?.job.status));
  const alive = open.filter((id) => !ended.includes(id));
  const stuck = `${listOf(ended)} failed, was cancelled or was deleted, and will not complete by itself: retry it, or take it out of "after" with "update".`;
  return [
    ...(alive.length > 0
      ? [reason('after', `It is to run after ${listOf(alive)} ${job.schedule === null ? 'completed' : 'ended'}.`, alive)]
      : []),
    ...(ended.length > 0 ? [reason('after_ended', stuck, ended)] : []),
  ];
}

const ENDED: ReadonlySet<Job['status'] | undefined> = new Set(['failed', 'cancelled', undefined]);
const listOf = (ids: readonly string[]): string => `job ${ids.join(', ')}`;

function times({ nowIso }: VerbContext, { retryAt, runAt, error, awaySince }: Job): Reason[] {
  if (awaySince !== undefined) {
    const next = retryAt === null ? 'soon' : `at ${retryAt}`;
    return [reason('away', `A side is away since ${awaySince}. It looks again ${next}; "retry" looks now. ${error?.message ?? ''}`.trim())];
  }
  if (retryAt !== null && retryAt > nowIso)
    return [reason('retry_at', `It is tried again at ${retryAt}${error ? `: ${error.message}` : '.'}`)];
  if (retryAt === null && runAt !== null && runAt > nowIso) return [reason('run_at', `It is to run at ${runAt}, not before.`)];
  return [];
}

const isFull = ({ limits: { maxRunning }, draft: { table } }: VerbContext): boolean =>
  maxRunning > 0 && table.byStatus.running.size >= maxRunning;

function limits(context: VerbContext, { labels }: Job): Reason | null {
  const { limits, draft } = context;
  if (isFull(context)) return reason('limit', atMost(limits.maxRunning, ['runs', 'run'], 'TALLYMAN_MAX_RUNNING'));
  if (limits.labels.length === 0) return null;
  for (const [key, value] of Object.entries(labels)) {
    const max = limitOf(limits, key, value);
    if (max === null || draft.table.queue.runningWith(key, value) < max) continue;
    return reason(
      'limit',
      atMost(max, [`with the label ${key}=${value} runs`, `with the label ${key}=${value} run`], 'TALLYMAN_LABEL_LIMITS'),
    );
  }
  return null;
}

const atMost = (max: number, [one, more]: [string, string], setting: string): string =>
  `${max === 1 ? `One job ${one}` : `${max} jobs ${more}`}, and no more may at once (${setting}).`;

/** What counts for the limit of jobs that write to one place; undefined without such a limit, and where nobody tells the disks. */
export function targetToCount({ limits, sameHosts }: VerbContext, { destination }: Job, disks?: Disks): string | undefined {
  if (limits.maxPerTarget === 0 || destination === null) return undefined;
  return targetOf(destination, disks, sameHosts) ?? undefined;
}

/** One disk, machine or remote may be written to by so many at once, on whichever machine with a worker the job may run. */
function target(context: VerbContext, job: Job, disks: readonly Disks[]): Reason | null {
  const max = context.limits.maxPerTarget;
  if (max === 0) return null;
  const targets = [undefined, ...disks].flatMap((each) => targetToCount(context, job, each) ?? []);
  const [first] = targets;
  if (first === undefined || targets.some((each) => context.draft.table.queue.runningTo(each) < max)) return null;
  return reason('limit', atMost(max, [`writes to ${first}`, `write to ${first}`], 'TALLYMAN_DISK_LIMIT'));
}

function hours(context: VerbContext, job: Job): Reason | null {
  const { hours } = job.options;
  if (!hours || isOpen(hours, context.nowMs)) return null;
  const { from, to, timeZone, days } = hours;
  const when = `from ${from} to ${to} ${timeZone}${days.length < 7 ? ` (${days.join(', ')})` : ''}`;
  return reason('hours', `It may run ${when}: next at ${opensAt(context, job)}.`);
}

const opensAt = ({ nowMs }: VerbContext, { options }: Job): string =>
  new Date((options.hours && nextChange(options.hours, nowMs)) ?? nowMs).toISOString();

/** One writer to a destination. */
function destination(context: VerbContext, { destination }: Job): Reason | null {
  if (destination === null) return null;
  const { table } = context.draft;
  for (const id of table.byStatus.running.ascending()) {
    const other = table.get(id)?.job.destination;
    if (!other || !overlaps(destination, other, context.sameHosts)) continue;
    return reason('destination', `Job ${id} writes to ${other}, which is, holds or lies in the destination of this one.`, [id]);
  }
  return null;
}

const reason = (code: Reason['code'], message: string, jobs: string[] = []): Reason => ({ code, message, jobs });
