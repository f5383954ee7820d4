/** A notice did not get to its receiver. The message says why, for people, and holds no secret. */
export class DeliveryFailed extends Error {
  /** Trying again is of no use. */
  readonly isFinal: boolean;

  constructor(message: string, options: { isFinal?: boolean } & ErrorOptions = {}) {
    super(message, options);
    this.name = 'DeliveryFailed';
    this.isFinal = options.isFinal ?? false;
  }
}

/** Seconds at first, then minutes and hours: 15 tries within about 14 hours, with chance in it so that not all come at once. */
export function backoffMs(tries: number, random = Math.random): number {
  const FIRST_MS = 5_000;
  const MOST_MS = 4 * 3600 * 1000;
  return Math.min(MOST_MS, FIRST_MS * 2 ** (tries - 1)) * (0.75 + random() / 2);
}
