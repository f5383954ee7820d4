import { LEAST_BYTES_PER_SECOND } from '../bandwidth.js';
import { isTransferType, type Job } from '../job.js';
import type { Requests } from '../requests.js';
import { change, type VerbContext } from './context.js';

/**
 * How the bandwidth limit in all is shared. No program takes another limit
 * while it runs: its attempt is stopped and goes on with the new one. So a share
 * holds for a whole attempt, and is changed only when it must be:
 *
 * - A transfer that begins takes a fair share, or what is left if that is half of it at least.
 * - Is less left, the one with the largest share is stopped, and they halve it.
 * - When the limit becomes less than the shares, those above a fair share are stopped.
 * - When a share could be twice as large, and none has begun or ended for a minute, its transfer is stopped to go on with more.
 */
const TOLERANCE = 2;
const QUIET_MS = 60_000;

/** A running transfer that may still copy, and what it may use: `Infinity` without a limit. */
interface Holder {
  job: Job;
  bytesPerSecond: number;
}

/** What a transfer gets that is handed out now; `undefined` when there is no limit in all. */
export function takeShare(context: VerbContext, job: Job): number | undefined {
  const { bandwidth, bandwidthWatch, monotonicMs } = context;
  if (!isTransferType(job.type)) return undefined;
  bandwidthWatch.handedOut(job.id, monotonicMs);
  const total = bandwidth.bytesPerSecond;
  if (total === 0) return undefined;
  const holders = holdersOf(context);
  const fair = fairShare(total, job, [...holders.map((holder) => holder.job), ...comingBack(context)]);
  const left = total - sumOf(holders);
  if (left * TOLERANCE >= fair) return shareOf(job, Math.min(left, fair));
  const [largest] = holders.filter(isActive).sort((a, b) => b.bytesPerSecond - a.bytesPerSecond);
  if (!largest || largest.bytesPerSecond < 2 * LEAST_BYTES_PER_SECOND) return shareOf(job, fair);
  stop(context, largest.job, `it makes room for job ${job.id} within the bandwidth limit`);
  return shareOf(job, Math.min(fair, largest.bytesPerSecond / 2));
}

/** Looks whether the shares still fit the limit, and stops the transfers that need another. */
export function reshare(context: VerbContext): void {
  const { bandwidth, bandwidthWatch, monotonicMs } = context;
  const total = bandwidth.bytesPerSecond || Infinity;
  const holders = holdersOf(context);
  bandwidthWatch.looked(monotonicMs, holders.length);
  const active = holders.filter(isActive);
  if (sumOf(active) > total) return lower(context, active, total);
  if (bandwidthWatch.quietMs(monotonicMs) < QUIET_MS) return;
  const left = total === Infinity ? Infinity : total - sumOf(holders);
  const others = comingBack(context);
  for (const { job, bytesPerSecond } of active) {
    const fair = fairShare(total, job, [...others, ...holders.map((holder) => holder.job).filter(({ id }) => id !== job.id)]);
    const isWorthIt = bytesPerSecond < Infinity && Math.min(fair, bytesPerSecond + left) >= TOLERANCE * bytesPerSecond;
    if (isWorthIt && !endsSoon(job)) stop(context, job, 'it may have more of the bandwidth limit');
  }
}

function lower(context: VerbContext, active: readonly Holder[], total: number): void {
  const others = comingBack(context);
  for (const { job, bytesPerSecond } of active) {
    const fair = fairShare(total, job, [...others, ...active.map((holder) => holder.job).filter(({ id }) => id !== job.id)]);
    if (bytesPerSecond > Math.max(fair, LEAST_BYTES_PER_SECOND)) stop(context, job, 'the bandwidth limit is lower now');
  }
}

export function showBandwidth(context: VerbContext): string {
  const shares = holdersOf(context).map(({ job: { id }, bytesPerSecond }) => ({
    id,
    bytesPerSecond: bytesPerSecond === Infinity ? null : bytesPerSecond,
  }));
  return JSON.stringify({ ...context.bandwidth, shares });
}

/** The limit holds from the next look at the shares on, which is soon. */
export function setBandwidth(context: VerbContext, { limit }: Requests['set_bandwidth']): string {
  context.draft.setBandwidth(limit);
  context.bandwidth = context.bandwidthWatch.now(limit, context.nowMs);
  context.bandwidthWatch.lookSoon();
  return showBandwidth(context);
}

function holdersOf({ draft: { table } }: VerbContext): Holder[] {
  const holders: Holder[] = [];
  for (const id of table.byStatus.running.ascending()) {
    const job = table.get(id)?.job;
    if (job && mayCopy(job)) holders.push({ job, bytesPerSecond: Math.min(ownLimit(job), job.bandwidthShare ?? Infinity) });
  }
  return holders;
}

/** What is compared or deleted is read, and not copied. */
const mayCopy = ({ type, phase, options }: Job): boolean =>
  isTransferType(type) && !('compareOnly' in options && options.compareOnly) && phase !== 'verifying' && phase !== 'deleting_source';

/** Jobs that wait for their turn with another share. */
function comingBack({ draft: { table }, bandwidthWatch }: VerbContext): Job[] {
  return [...bandwidthWatch.comingBack].flatMap((id) => {
    const job = table.get(id)?.job;
    if (job?.status === 'queued') return job;
    if (job?.status !== 'running') bandwidthWatch.comingBack.delete(id);
    return [];
  });
}

const ownLimit = ({ options }: Job): number => ('bandwidthLimit' in options && options.bandwidthLimit) || Infinity;
const isActive = ({ job }: Holder): boolean => job.wanted === 'run';
const sumOf = (holders: readonly Holder[]): number => holders.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0);
const shareOf = (job: Job, bytesPerSecond: number): number =>
  Math.min(ownLimit(job), Math.max(LEAST_BYTES_PER_SECOND, Math.floor(bytesPerSecond)));
const endsSoon = ({ progress: { etaSeconds } }: Job): boolean => etaSeconds !== null && etaSeconds * 1000 < QUIET_MS;

/** An even part, where what others cannot use by their own limits is shared by the rest. */
function fairShare(total: number, job: Job, others: readonly Job[]): number {
  const limits = [job, ...others].map(ownLimit).sort((a, b) => a - b);
  let left = total;
  for (const [index, limit] of limits.entries()) {
    const even = left / (limits.length - index);
    if (limit >= even) return Math.min(ownLimit(job), even);
    left -= limit;
  }
  return ownLimit(job);
}

function stop(context: VerbContext, job: Job, note: string): void {
  // The others come in the next look.
  if (context.draft.bytes > context.recordBytesMax / 2) return;
  context.bandwidthWatch.comingBack.add(job.id);
  context.draft.put(change(context, job, { wanted: 'stop' }), { verb: 'stop', note });
}
