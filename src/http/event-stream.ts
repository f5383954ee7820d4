import type { FastifyReply } from 'fastify';
import { LIMITS } from '../../actors/limits.js';
import type { GatewayContext } from './context.js';
import type { Closable } from './long-lived.js';

/** Server-sent events to one reader. Ends when the reader leaves, is cut off, or the gateway closes. */
export class EventStream implements Closable {
  readonly #response: FastifyReply['raw'];
  readonly #onSent: (() => void)[] = [];

  /** Takes the reply over and sends its head. */
  constructor(reply: FastifyReply, { longLived, timings }: Pick<GatewayContext, 'longLived' | 'timings'>) {
    reply.hijack();
    this.#response = reply.raw;
    const headers = {
      ...reply.getHeaders(),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    };
    this.#response.writeHead(200, headers as Record<string, string>);
    const heartbeat = setInterval(() => this.#write(':\n\n'), timings.heartbeatMs);
    longLived.add(this);
    this.onClose(() => {
      clearInterval(heartbeat);
      longLived.remove(this);
    });
    this.#write('retry: 2000\n\n');
  }

  get bufferedBytes(): number {
    return this.#response.writableLength;
  }

  get closed(): boolean {
    return this.#response.closed || this.#response.writableEnded;
  }

  /** `data` is JSON text, which has no line breaks. */
  send(event: string, id: number, data: string): void {
    this.#write(`id: ${id}\nevent: ${event}\ndata: ${data}\n\n`);
  }

  onSent(listener: () => void): void {
    this.#onSent.push(listener);
  }

  onClose(listener: () => void): void {
    this.#response.once('close', listener);
  }

  close(): void {
    this.#response.end();
  }

  /** Too slow: the reader comes again with the `Last-Event-ID` that it got to. */
  cutOff(): void {
    this.#response.destroy();
  }

  #write(text: string): void {
    if (this.closed) return;
    if (this.bufferedBytes > LIMITS.watcherBufferedBytes) {
      this.cutOff();
      return;
    }
    this.#response.write(text, (error) => {
      if (!error) for (const listener of this.#onSent) listener();
    });
  }
}
