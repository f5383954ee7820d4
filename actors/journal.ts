import type { Bandwidth } from './bandwidth.js';
import type { HistoryEntry, Job } from './job.js';
import type { Patch } from './patch.js';
import type { Schedule, Skip } from './schedule.js';

/**
 * The port of the journal: an append-only sequence of records, one commit of
 * the JobManager each. JetStream implements it (`src/nats/journal.ts`), and a
 * simulated one that fails on command (`specs/support/simulated-journal.ts`);
 * both pass `specs/journal/contract.ts`.
 *
 * Rules that the port lays down:
 * - `append` is called with one append in flight at most, and stores the record
 *   as number `expectedSeq + 1` or not at all.
 * - It resolves only when the record is on disk (as far as the server tells).
 * - It rejects with `AppendRefused` when it knows that the record was not
 *   stored, with any other error when it does not know.
 */
export interface Journal {
  /** Reads every record from the first one kept (or from `fromSeq`) to the end, in order. Rejects with `JournalUnreadable`. */
  read(onRecord: (record: JournalRecord) => void, fromSeq?: number): Promise<JournalState>;
  append(record: RecordDraft, expectedSeq: number): Promise<void>;
  /** What stands in the journal now: confirmed by its leader, never from a cache. One that is gone has no `createdAt`. */
  state(): Promise<JournalState>;
  /** The commit id of the record at `seq`; `null` when there is none. Rejects with `JournalUnreadable`. */
  commitAt(seq: number): Promise<string | null>;
  /** Drops every record below `seq`. Needs no fence: nothing current is only there. */
  purgeBelow(seq: number): Promise<void>;
}

export interface JournalState {
  /** Tells this journal from one that was made anew under the same name. */
  createdAt: string;
  firstSeq: number;
  lastSeq: number;
  bytes: number;
}

export type RecordKind =
  /** A manager took over: everybody before it is deposed. */
  | 'epoch'
  /** Changes that were asked for. */
  | 'commit'
  /** Old after-images written anew, so that what is before them can be purged. */
  | 'carried'
  /** The manager ended of its own will and will append nothing more. */
  | 'closed';

/** A record to append: `lines` is the JSON text of one change each, serialised once. */
export interface RecordDraft {
  kind: RecordKind;
  epoch: number;
  /** Random: tells our record from another's when an answer was lost. */
  commit: string;
  at: string;
  /** The bandwidth limit in all that somebody asked for, as it is after this record: every record repeats it, so none has to be kept for it. */
  bandwidth?: Bandwidth | null;
  lines: readonly string[];
  /** False: it finishes no job and changes no schedule, so who tells of that need not look at the lines. */
  tells?: boolean;
}

/** A record as read back, its checksum proved. */
export interface JournalRecord {
  seq: number;
  kind: RecordKind;
  epoch: number;
  commit: string;
  at: string;
  bandwidth?: Bandwidth | null;
  changes: Change[];
}

/** An idempotency key as it is kept: the key, and the digest of the body that it came with. */
export type StoredKey = readonly [key: string, bodyDigest: string];

export type Change =
  /** The job as it is after the change (all of it), and what the change adds to its history. `notesDropped` is of a carried one: how many older entries are not kept. */
  | { put: Job; key?: StoredKey; notes?: HistoryEntry[]; notesDropped?: number }
  /** What is new of a job that had version `over`, and that one of the last `LIMITS.patchReachRecords` records has whole. */
  | { patch: Patch; over: number }
  /** The job is gone. Its key is remembered until `until` (ms since 1970). */
  | { del: string; key?: StoredKey; until?: number }
  /** The schedule as it is after the change, and the runs that did not happen by it. */
  | { schedule: Schedule; key?: StoredKey; skips?: Skip[] }
  | { delSchedule: string; key?: StoredKey; until?: number };

/** The record was certainly not stored. `reason` tells why. */
export class AppendRefused extends Error {
  readonly reason: 'wrong_sequence' | 'storage' | 'unreachable';
  constructor(reason: AppendRefused['reason'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AppendRefused';
    this.reason = reason;
  }
}

/** The record at `seq` cannot be read: damaged, of a later format, or missing in the middle. */
export class JournalUnreadable extends Error {
  readonly seq: number;
  constructor(seq: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JournalUnreadable';
    this.seq = seq;
  }
}
