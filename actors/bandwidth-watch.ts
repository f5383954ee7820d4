import { limitAt, type Bandwidth } from './bandwidth.js';

/** The bandwidth limit in all, as it holds in one round. */
export interface BandwidthNow {
  limit: Bandwidth;
  /** Who gave it: somebody who asked for it while the service ran, or the settings. */
  from: 'request' | 'settings';
  /** Now; 0 is none. */
  bytesPerSecond: number;
}

/** How often it is looked whether the shares still fit the limit. */
const LOOK_EVERY_MS = 1000;

/** What is remembered of the shares from one look to the next. In memory only: without it a transfer is stopped once more at worst. */
export class BandwidthWatch {
  /** Jobs that were stopped for their share, and will be back for another. */
  readonly comingBack = new Set<string>();
  readonly #settings: Bandwidth;
  #dueMs = -Infinity;
  #sharers = -1;
  #quietSinceMs = 0;

  constructor(settings: Bandwidth) {
    this.#settings = settings;
  }

  now(asked: Bandwidth | null, nowMs: number): BandwidthNow {
    const limit = asked ?? this.#settings;
    return { limit, from: asked === null ? 'settings' : 'request', bytesPerSecond: limitAt(limit, nowMs) };
  }

  isDue(nowMs: number): boolean {
    return nowMs >= this.#dueMs;
  }

  looked(nowMs: number, sharers: number): void {
    this.#dueMs = nowMs + LOOK_EVERY_MS;
    if (sharers !== this.#sharers) this.#quietSinceMs = nowMs;
    this.#sharers = sharers;
  }

  lookSoon(): void {
    this.#dueMs = -Infinity;
  }

  handedOut(jobId: string, nowMs: number): void {
    this.comingBack.delete(jobId);
    this.#quietSinceMs = nowMs;
  }

  /** For how long no transfer has begun or ended. */
  quietMs(nowMs: number): number {
    return nowMs - this.#quietSinceMs;
  }
}
