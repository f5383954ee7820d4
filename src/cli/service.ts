import { JobError } from '../../actors/errors.js';
import type { Config } from '../config.js';
import { JobClient } from '../job-client.js';
import { withoutPassword, type NatsLogin } from '../nats/connection.js';
import { readConnection } from '../connection-file.js';

/** The service as a command reaches it: one client at a time, made anew when the service has moved. */
export class Service {
  readonly #config: Config;
  #client: JobClient | null = null;
  #closed = false;

  constructor(config: Config) {
    this.#config = config;
  }

  /** Connects at the first use. Throws `unavailable` with what to do. */
  async client(): Promise<JobClient> {
    this.#client ??= await JobClient.connect(await loginOf(this.#config), {
      prefix: this.#config.prefix,
      askTimeoutMs: this.#config.askTimeoutMs,
    });
    return this.#client;
  }

  /** Forgets the client: the next use looks anew where the service is. */
  async disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.close();
  }

  /** For good: whoever follows jobs ends. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.disconnect();
  }

  get closed(): boolean {
    return this.#closed;
  }
}

/** `TALLYMAN_NATS_URL` wins over connection.json, which still gives the user when it tells of the same server. */
export async function loginOf(config: Config): Promise<NatsLogin> {
  if (config.natsUrl === null) return (await readConnection(config.dataDir)).nats;
  if (config.natsUser !== null) return { url: config.natsUrl, user: config.natsUser, password: config.natsPassword ?? '' };
  const here = await readConnection(config.dataDir).catch(() => null);
  return here?.nats.url === config.natsUrl ? here.nats : { url: config.natsUrl };
}

/** Whether paths mean the same to the service as to this program. */
export function isOnThisMachine(config: Config): boolean {
  return config.natsUrl === null || /\/\/([^@/]*@)?(localhost|127\.|\[::1\])/.test(config.natsUrl);
}

/** Worth another try in a moment: the service is away, busy, or its answer got lost. */
export function isPassing(error: unknown): error is JobError {
  return error instanceof JobError && ['unavailable', 'overloaded', 'ask_timeout', 'outcome_unknown'].includes(error.code);
}

export const placeOf = (login: NatsLogin): string => withoutPassword(login.url);
