import { JobError } from '../errors.js';
import type { Job } from '../job.js';
import type { Entry } from '../entry.js';
import { LIMITS } from '../limits.js';
import { rankBetween } from '../rank.js';
import type { Requests } from '../requests.js';
import { placeOf, queueKey } from '../run-queue.js';
import { change, requireEntry, requireNext, requireVersion, type VerbContext } from './context.js';

/** Moves a waiting job within the queue. It takes the priority of those that it comes to stand beside. */
export function reorder(context: VerbContext, { id, to, ifVersion }: Requests['reorder']): Entry {
  const entry = requireEntry(context, id);
  const { job } = entry;
  requireVersion(job, ifVersion);
  requireNext(job, 'reorder');
  const place =
    to === 'last'
      ? lastPlace(context, job)
      : placeBefore(context, job, to === 'first' ? firstOther(context, job) : target(context, job, to.before));
  return place
    ? context.draft.put(change(context, job, place), {
        verb: 'reorder',
        note: to === 'first' || to === 'last' ? to : `before ${to.before}`,
      })
    : entry;
}

type Place = Pick<Job, 'priority' | 'rank'>;

function placeBefore(context: VerbContext, job: Job, other: Job | null): Place | null {
  if (!other) return null;
  const before = context.draft.table.queue.neighbour(queueKey(other), 'before');
  if (before === job) return null;
  const rank = rankBetween(before?.priority === other.priority ? placeOf(before) : '', placeOf(other));
  if (rank.length <= LIMITS.rankChars) return { priority: other.priority, rank };
  throw new JobError(
    'payload_too_large',
    `Too many jobs were moved to this place of the queue. Move job ${other.id} "first" or "last" before.`,
    { id: job.id },
  );
}

/** Behind all that are there now, and before what comes later. */
function lastPlace(context: VerbContext, job: Job): Place | null {
  const last = context.draft.table.queue.neighbour(null, 'before');
  return !last || last === job ? null : { priority: last.priority, rank: context.newId() };
}

function firstOther(context: VerbContext, job: Job): Job | null {
  const first = context.draft.table.queue.neighbour(null, 'after');
  return first === job ? null : first;
}

function target(context: VerbContext, job: Job, id: string): Job {
  const other = requireEntry(context, id).job;
  if (other.status === 'queued' && other !== job) return other;
  const why = other === job ? 'a job cannot stand before itself' : `job ${id} is ${other.status} and does not wait in the queue`;
  throw new JobError('invalid_request', `to.before: ${why}.`, { field: 'to.before' });
}
