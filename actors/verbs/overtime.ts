import { alarmsOf, type Alarm } from '../alarms.js';
import type { Job, JobFailure } from '../job.js';

/** What ends a job, or an attempt of it, when its time is over. */
export const deadlinePassed = ({ options: { deadlineAt } }: Job): JobFailure => ({
  code: 'deadline_passed',
  message: `The job has not completed by ${deadlineAt}, its deadline.`,
  exitCode: null,
  retriable: false,
  advice: 'Give it a later options.deadlineAt, or none, with "update", then retry it.',
});

const attemptTimeout = ({ attempt, options }: Job): JobFailure => ({
  code: 'attempt_timeout',
  message: `Attempt ${attempt} took longer than ${options.attemptTimeoutSeconds} s.`,
  exitCode: null,
  retriable: true,
  advice: 'See in the log what it was busy with. If it needs longer, raise options.attemptTimeoutSeconds.',
});

/** Which of its times are over. */
export function overdue(job: Job, nowIso: string): Alarm['cause'][] {
  return alarmsOf(job)
    .filter(({ at }) => at <= nowIso)
    .map(({ cause }) => cause);
}

/** Of a running job that was stopped, and only has to wait: for what. */
export const stopNote = (job: Job, nowIso: string): string =>
  overdue(job, nowIso).includes('hours') ? 'its hours are over' : 'it goes on with another bandwidth limit';

/** Of a running job that was stopped: why that is a failure; `null` when it only has to wait. */
export function failureOf(job: Job, nowIso: string): JobFailure | null {
  const causes = overdue(job, nowIso);
  if (causes.includes('deadline')) return deadlinePassed(job);
  return causes.includes('attempt_timeout') ? attemptTimeout(job) : null;
}
