import { AppendRefused, type RecordKind } from './journal.js';
import type { ManagerState } from './manager-state.js';

/** How often the journal may grow under our hands before we give up: another manager is at work then. */
const TRIES = 5;

/**
 * Becomes the leader: reads the whole journal, then appends an epoch record
 * behind it. Only that append decides, so of two managers that try, one wins.
 * If the one before did not close its epoch it may still live and answer
 * reads, so its lease is waited out before anything is acknowledged.
 */
export async function takeOver(state: ManagerState): Promise<void> {
  const { journal, clock, settings, log } = state.input;
  const last = { kind: 'closed' as RecordKind };
  const read = async (fromSeq?: number) => {
    state.journal = await journal.read((record) => {
      state.table.apply(record);
      state.epoch = Math.max(state.epoch, record.epoch);
      last.kind = record.kind;
    }, fromSeq);
    state.seq = state.journal.lastSeq;
  };
  await read();
  const before = state.epoch;
  for (let tries = 1; ; tries += 1) {
    const wasClosed = last.kind === 'closed';
    state.epoch += 1;
    try {
      const sentAtMs = clock.monotonicMs();
      await journal.append(state.record('epoch'), state.seq);
      state.seq += 1;
      state.confirmedAtMs = sentAtMs;
      if (!wasClosed) await clock.delay(settings.leadLeaseMs);
      break;
    } catch (error) {
      if (!(error instanceof AppendRefused) || error.reason !== 'wrong_sequence' || tries === TRIES) throw error;
      await read(state.seq + 1);
    }
  }
  state.renewAllLeases();
  log(`leading: epoch ${state.epoch} after ${before}, ${state.table.entries.size} jobs, journal at ${state.seq}`);
}
