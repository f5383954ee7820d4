import type { JobError } from './errors.js';
import type { Command } from './execute.js';
import { LIMITS } from './limits.js';

/** One request as it waits: what is asked, until when, and where the answer goes. */
export interface Ask {
  readonly command: Command;
  /** Of the request as it came: what the mailbox's limit counts. */
  readonly bytes: number;
  /** On the monotonic clock: an ask that still waits then is not executed. */
  readonly deadlineMs: number;
  resolve(answer: string): void;
  reject(error: JobError): void;
}

/** The requests that wait, first come first served. Bounded by messages and by bytes. */
export class Mailbox {
  #asks: Ask[] = [];
  #head = 0;
  #bytes = 0;

  get messages(): number {
    return this.#asks.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether there was room. */
  push(ask: Ask): boolean {
    if (this.messages >= LIMITS.mailboxMessages || this.#bytes + ask.bytes > LIMITS.mailboxBytes) return false;
    this.#asks.push(ask);
    this.#bytes += ask.bytes;
    return true;
  }

  peek(): Ask | undefined {
    return this.#asks[this.#head];
  }

  shift(): Ask | undefined {
    const ask = this.#asks[this.#head];
    if (!ask) return undefined;
    this.#head += 1;
    this.#bytes -= ask.bytes;
    if (this.#head === this.#asks.length) {
      this.#asks = [];
      this.#head = 0;
    } else if (this.#head > 4096) {
      this.#asks = this.#asks.slice(this.#head);
      this.#head = 0;
    }
    return ask;
  }

  /** Takes out those whose deadline has passed. */
  takeExpired(nowMs: number): Ask[] {
    const waiting = this.#asks.slice(this.#head);
    const expired = waiting.filter((ask) => ask.deadlineMs <= nowMs);
    if (expired.length === 0) return expired;
    this.#asks = waiting.filter((ask) => ask.deadlineMs > nowMs);
    this.#head = 0;
    this.#bytes = this.#asks.reduce((sum, ask) => sum + ask.bytes, 0);
    return expired;
  }

  takeAll(): Ask[] {
    const all = this.#asks.slice(this.#head);
    this.#asks = [];
    this.#head = 0;
    this.#bytes = 0;
    return all;
  }
}
