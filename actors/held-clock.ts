/** The wall clock, but never back: a job's times and ids stay in order when the clock is set. */
export class HeldClock {
  readonly #wallMs: () => number;
  #lastMs = 0;
  /** Of the newest record that was there before. */
  #recordMs = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return (this.#lastMs = Math.max(this.#lastMs, this.#wallMs()));
  }

  nowIso(): string {
    return new Date(this.nowMs()).toISOString();
  }

  sawRecord(at: string): void {
    this.#recordMs = Math.max(this.#recordMs, Date.parse(at));
  }

  /** How far the wall clock stands behind the newest change, and whether times are held until it has caught up. */
  get lag(): { behindMs: number; timesHeld: boolean } {
    const wallMs = this.#wallMs();
    return { behindMs: Math.max(0, this.#lastMs - wallMs, this.#recordMs - wallMs), timesHeld: this.#lastMs > wallMs };
  }
}
