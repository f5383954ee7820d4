import type { Change } from '../../actors/journal.js';
import type { Job } from '../../actors/job.js';
import type { NoticeEvent } from '../../actors/notify.js';

/** What is told of a job that has finished. A repeat has the same id. */
export interface Notice {
  event: NoticeEvent;
  id: string;
  job: Job;
  at: string;
}

/** Cheap, and never says no to a change that finished a job: every change of every job is looked at. */
export const mayFinish = (line: string): boolean => line.includes('"finishedAt":"');

/** The notice of a change that finished its job; `null` of every other, be it of a finished job. */
export function noticeOf(change: Change): Notice | null {
  if (!('put' in change)) return null;
  const { put: job, notes = [] } = change;
  if (job.finishedAt === null) return null;
  const finish = notes.find(({ at, status, verb }) => at === job.finishedAt && status === job.status && verb !== 'update');
  const event = eventOf(job);
  return finish && event ? { event, id: `${job.id}-${finish.version}`, job, at: job.finishedAt } : null;
}

function eventOf({ status, warnings }: Job): NoticeEvent | null {
  if (status === 'completed') return warnings.length > 0 ? 'warning' : 'completed';
  return status === 'failed' || status === 'cancelled' ? status : null;
}

/** The text that every receiver gets. */
export const bodyOf = ({ event, id, job, at }: Notice): string => JSON.stringify({ event, id, job, at });
