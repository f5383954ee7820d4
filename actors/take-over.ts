import { AppendRefused, JournalUnreadable, type RecordKind } from './journal.js';
import type { ManagerState } from './manager-state.js';

/** How often the journal may grow under our hands before we give up: the manager that is to be deposed may be busy. */
const TRIES = 100;

/**
 * Becomes the leader: reads the whole journal, then appends an epoch record
 * behind it. Only that append decides, so of two managers that try, one wins.
 * If the one before did not close its epoch it may still live and answer
 * reads, so its lease is waited out before anything is acknowledged.
 */
export async function takeOver(state: ManagerState): Promise<void> {
  const { journal, clock, settings, log } = state.input;
  const { lead } = state;
  const last = { kind: 'closed' as RecordKind };
  const read = async (fromSeq?: number) => {
    lead.journal = await journal.read((record) => {
      state.table.apply(record);
      lead.epoch = Math.max(lead.epoch, record.epoch);
      state.wall.sawRecord(record.at);
      last.kind = record.kind;
    }, fromSeq);
    lead.seq = lead.journal.lastSeq;
    for (const [id, seq] of state.table.patchesAlone) {
      throw new JournalUnreadable(seq, `Record ${seq} of the journal tells the progress of job ${id}, which is not there.`);
    }
  };
  await read();
  const before = lead.epoch;
  for (let tries = 1; ; tries += 1) {
    const wasClosed = last.kind === 'closed';
    lead.epoch += 1;
    try {
      await lead.append(state.record('epoch'));
      lead.seq += 1;
      if (!wasClosed) await clock.delay(settings.leadLeaseMs);
      break;
    } catch (error) {
      if (!(error instanceof AppendRefused) || error.reason !== 'wrong_sequence' || tries === TRIES) throw error;
      await read(lead.seq + 1);
    }
  }
  renewAllLeases(state);
  log(`leading: epoch ${lead.epoch} after ${before}, ${state.table.entries.size} jobs, journal at ${lead.seq}`);
}

/** Every running attempt gets a whole lease, which is never sooner than its worker believes. */
function renewAllLeases({ input, table, leases }: ManagerState): void {
  const untilMs = input.clock.monotonicMs() + input.settings.leaseMs;
  for (const id of table.byStatus.running.ascending()) leases.extend(id, untilMs);
}
