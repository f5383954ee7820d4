import type { Schedule } from '../../actors/schedule.js';

const AT = '2026-01-01T00:00:00.000Z';

/** A schedule as the manager would make it, for specs that run without one. */
export const sampleSchedule = (fields: Partial<Schedule> = {}): Schedule => ({
  id: 'schedule',
  name: 'nightly',
  cron: '30 2 * * *',
  timeZone: 'UTC',
  overlap: 'skip',
  missed: 'once',
  enabled: true,
  job: { type: 'probe' },
  nextAt: '2026-01-01T02:30:00.000Z',
  lastAt: null,
  lastJobId: null,
  lastSkip: null,
  runs: 0,
  version: 1,
  createdAt: AT,
  updatedAt: AT,
  ...fields,
});
