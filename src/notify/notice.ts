import type { Change } from '../../actors/journal.js';
import type { Job } from '../../actors/job.js';
import { notifySchema, type NoticeEvent } from '../../actors/notify.js';
import type { Schedule, Skip } from '../../actors/schedule.js';

/** What is told of a job that has finished. A repeat has the same id. */
export interface JobNotice {
  event: Exclude<NoticeEvent, 'skipped'>;
  id: string;
  job: Job;
  at: string;
}

/** What is told of a run of a schedule that did not happen. */
export interface SkipNotice {
  event: 'skipped';
  id: string;
  schedule: Schedule;
  skip: Skip;
  at: string;
}

export type Notice = JobNotice | SkipNotice;

/** Cheap, and never says no to a change that is told: every change of every job is looked at. */
export const mayTell = (line: string): boolean => line.includes('"finishedAt":"') || line.startsWith('{"schedule":');

/** The notices of a change: that it finished its job, or which runs of its schedule did not happen. Every other change, be it of a finished job, has none. */
export function noticesOf(change: Change): Notice[] {
  if ('put' in change) return finishOf(change) ?? [];
  if (!('schedule' in change)) return [];
  const { schedule, skips = [] } = change;
  const { id, version, updatedAt } = schedule;
  return skips.map((skip, index) => ({ event: 'skipped', id: `${id}-${version}-${index}`, schedule, skip, at: updatedAt }));
}

function finishOf({ put: job, notes = [] }: Extract<Change, { put: Job }>): [JobNotice] | null {
  if (job.finishedAt === null) return null;
  const finish = notes.find(({ at, status, verb }) => at === job.finishedAt && status === job.status && verb !== 'update');
  const event = eventOf(job);
  return finish && event ? [{ event, id: `${job.id}-${finish.version}`, job, at: job.finishedAt }] : null;
}

function eventOf({ status, warnings }: Job): JobNotice['event'] | null {
  if (status === 'completed') return warnings.length > 0 ? 'warning' : 'completed';
  return status === 'failed' || status === 'cancelled' ? status : null;
}

/** The id of the job or schedule that it tells of. */
export const subjectOf = (notice: Notice): string => ('job' in notice ? notice.job.id : notice.schedule.id);

/** Whom the job wants to be told, or the jobs that the schedule makes. */
export function notifyOf(notice: Notice): Job['options']['notify'] {
  if ('job' in notice) return notice.job.options.notify;
  const options = notice.schedule.job['options'] as { notify?: unknown } | undefined;
  return notifySchema.safeParse(options?.notify).data;
}

/** The text that every receiver gets. */
export const bodyOf = (notice: Notice): string => JSON.stringify(notice);
