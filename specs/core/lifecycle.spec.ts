import { describe, expect, test } from 'vitest';
import { LIFECYCLE_EVENTS, legalEvents, nextStatus, type LifecycleEvent } from '../../actors/job-lifecycle.js';
import { JOB_STATUSES, WANTED, type Job, type JobStatus } from '../../actors/job.js';

/** What each event leads to: when the job is to run (or to stop), to pause, to be cancelled; with and without a retry left. `-`: not legal. */
const TABLE: Record<JobStatus, Partial<Record<LifecycleEvent, string>>> = {
  pending: { start: 'queued', cancel: 'cancelled', deadline: 'failed', update: 'pending', delete: 'deleted' },
  queued: {
    claim: 'running',
    start: 'queued/-',
    retry: 'queued/-',
    pause: 'paused',
    cancel: 'cancelled',
    deadline: 'failed',
    reorder: 'queued',
    update: 'queued',
    delete: 'deleted',
  },
  running: {
    pause: 'running',
    resume: '- running -',
    cancel: 'running',
    complete: 'completed',
    fail: 'queued/failed paused/failed cancelled',
    release: 'queued paused cancelled',
    expire: 'queued/failed paused cancelled',
    update: 'running',
  },
  paused: { resume: 'queued', cancel: 'cancelled', deadline: 'failed', update: 'paused', delete: 'deleted' },
  completed: { update: 'completed', delete: 'deleted' },
  failed: { retry: 'queued', update: 'failed', delete: 'deleted' },
  cancelled: { retry: 'queued', update: 'cancelled', delete: 'deleted' },
};

function expected(status: JobStatus, event: LifecycleEvent, wanted: Job['wanted'], mayRetry: boolean): string | null {
  const words = (TABLE[status][event] ?? '-').split(' ');
  const word = words[['run', 'pause', 'cancel'].indexOf(wanted)] ?? words[0]!;
  const [withRetry, without = withRetry] = word.split('/');
  const next = (mayRetry ? withRetry : without) ?? '-';
  return next === '-' ? null : next;
}

describe.each(JOB_STATUSES)('a %s job', (status) => {
  test.each(LIFECYCLE_EVENTS)('%s leads where the table says, or is refused', (event) => {
    for (const wanted of WANTED) {
      for (const mayRetry of [true, false]) {
        const asked = { wanted, mayRetry, asks: false };
        expect([asked, nextStatus(status, event, asked)]).toEqual([asked, expected(status, event, wanted, mayRetry)]);
        const interrupted = status === 'running' && wanted === 'run' && ['release', 'expire'].includes(event);
        const isQuestion = status === 'running' && event === 'fail' && wanted !== 'cancel';
        const asking = { ...asked, asks: true };
        expect([asking, nextStatus(status, event, asking)]).toEqual([
          asking,
          interrupted || isQuestion ? 'paused' : expected(status, event, wanted, mayRetry),
        ]);
      }
    }
  });

  test('names as legal what is', () => {
    const legal = LIFECYCLE_EVENTS.filter((event) => event !== 'deadline' && expected(status, event, 'run', false) !== null);
    expect(legalEvents(status, 'run')).toEqual(legal);
  });
});
