import { deferred, type NatsConnection } from 'nats';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import { decodeRecord } from './journal-record.js';
import { replayJournal } from './journal-replay.js';
import { RecentChanges, type JobChange } from './recent-changes.js';
import { subjectsOf } from '../subjects.js';
import { journalFeed } from './stream-feed.js';
import { StreamTail, type StreamMessage, type StreamState } from './stream-tail.js';

export interface JournalFollowerOptions {
  nc: NatsConnection;
  prefix: string;
  /** More is known. */
  onNews: () => void;
  /** There is a gap: only a fresh list tells what became of the jobs. */
  onGap: () => void;
}

/** Records before the end that are read at the start, so that watchers who come back after a restart are served from memory; before them those that have the jobs whole. */
const PREFILL_RECORDS = 500 + LIMITS.patchReachRecords;
/** Past this a fresh list is cheaper than what changed. */
const REPLAY_RECORDS = 100_000;
const REPLAYS_AT_ONCE = 4;
const CATCH_UP_TIMEOUT_MS = 10_000;

/** Reads the journal as it grows, and answers what changed since a sequence. Used once: `start`, then `stop`. */
export class JournalFollower {
  readonly #options: JournalFollowerOptions;
  readonly #tail: StreamTail;
  readonly #recent = new RecentChanges();
  readonly #queue: (() => void)[] = [];
  #replays = 0;
  #gaps = 0;
  #target = 0;
  readonly #caughtUp = deferred<true>();

  constructor(options: JournalFollowerOptions) {
    this.#options = options;
    this.#tail = new StreamTail({
      nc: options.nc,
      stream: subjectsOf(options.prefix).journalStream,
      feed: () => journalFeed(options.nc, options.prefix),
      onMessage: (message) => this.#read(message),
      onLost: (state) => this.#beginNear(state),
    });
  }

  /** The changes kept in memory. */
  get recent(): Pick<RecentChanges, 'floor' | 'last' | 'since'> {
    return this.#recent;
  }

  /** Another number after every gap: what was asked for before it may not be built upon. */
  get gaps(): number {
    return this.#gaps;
  }

  /** Resolves when everything that the journal held at the call is known. Throws `unavailable`. */
  async start(): Promise<void> {
    const timer = setTimeout(() => this.#giveUp('The journal could not be read in time.'), CATCH_UP_TIMEOUT_MS);
    try {
      await this.#tail.start((state: StreamState) => {
        this.#target = state.lastSeq;
        return this.#beginNear(state);
      });
      if (this.#recent.last >= this.#target) this.#caughtUp.resolve(true);
      await this.#caughtUp;
    } catch (error) {
      this.#tail.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): void {
    this.#tail.stop();
    this.#giveUp('The journal is not read any more.');
  }

  /** Whether record `seq` is stored; from a list or another gateway it can be known before it was read here. */
  async holds(seq: number): Promise<boolean> {
    return seq <= this.#recent.last || seq <= (await this.#tail.state()).lastSeq;
  }

  /** What changed after `since`, up to and with `until`, one change a job; `null` when only a fresh list tells. */
  async changesSince(since: number): Promise<{ changes: JobChange[]; until: number } | null> {
    const { floor, last } = this.#recent;
    if (since > last) return (await this.holds(since)) ? { changes: [], until: since } : null;
    if (since >= floor) return { changes: this.#recent.since(since), until: last };
    if (last - since > REPLAY_RECORDS) return null;
    const changes = await this.#inTurn(() => replayJournal(this.#options.nc, this.#options.prefix, since, last));
    return changes && changes.length <= LIMITS.watchSnapshotJobs ? { changes, until: last } : null;
  }

  async #inTurn<T>(replay: () => Promise<T>): Promise<T> {
    if (this.#replays < REPLAYS_AT_ONCE) this.#replays++;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await replay();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#replays--;
    }
  }

  #read({ seq, data }: StreamMessage): void {
    if (seq !== this.#recent.last + 1) this.#forget(seq - 1);
    if (!this.#add(seq, data)) this.#forget(seq);
    if (seq >= this.#target) this.#caughtUp.resolve(true);
    this.#options.onNews();
  }

  /** Whether it is known by that what the record changed. */
  #add(seq: number, data: Uint8Array): boolean {
    try {
      return this.#recent.add(decodeRecord(data, seq), data.byteLength);
    } catch {
      return false; // that the journal is damaged is the JobManager's to say
    }
  }

  #beginNear({ firstSeq, lastSeq }: StreamState): number {
    const seq = Math.max(0, firstSeq - 1, lastSeq - PREFILL_RECORDS);
    this.#recent.begin(seq);
    this.#forget(seq);
    return seq;
  }

  /** What is remembered is of no use behind a gap. */
  #forget(seq: number): void {
    this.#gaps++;
    this.#recent.forget(seq);
    this.#options.onGap();
  }

  #giveUp(why: string): void {
    this.#caughtUp.catch(() => undefined);
    this.#caughtUp.reject(new JobError('unavailable', `${why} Try again in a moment.`));
  }
}
