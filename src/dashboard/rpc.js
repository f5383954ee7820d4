/** JSON-RPC 2.0 over one WebSocket that comes back by itself. */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;
const ASK_TIMEOUT_MS = 20_000;
const SIGN_OF_LIFE_MS = 20_000;

/** An answer that is an error: `body` is the service's `{ code, message, executed, details }`. */
export class RpcError extends Error {
  /** @param {{ code: string, message: string, executed?: string, details?: Record<string, unknown> }} body */
  constructor(body) {
    super(body.message);
    this.code = body.code;
    this.executed = body.executed ?? 'unknown';
    this.details = body.details ?? {};
  }
}

export class Rpc {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Map<number, { resolve(value: any): void, reject(error: Error): void, timer: number }>} */
  #pending = new Map();
  #lastId = 0;
  #waitMs = FIRST_WAIT_MS;
  #retryTimer = 0;
  #handlers;

  /** @param {{ onOpen(): void, onLost(isSignedOut: boolean): void, onNotification(method: string, params: any): void }} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
    setInterval(() => this.#proveAlive(), SIGN_OF_LIFE_MS);
    addEventListener('online', () => this.connectNow());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.connectNow());
    this.connectNow();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Connects at once when it only waits to try again. */
  connectNow() {
    if (this.#socket) return;
    clearTimeout(this.#retryTimer);
    const url = new URL('/v1/socket', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = (this.#socket = new WebSocket(url));
    let opened = false;
    setTimeout(() => opened || socket.close(), OPEN_TIMEOUT_MS);
    socket.onopen = () => {
      opened = true;
      this.#waitMs = FIRST_WAIT_MS;
      this.#handlers.onOpen();
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => socket === this.#socket && this.#lost(opened);
  }

  /**
   * Sends one request. Rejects with an `RpcError`: the service's own, or
   * `unavailable` (not sent) or `outcome_unknown` (no answer came).
   * @param {string} method
   * @param {object} params
   * @param {number} [timeoutMs]
   * @returns {Promise<any>}
   */
  ask(method, params, timeoutMs = ASK_TIMEOUT_MS) {
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(
        new RpcError({
          code: 'unavailable',
          executed: 'no',
          message: 'The connection is down: nothing was done. Try again once it is back.',
        }),
      );
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(id, 'No answer came in time: it may have been done or not.'), timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  }

  /** @param {string} text */
  #receive(text) {
    const message = JSON.parse(text);
    if (message.id === undefined) {
      this.#handlers.onNotification(message.method, message.params);
      return;
    }
    const waiting = this.#pending.get(message.id);
    if (!waiting) return;
    this.#pending.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.error) waiting.reject(new RpcError(message.error.data ?? { code: 'internal', message: message.error.message }));
    else waiting.resolve(message.result);
  }

  /** @param {number} id @param {string} why */
  #giveUp(id, why) {
    const waiting = this.#pending.get(id);
    if (!waiting) return;
    this.#pending.delete(id);
    clearTimeout(waiting.timer);
    waiting.reject(new RpcError({ code: 'outcome_unknown', executed: 'unknown', message: why }));
  }

  /** @param {boolean} wasOpen */
  async #lost(wasOpen) {
    this.#socket = null;
    for (const id of this.#pending.keys()) this.#giveUp(id, 'The connection broke before the answer: it may have been done or not.');
    const isSignedOut = !wasOpen && (await wasRefused());
    if (this.#socket) return;
    this.#handlers.onLost(isSignedOut);
    // Without a new sign-in another try is in vain: a look at the page, or a press on the button, makes one.
    if (isSignedOut) return;
    const waitMs = this.#waitMs * (0.75 + Math.random() / 2);
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS);
    this.#retryTimer = setTimeout(() => this.connectNow(), waitMs);
  }

  /** A network that went away closes no socket: only an answer proves that somebody is there. */
  #proveAlive() {
    const socket = this.#socket;
    if (!this.isOpen || !socket) return;
    this.ask('jobs.stats', {}, SIGN_OF_LIFE_MS / 2).catch((error) => {
      if (error.code !== 'outcome_unknown' || socket !== this.#socket) return;
      socket.onclose = null;
      socket.close();
      void this.#lost(true);
    });
  }
}

/** What went wrong, in words. @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** A refused WebSocket does not tell the page why; a plain request does. */
async function wasRefused() {
  try {
    return (await fetch('/v1/stats', { signal: AbortSignal.timeout(OPEN_TIMEOUT_MS) })).status === 401;
  } catch {
    return false;
  }
}
