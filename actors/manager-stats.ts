import { JOB_STATUSES } from './job.js';
import type { ManagerState } from './manager-state.js';

/** The answer of `stats`. */
export function statsOf(state: ManagerState): object {
  return {
    total: state.table.entries.size,
    byStatus: Object.fromEntries(JOB_STATUSES.map((status) => [status, state.table.byStatus[status].size])),
    byType: Object.fromEntries(state.table.countByType),
    schedules: state.table.schedules.summary,
    seq: state.lead.seq,
    epoch: state.lead.epoch,
    startedAt: state.startedAt,
    clock: state.wall.lag,
    mailbox: { messages: state.mailbox.messages, bytes: state.mailbox.bytes, parkedClaims: state.parked.size },
    journal: {
      bytes: state.lead.journal.bytes,
      messages: state.lead.seq - state.lead.journal.firstSeq + 1,
      firstSeq: state.lead.journal.firstSeq,
      liveBytes: state.table.liveBytes,
    },
    counters: state.counters,
  };
}
