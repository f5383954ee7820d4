import { ErrorCode, NatsError, createInbox, type Msg, type MsgHdrs, type NatsConnection } from 'nats';

interface Waiting {
  subject: string;
  timer: NodeJS.Timeout;
  resolve(answer: Msg): void;
  reject(error: Error): void;
}

/**
 * Requests, with one subscription for all their answers. The library's own
 * `request` makes an error with a stack trace for each that is answered, which
 * costs more than all the rest of it.
 */
export class Inbox {
  readonly #nc: NatsConnection;
  readonly #subject: string;
  readonly #waiting = new Map<string, Waiting>();
  #listens = false;
  #last = 0;

  constructor(nc: NatsConnection, prefix: string) {
    this.#nc = nc;
    this.#subject = createInbox(prefix);
    void nc.closed().then(() => {
      this.#rejectAll(NatsError.errorForCode(ErrorCode.ConnectionClosed));
    });
  }

  /** Rejects with a `NatsError`: nobody answers there, no answer came in time, or the connection was closed. */
  request(subject: string, data: Uint8Array, { headers, timeoutMs }: { headers: MsgHdrs | undefined; timeoutMs: number }): Promise<Msg> {
    return new Promise((resolve, reject) => {
      if (!this.#listens) this.#listen();
      const token = String((this.#last += 1));
      this.#nc.publish(subject, data, { reply: `${this.#subject}.${token}`, ...(headers && { headers }) });
      const timer = setTimeout(() => this.#take(token)?.reject(NatsError.errorForCode(ErrorCode.Timeout)), timeoutMs);
      this.#waiting.set(token, { subject, timer, resolve, reject });
    });
  }

  /** The server takes nothing on `subject` from this user. */
  refuse(subject: string): void {
    const error = NatsError.errorForCode(ErrorCode.PermissionsViolation);
    for (const [token, waiting] of this.#waiting) if (waiting.subject === subject) this.#take(token)?.reject(error);
  }

  #listen(): void {
    this.#listens = true;
    this.#nc.subscribe(`${this.#subject}.*`, {
      callback: (error, msg) => {
        if (error) {
          this.#listens = false;
          this.#rejectAll(error);
        } else this.#receive(msg);
      },
    });
  }

  #receive(msg: Msg): void {
    const waiting = this.#take(msg.subject.slice(this.#subject.length + 1));
    if (!waiting) return;
    if (msg.data.length === 0 && msg.headers?.code === 503) waiting.reject(NatsError.errorForCode(ErrorCode.NoResponders));
    else waiting.resolve(msg);
  }

  #take(token: string): Waiting | undefined {
    const waiting = this.#waiting.get(token);
    if (!waiting) return undefined;
    this.#waiting.delete(token);
    clearTimeout(waiting.timer);
    return waiting;
  }

  #rejectAll(error: Error): void {
    for (const token of this.#waiting.keys()) this.#take(token)?.reject(error);
  }
}
