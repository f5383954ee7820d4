import { NO_PROGRESS, type Job } from '../../actors/job.js';

const AT = '2026-01-01T00:00:00.000Z';

/** A job as the manager would make it, for specs that run without one. */
export const sampleJob = (fields: Partial<Job> = {}): Job => ({
  id: 'sample',
  name: fields.id ?? 'sample',
  type: 'probe',
  source: null,
  destination: null,
  input: null,
  result: null,
  labels: {},
  options: { maxRetries: 10 },
  priority: 0,
  status: 'queued',
  wanted: 'run',
  phase: null,
  progress: NO_PROGRESS,
  attempt: 0,
  retries: 0,
  worker: null,
  runAt: null,
  after: [],
  retryAt: null,
  error: null,
  warnings: [],
  verification: null,
  deletion: null,
  preview: null,
  seen: null,
  version: 1,
  createdAt: AT,
  updatedAt: AT,
  startedAt: null,
  finishedAt: null,
  ...fields,
});
