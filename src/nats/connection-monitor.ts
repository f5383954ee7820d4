import type { NatsConnection } from 'nats';

/** Tells whether a connection stands, and when that changes. */
export class ConnectionMonitor {
  connected = true;
  readonly #listeners = new Set<(connected: boolean) => void>();

  constructor(nc: NatsConnection) {
    void this.#follow(nc);
  }

  /** Calls `listener` at every change until the function that it answers is called. */
  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when it stands; rejects when that takes longer. */
  async connectedWithin(limitMs: number): Promise<void> {
    if (this.connected) return;
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        leave();
        settle();
      };
      const leave = this.onChange((connected) => {
        if (connected) end(resolve);
      });
      const timer = setTimeout(() => {
        end(() => {
          reject(new Error('the connection to NATS is down'));
        });
      }, limitMs);
    });
  }

  async #follow(nc: NatsConnection): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') this.#set(false);
      if (status.type === 'reconnect') this.#set(true);
    }
    this.#set(false);
  }

  #set(connected: boolean): void {
    this.connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }
}

const monitors = new WeakMap<NatsConnection, ConnectionMonitor>();

/**
 * The one monitor of `nc`: an iterator of `nc.status()` cannot be given back, so there must not be one a reader.
 * Ask for it while the connection is new: it takes it for connected.
 */
export function monitorOf(nc: NatsConnection): ConnectionMonitor {
  let monitor = monitors.get(nc);
  if (!monitor) monitors.set(nc, (monitor = new ConnectionMonitor(nc)));
  return monitor;
}
