import { LIMITS } from './limits.js';
import type { Ask } from './mailbox.js';
import type { Requests } from './requests.js';

interface Parked {
  ask: Ask;
  body: Requests['claim'];
  untilMs: number;
}

/** Claims that wait for a job: the other side of the queue. First come, first served. */
export class ParkedClaims {
  #claims = new Map<Ask, Parked>();

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

  all(): Parked[] {
    return [...this.#claims.values()];
  }

  types(): string[] {
    return [...new Set(this.all().flatMap(({ body }) => body.types))];
  }

  remove(ask: Ask): void {
    this.#claims.delete(ask);
  }

  takeExpired(nowMs: number): Ask[] {
    const expired = this.all().filter(({ untilMs }) => untilMs <= nowMs);
    for (const { ask } of expired) this.#claims.delete(ask);
    return expired.map(({ ask }) => ask);
  }

  takeAll(): Ask[] {
    const all = [...this.#claims.keys()];
    this.#claims.clear();
    return all;
  }
}
