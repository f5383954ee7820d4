import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { expect } from 'vitest';
import type { NoticeEvent } from '../../actors/notify.js';
import type { Notice } from '../../src/notify/notice.js';

export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  notice: Notice;
}

/** An HTTP server that keeps what it is sent, and answers as the spec says: a status, or nothing at all. */
export class Receiver {
  readonly received: Received[] = [];
  /** What it answers; `null`: never. */
  status: number | null = 204;
  headers: Record<string, string> = {};
  answer: Iterable<string> = '';
  readonly #server = createServer((request, response) => {
    void text(request).then((body) => {
      this.received.push({ headers: request.headers, body, notice: JSON.parse(body) as Notice });
      this.#respond(response);
    });
  });
  #port = 0;

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    await receiver.open();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook?key=between-us`;
  }

  /** The ids of the notices that came, one a request. */
  get ids(): string[] {
    return this.received.map(({ notice }) => notice.id);
  }

  get events(): NoticeEvent[] {
    return this.received.map(({ notice }) => notice.event);
  }

  async open(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** The requests, once there are so many. */
  async gets(count: number): Promise<Received[]> {
    await expect.poll(() => this.received.length, { timeout: 20_000, interval: 5 }).toBeGreaterThanOrEqual(count);
    return this.received;
  }

  #respond(response: ServerResponse): void {
    if (this.status === null) return;
    response.writeHead(this.status, this.headers);
    Readable.from(this.answer).pipe(response);
  }
}
