import { JobTable } from '../../actors/job-table.js';
import type { SimulatedJournal } from './simulated-journal.js';

/** All that a table knows, in a form to compare. */
export function contentOf(table: JobTable) {
  const jobs = [...table.entries.values()]
    .map(({ job, text, notes, notesDropped, key }) => ({ job, text, notes, notesDropped, key, byKey: key && table.findKey(key[0]) }))
    .sort((a, b) => (a.job.id < b.job.id ? -1 : 1));
  return {
    jobs,
    statuses: Object.fromEntries(Object.entries(table.byStatus).map(([status, set]) => [status, [...set.ascending()]])),
    types: Object.fromEntries([...table.countByType].filter(([, count]) => count > 0)),
    finished: [...table.finished.ascending()],
    waiting: [...table.queue.ready('probe')],
    remembered: [...table.remembered].sort(([a], [b]) => (a < b ? -1 : 1)),
    // Of a job that was patched the length is about right, and nearer for whoever read it whole: only the sum is exact.
    liveBytesOff: [...table.entries.values()].reduce((left, { textLength }) => left - textLength, table.liveBytes),
    schedules: [...table.schedules.entries.values()]
      .map(({ schedule, key }) => ({
        schedule,
        key,
        byKey: key && table.schedules.findKey(key[0]),
        open: table.schedules.openRunsOf(schedule.id),
      }))
      .sort((a, b) => (a.schedule.id < b.schedule.id ? -1 : 1)),
    due: table.schedules.due('9999', Infinity),
    scheduleBytes: table.schedules.liveBytes,
  };
}

/** The table that a start would read from the journal. */
export function recovered(journal: SimulatedJournal): JobTable {
  const table = new JobTable();
  for (const record of journal.records) table.apply(record);
  return table;
}
