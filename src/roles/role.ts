/** A part of the service that runs in this process. */
export interface RunningRole {
  /** Resolves when it ends by itself: to the reason, or to `null` after `stop`. */
  readonly ended: Promise<string | null>;
  stop(): Promise<void>;
}

/** What was acquired, released in reverse order. What fails to close does not keep the rest open. */
export class Releases {
  readonly #releases: (() => unknown)[] = [];

  add(release: () => unknown): void {
    this.#releases.push(release);
  }

  async run(): Promise<void> {
    for (let release = this.#releases.pop(); release; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        logLine(`while stopping: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
}

export const never = new Promise<never>(() => undefined);

/** The log of the process: one line on stderr. */
export function logLine(message: string, details?: Record<string, unknown>): void {
  process.stderr.write(`${new Date().toISOString()} ${message}${details ? ` ${JSON.stringify(details)}` : ''}\n`);
}
