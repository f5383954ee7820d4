import { nuid, type JetStreamClient, type NatsConnection } from 'nats';
import { setTimeout as sleep } from 'node:timers/promises';
import { monitorOf, type ConnectionMonitor } from './connection-monitor.js';

const PUBLISH_TIMEOUT_MS = 2000;
const RETRY_MS = 500;

/** Publishes to a stream until it is acknowledged: sent again under the same id, so that it is stored once. */
export class StreamPublisher {
  readonly #nc: NatsConnection;
  readonly #connection: ConnectionMonitor;
  readonly #js: JetStreamClient;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    this.#connection = monitorOf(nc);
    this.#js = nc.jetstream();
  }

  get isClosed(): boolean {
    return this.#nc.isClosed();
  }

  /** Waits as long as NATS is away. `false`: it may not be stored, since the connection was closed or `signal` came. */
  async publish(subject: string, text: string, signal?: AbortSignal): Promise<boolean> {
    const id = nuid.next();
    while (!this.isClosed && !signal?.aborted) {
      if (this.#connection.connected && (await this.#publishOnce(subject, text, id))) return true;
      await sleep(RETRY_MS, undefined, { ref: false });
    }
    return false;
  }

  async #publishOnce(subject: string, text: string, msgID: string): Promise<boolean> {
    try {
      await this.#js.publish(subject, text, { msgID, timeout: PUBLISH_TIMEOUT_MS });
      return true;
    } catch {
      return false;
    }
  }
}
