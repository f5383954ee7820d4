import type { NatsConnection } from 'nats';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { monitorOf } from './connection-monitor.js';
import { JournalFollower } from './journal-follower.js';
import { takeSnapshot, type SnapshotClient } from './job-snapshot.js';
import type { JobChange } from './recent-changes.js';
import { JobFilter, type WatchFilter } from './watch-filter.js';

export type { WatchFilter } from './watch-filter.js';

/**
 * - `snapshot`, `reset`: `jobs` is all that the filter lets through; forget what was known before.
 * - `changed`: `jobs` in their newest state, and the ids of those that are gone.
 *
 * `seq` is the place in the journal that this event brings the watcher to: pass
 * it as `since` to go on from there. Watchers with the same filter share one
 * event: do not change it.
 */
export interface WatchEvent {
  kind: 'snapshot' | 'changed' | 'reset';
  seq: number;
  jobs: Job[];
  deleted: string[];
  /** With `snapshot` and `reset`: how many jobs there are; more than `jobs` past `LIMITS.watchSnapshotJobs`, the oldest are left out. */
  total?: number;
}

export interface Watch {
  /** The answer: everything after it goes to the sink. */
  readonly first: WatchEvent;
  /** How far the watcher has been told. */
  readonly seq: number;
  stop(): void;
}

export interface WatchHubOptions {
  nc: NatsConnection;
  prefix: string;
  client: SnapshotClient;
  /** How long the journal is read on after the last watcher left. */
  lingerMs?: number;
}

interface Watcher {
  filter: JobFilter;
  seq: number;
  /** Waits for a fresh list, and is told nothing until it comes. */
  lost: boolean;
  sink: (event: WatchEvent) => void;
}

const RELIST_RETRY_MS = 250;
const PAUSE_MAX_MS = 250;

/**
 * Feeds any number of watchers from one reading of the journal, which begins
 * with the first watcher and ends some time after the last.
 *
 * A watcher gets events in the order of the journal, several records that came
 * together as one event with the newest state of each job. It never misses a
 * final state: where the journal has a gap (purged, made anew, unreadable) it
 * gets a `reset` with a fresh list.
 *
 * With a `status` filter, a job that leaves the filter comes once more in
 * `jobs`, in its new state, and then not until it is let through again; one
 * that is deleted while it is let through comes in `deleted`. (A change whose
 * earlier status the hub has not seen is delivered too: drop what does not fit
 * and was not known.)
 */
export class WatchHub {
  readonly #options: WatchHubOptions;
  readonly #watchers = new Set<Watcher>();
  #journal: JournalFollower | null = null;
  #started: Promise<void> | null = null;
  #arriving = 0;
  #linger: NodeJS.Timeout | null = null;
  #round: NodeJS.Timeout | null = null;
  #roundTookMs = 0;
  #relisting = false;
  #closed = false;

  constructor(options: WatchHubOptions) {
    this.#options = options;
    monitorOf(options.nc);
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /**
   * Follows the jobs of `filter`. Without `since` the answer is a `snapshot`;
   * with it, `changed` with what came after it (maybe nothing), or `reset` when
   * the journal does not go back that far or not yet that far forward. A sink
   * that throws is dropped. Throws `overloaded` past the limit of watchers and
   * `unavailable` when the journal or the JobManager does not answer.
   */
  async watch(filter: WatchFilter, since: number | undefined, sink: (event: WatchEvent) => void): Promise<Watch> {
    this.#refuseWhenClosed();
    if (this.#watchers.size + this.#arriving >= LIMITS.watchersPerGateway) {
      throw new JobError('overloaded', `There are ${LIMITS.watchersPerGateway} watchers already. Try again later.`);
    }
    this.#arriving++;
    this.#stayAwake();
    try {
      const journal = await this.#follow();
      const jobFilter = new JobFilter(filter);
      const { gaps } = journal;
      const first = await this.#first(journal, jobFilter, since);
      this.#refuseWhenClosed();
      return this.#register({ filter: jobFilter, seq: first.seq, lost: gaps !== journal.gaps, sink }, first);
    } finally {
      this.#arriving--;
      this.#sleepWhenAlone();
    }
  }

  /** Drops every watcher and stops reading. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.clear();
    if (this.#round) clearTimeout(this.#round);
    const started = this.#started;
    this.#stopFollowing();
    await started?.catch(() => undefined);
  }

  #register(watcher: Watcher, first: WatchEvent): Watch {
    this.#watchers.add(watcher);
    this.#scheduleRound();
    return {
      first,
      get seq() {
        return watcher.seq;
      },
      stop: () => this.#drop(watcher),
    };
  }

  #drop(watcher: Watcher): void {
    if (this.#watchers.delete(watcher)) this.#sleepWhenAlone();
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new JobError('unavailable', 'This gateway is closing. Connect again in a moment.');
  }

  async #first(journal: JournalFollower, filter: JobFilter, since: number | undefined): Promise<WatchEvent> {
    if (since === undefined) return await this.#list(journal, 'snapshot', filter);
    const found = await journal.changesSince(since);
    if (!found) return await this.#list(journal, 'reset', filter);
    return { kind: 'changed', seq: found.until, ...filter.select(found.changes) };
  }

  async #list(journal: JournalFollower, kind: 'snapshot' | 'reset', filter: JobFilter): Promise<WatchEvent> {
    const { seq, jobs, total } = await takeSnapshot(this.#options.client, filter, journal.recent.last);
    if (!(await journal.holds(seq))) {
      throw new JobError(
        'unavailable',
        'The job manager answers from another journal than the one that is there now. Try again in a moment.',
      );
    }
    return { kind, seq, jobs, deleted: [], total };
  }

  // --- reading the journal while there are watchers ---

  async #follow(): Promise<JournalFollower> {
    const { nc, prefix } = this.#options;
    const journal = (this.#journal ??= new JournalFollower({
      nc,
      prefix,
      onNews: () => this.#scheduleRound(),
      onGap: () => this.#loseAll(),
    }));
    try {
      await (this.#started ??= journal.start());
    } catch (error) {
      if (this.#journal === journal) this.#stopFollowing();
      throw error;
    }
    return journal;
  }

  #stopFollowing(): void {
    this.#stayAwake();
    this.#journal?.stop();
    this.#journal = this.#started = null;
  }

  #stayAwake(): void {
    if (this.#linger) clearTimeout(this.#linger);
    this.#linger = null;
  }

  #sleepWhenAlone(): void {
    if (this.#watchers.size > 0 || this.#arriving > 0 || !this.#journal) return;
    this.#stayAwake();
    this.#linger = setTimeout(() => this.#stopFollowing(), this.#options.lingerMs ?? 30_000).unref();
  }

  // --- telling the watchers ---

  #loseAll(): void {
    for (const watcher of this.#watchers) watcher.lost = true;
    this.#scheduleRound();
  }

  /** A pause as long as the last round took leaves half of the time to everything else, however many watchers there are. */
  #scheduleRound(): void {
    if (this.#watchers.size === 0 || this.#closed) return;
    this.#round ??= setTimeout(() => this.#tellAll(), Math.min(this.#roundTookMs, PAUSE_MAX_MS));
  }

  #tellAll(): void {
    this.#round = null;
    if (!this.#journal) return;
    const startMs = performance.now();
    const { recent } = this.#journal;
    const changes = new Map<number, JobChange[]>();
    const events = new Map<string, WatchEvent>();
    for (const watcher of this.#watchers) {
      const { seq, filter } = watcher;
      if (seq < recent.floor) watcher.lost = true;
      if (watcher.lost || seq >= recent.last) continue;
      const key = `${seq} ${filter.key}`;
      let event = events.get(key);
      if (!event) {
        const list = changes.get(seq) ?? recent.since(seq);
        changes.set(seq, list);
        events.set(key, (event = { kind: 'changed', seq: recent.last, ...filter.select(list) }));
      }
      this.#tell(watcher, event);
    }
    this.#roundTookMs = performance.now() - startMs;
    void this.#relist();
  }

  #tell(watcher: Watcher, event: WatchEvent): void {
    watcher.seq = event.seq;
    watcher.lost = false;
    if (event.kind === 'changed' && event.jobs.length === 0 && event.deleted.length === 0) return;
    try {
      watcher.sink(event);
    } catch {
      this.#drop(watcher);
    }
  }

  /** Gives a fresh list to those who wait for one, one list a filter, until nobody waits. */
  async #relist(): Promise<void> {
    if (this.#relisting) return;
    this.#relisting = true;
    for (let next = this.#firstLost(); next && this.#journal; next = this.#firstLost()) {
      const journal = this.#journal;
      const { gaps } = journal;
      const { key } = next.filter;
      try {
        const event = await this.#list(journal, 'reset', next.filter);
        if (gaps !== journal.gaps) continue;
        for (const watcher of this.#watchers) if (watcher.lost && watcher.filter.key === key) this.#tell(watcher, event);
        this.#scheduleRound();
      } catch {
        await sleep(RELIST_RETRY_MS, undefined, { ref: false });
      }
    }
    this.#relisting = false;
  }

  #firstLost(): Watcher | undefined {
    for (const watcher of this.#watchers) if (watcher.lost) return watcher;
    return undefined;
  }
}
