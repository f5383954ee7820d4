/** The time left is told once so many rates, measured this far apart, are known and differ by no more than this factor. */
const STEADY_SAMPLES = 4;
const STEADY_SPREAD = 2;
const SAMPLE_EVERY_MS = 500;

/** Says how long a copy still takes, as soon as its rate is steady. */
export class TimeLeft {
  readonly #nowMs: () => number;
  #rates: number[] = [];
  #sampledMs = Number.NEGATIVE_INFINITY;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  sample(bytesPerSecond: number): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#sampledMs < SAMPLE_EVERY_MS) return;
    this.#sampledMs = nowMs;
    this.#rates = [...this.#rates, bytesPerSecond].slice(-STEADY_SAMPLES);
  }

  seconds(bytesLeft: number): number | null {
    const slowest = Math.min(...this.#rates);
    const steady = this.#rates.length === STEADY_SAMPLES && slowest > 0 && Math.max(...this.#rates) <= STEADY_SPREAD * slowest;
    if (!steady) return null;
    const mean = this.#rates.reduce((sum, rate) => sum + rate, 0) / STEADY_SAMPLES;
    return Math.ceil(bytesLeft / mean);
  }
}
