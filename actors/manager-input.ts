import type { Bandwidth } from './bandwidth.js';
import type { SameHosts } from './host-place.js';
import type { Journal } from './journal.js';
import type { RunLimits } from './run-limits.js';
import type { Allowed } from './paths.js';
import type { NextTime } from './schedule.js';

/** Everything that the manager takes from outside: its journal, clocks, randomness and settings. */
export interface ManagerInput {
  journal: Journal;
  clock: ManagerClock;
  /** Unique and, for later times, greater. */
  newId(nowMs: number): string;
  newCommitId(): string;
  random(): number;
  digest(text: string): string;
  nextTime: NextTime;
  /** Resolves when what arrives together has arrived: the end of this turn of the event loop. */
  nextTurn(): Promise<void>;
  /** Jobs that are gone, so that their logs can go too. */
  onDeleted(ids: readonly string[]): void;
  log(message: string): void;
  onServing(): void;
  /** It serves no more: fenced or failed (the reason), or stopped (`null`). */
  onEnded(reason: string | null): void;
  settings: ManagerSettings;
}

export interface ManagerClock {
  /** Wall clock, ms since 1970. */
  nowMs(): number;
  /** Never set back; only differences count. */
  monotonicMs(): number;
  /** Calls `tick` every `periodMs` until the returned function is called. */
  every(periodMs: number, tick: () => void): () => void;
  delay(ms: number): Promise<void>;
}

export interface ManagerSettings extends Allowed {
  leaseMs: number;
  /** Of machines with several names, for the one writer to a destination. */
  sameHosts: SameHosts;
  limits: RunLimits;
  /** Of all transfers together, unless somebody asked for another. */
  bandwidth: Bandwidth;
  /** How long after its last proof of being the leader a manager answers reads without a new one. */
  leadLeaseMs: number;
  tickMs: number;
  /** What one record may have; no more than the server's `max_payload` takes. */
  recordBytesMax: number;
  /** Below this size the journal is left as it is. */
  carryMinBytes: number;
}
