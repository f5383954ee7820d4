import { LIMITS } from '../../actors/limits.js';
import type { WatchEvent } from '../nats/watch-hub.js';
import { changeMembers, jobText } from './job-text.js';

/** The way to one reader. */
export interface Wire {
  /** What was written but not yet taken by the reader's side. */
  bufferedBytes(): number;
  /** Whoever holds the wire calls `flush` once this is sent. */
  write(kind: 'changed' | 'reset', seq: number, members: string): void;
  /** The reader is too slow for good. */
  cutOff(): void;
}

/** Above this much unsent, changes wait here instead of in the socket. */
const FULL_BYTES = 256 * 1024;

/**
 * What one watcher has still to be told. While its reader is slow the newest
 * state of each job replaces the one before; past `watcherBufferedBytes` of
 * such states it is cut off, and may come again and go on from its `seq`.
 */
export class WatchOutbox {
  readonly #wire: Wire;
  /** By job id; `null` is a deleted job. */
  #pending = new Map<string, string | null>();
  #pendingChars = 0;
  #seq = 0;
  #reset = false;
  /** Of the fresh list that waits. */
  #total: number | undefined;
  #open = false;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** The first answer is on its way: from now on changes may follow it. */
  open(): void {
    this.#open = true;
    this.flush();
  }

  push(event: WatchEvent): void {
    if (event.kind !== 'changed') {
      this.#clear(true);
      this.#total = event.total;
    }
    for (const job of event.jobs) this.#put(job.id, jobText(job));
    for (const id of event.deleted) this.#put(id, null);
    this.#seq = event.seq;
    if (this.#pendingChars > LIMITS.watcherBufferedBytes) this.#wire.cutOff();
    else this.flush();
  }

  flush(): void {
    if (!this.#open || this.#wire.bufferedBytes() > FULL_BYTES || (this.#pending.size === 0 && !this.#reset)) return;
    const jobs: string[] = [];
    const deleted: string[] = [];
    for (const [id, text] of this.#pending) {
      if (text === null) deleted.push(id);
      else jobs.push(text);
    }
    const kind = this.#reset ? 'reset' : 'changed';
    const members = changeMembers(this.#seq, jobs, deleted, this.#reset ? this.#total : undefined);
    this.#clear(false);
    this.#wire.write(kind, this.#seq, members);
  }

  #put(id: string, text: string | null): void {
    this.#pendingChars += (text ?? id).length - (this.#pending.get(id)?.length ?? 0);
    // In a fresh list a deleted job is simply not there.
    if (this.#reset && text === null) this.#pending.delete(id);
    else this.#pending.set(id, text);
  }

  #clear(reset: boolean): void {
    this.#pending.clear();
    this.#pendingChars = 0;
    this.#reset = reset;
  }
}
