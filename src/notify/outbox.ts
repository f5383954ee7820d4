import { LIMITS } from '../../actors/limits.js';
import { backoffMs, DeliveryFailed } from './delivery.js';
import { bodyOf } from './notice.js';
import type { Due } from './notice-store.js';

type Limits = Record<'notices' | 'noticesPerReceiver' | 'noticeBytes', number>;

export interface OutboxOptions {
  /** Notices with the same key go to the same place: it holds up none but them. */
  keyOf: (due: Due) => string;
  /** Rejects with `DeliveryFailed`. */
  deliver: (due: Due, signal: AbortSignal) => Promise<void>;
  /** It is over with this one: delivered (`null`), or given up and why. */
  onEnd: (seq: number, due: Due, why: string | null) => Promise<void>;
  backoffMs?: (tries: number) => number;
  nowMs?: () => number;
  limits?: Partial<Limits>;
}

interface Letter {
  name: string;
  seq: number;
  due: Due;
  chars: number;
  tries: number;
  lane: Lane;
}

/** The notices for one place: those whose turn it is, and how many there are with those that are tried again later. */
interface Lane {
  key: string;
  ready: Letter[];
  onTheirWay: number;
  count: number;
}

/** Delivers notices: a few at once to one place, each again and again for a day, and no place waits for another. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #limits: Limits;
  readonly #lanes = new Map<string, Lane>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stopping = new AbortController();
  readonly #deliveries = new Set<Promise<void>>();
  readonly #letters = new Map<string, Letter>();
  #chars = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
  }

  /** Takes a notice, or gives it up at once when too many wait. */
  add(seq: number, due: Due): void {
    const name = `${due.receiver} ${due.notice.id}`;
    const known = this.#letters.get(name);
    if (known) return void (known.seq = seq);
    const key = this.#options.keyOf(due);
    const lane = this.#lanes.get(key) ?? { key, ready: [], onTheirWay: 0, count: 0 };
    const chars = bodyOf(due.notice).length;
    const { notices, noticesPerReceiver, noticeBytes } = this.#limits;
    if (lane.count >= noticesPerReceiver) return this.#refuse(seq, due, `${noticesPerReceiver} notices wait for it already`);
    if (this.#letters.size >= notices || this.#chars + chars > noticeBytes) return this.#refuse(seq, due, 'too many notices wait');
    const letter: Letter = { name, seq, due, chars, tries: 0, lane };
    this.#letters.set(name, letter);
    this.#lanes.set(key, lane);
    this.#chars += chars;
    lane.count += 1;
    lane.ready.push(letter);
    this.#send();
  }

  /** Breaks off what is on its way. Nothing is ended by it: who keeps the notices gives them again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.allSettled(this.#deliveries);
  }

  #send(): void {
    if (this.#stopping.signal.aborted) return;
    for (const lane of this.#lanes.values()) {
      if (this.#deliveries.size >= LIMITS.noticesAtOnce) return;
      const letter = lane.onTheirWay < LIMITS.noticesAtOncePerReceiver ? lane.ready.shift() : undefined;
      if (!letter) continue;
      // To the end of the line: it comes round again after all others.
      this.#lanes.delete(lane.key);
      this.#lanes.set(lane.key, lane);
      lane.onTheirWay += 1;
      this.#keepTrack(this.#deliver(letter).finally(() => lane.onTheirWay--));
    }
  }

  #keepTrack(work: Promise<void>): void {
    const tracked = work.finally(() => {
      this.#deliveries.delete(tracked);
      this.#send();
    });
    this.#deliveries.add(tracked);
  }

  #refuse(seq: number, due: Due, why: string): void {
    this.#keepTrack(this.#options.onEnd(seq, due, why));
  }

  async #deliver(letter: Letter): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await this.#options.deliver(letter.due, signal);
    } catch (error) {
      if (!signal.aborted) await this.#failed(letter, error);
      return;
    }
    await this.#end(letter, null);
  }

  async #failed(letter: Letter, error: unknown): Promise<void> {
    letter.tries += 1;
    const why = error instanceof Error ? error.message : String(error);
    const ageMs = (this.#options.nowMs ?? Date.now)() - Date.parse(letter.due.notice.at);
    if (error instanceof DeliveryFailed && error.isFinal) return this.#end(letter, why);
    if (letter.tries >= LIMITS.noticeTries || ageMs >= LIMITS.noticeAgeMs) return this.#end(letter, `after ${letter.tries} tries: ${why}`);
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        letter.lane.ready.push(letter);
        this.#send();
      },
      (this.#options.backoffMs ?? backoffMs)(letter.tries),
    ).unref();
    this.#timers.add(timer);
  }

  async #end({ name, seq, due, chars, lane }: Letter, why: string | null): Promise<void> {
    this.#letters.delete(name);
    this.#chars -= chars;
    lane.count -= 1;
    if (lane.count === 0) this.#lanes.delete(lane.key);
    await this.#options.onEnd(seq, due, why);
  }
}
