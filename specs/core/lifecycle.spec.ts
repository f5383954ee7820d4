import { describe, expect, test } from 'vitest';
import { LIFECYCLE_EVENTS, legalEvents, nextStatus, type LifecycleEvent } from '../../actors/job-lifecycle.js';
import { JOB_STATUSES, type Job, type JobStatus } from '../../actors/job.js';

/** What each event leads to: when the job is to run, to pause, to be cancelled; with and without a retry left. `-`: not legal. */
const TABLE: Record<JobStatus, Partial<Record<LifecycleEvent, string>>> = {
  pending: { start: 'queued', cancel: 'cancelled', update: 'pending', delete: 'deleted' },
  queued: { claim: 'running', pause: 'paused', cancel: 'cancelled', update: 'queued', delete: 'deleted' },
  running: {
    pause: 'running',
    resume: '- running -',
    cancel: 'running',
    complete: 'completed',
    fail: 'queued/failed paused/failed cancelled',
    release: 'queued paused cancelled',
    expire: 'queued/failed paused cancelled',
  },
  paused: { resume: 'queued', cancel: 'cancelled', update: 'paused', delete: 'deleted' },
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
    for (const wanted of ['run', 'pause', 'cancel'] as const) {
      for (const mayRetry of [true, false]) {
        expect([wanted, mayRetry, nextStatus(status, event, { wanted, mayRetry })]).toEqual([
          wanted,
          mayRetry,
          expected(status, event, wanted, mayRetry),
        ]);
      }
    }
  });

  test('names as legal what is', () => {
    const legal = LIFECYCLE_EVENTS.filter((event) => expected(status, event, 'run', false) !== null);
    expect(legalEvents(status, 'run')).toEqual(legal);
  });
});
