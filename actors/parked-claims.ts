import { LIMITS } from './limits.js';
import type { Ask } from './mailbox.js';
import type { Requests } from './requests.js';
import type { RunQueue } from './run-queue.js';

interface Parked {
  ask: Ask;
  body: Requests['claim'];
  untilMs: number;
}

/** Claims that wait for a job: the other side of the queue. First come, first served. */
export class ParkedClaims {
  #claims = new Map<Ask, Parked>();
  /** Of the queue, when they were served last. */
  #servedChanges = -1;

  get size(): number {
    return this.#claims.size;
  }

  /** Whether there was room. It waits as long as it asked for, but answers before its own deadline. */
  push(ask: Ask, nowMs: number): boolean {
    if (this.#claims.size >= LIMITS.parkedClaims) return false;
    const body = ask.command.body as Requests['claim'];
    this.#claims.set(ask, { ask, body, untilMs: Math.min(nowMs + body.waitMs, ask.deadlineMs) });
    return true;
  }

  /** Whether the time of a job has come that one of them could get. */
  canRun(queue: RunQueue, nowIso: string): boolean {
    return queue.promote(nowIso) && this.#all().some((parked) => mayGet(queue, parked));
  }

  /** Those that may get a job now; none while nothing has changed in the queue since they were served last. */
  *candidates(queue: RunQueue, nowIso: string): Generator<Parked> {
    if (this.size === 0 || queue.changes === this.#servedChanges) return;
    queue.promote(nowIso);
    for (const parked of this.#all()) if (mayGet(queue, parked)) yield parked;
    this.#servedChanges = queue.changes;
  }

  remove(ask: Ask): void {
    this.#claims.delete(ask);
  }

  takeExpired(nowMs: number): Ask[] {
    const expired = this.#all().filter(({ untilMs }) => untilMs <= nowMs);
    for (const { ask } of expired) this.#claims.delete(ask);
    return expired.map(({ ask }) => ask);
  }

  takeAll(): Ask[] {
    const all = [...this.#claims.keys()];
    this.#claims.clear();
    return all;
  }

  #all(): Parked[] {
    return [...this.#claims.values()];
  }
}

const mayGet = (queue: RunQueue, { body }: Parked): boolean => body.types.some((type) => queue.hasReady(type));
