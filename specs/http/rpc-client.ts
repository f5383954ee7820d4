import { WebSocket } from 'ws';
import type { ErrorBody } from '../../actors/errors.js';

export interface RpcAnswer {
  jsonrpc: '2.0';
  id?: unknown;
  result?: unknown;
  error?: { code: number; message: string; data: ErrorBody };
  method?: string;
  params?: unknown;
}

/** A JSON-RPC client over one WebSocket, with every message that came in view. */
export class RpcClient {
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly messages: (RpcAnswer | RpcAnswer[])[] = [];
  #lastId = 0;

  private constructor(ws: WebSocket) {
    this.ws = ws.setMaxListeners(0);
    ws.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as RpcAnswer));
    this.closed = new Promise((resolve) => ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  }

  static open({ url, token }: { url: string; token: string }, options: { autoPong?: boolean } = {}): Promise<RpcClient> {
    const ws = new WebSocket(`${url.replace('http', 'ws')}/v1/socket`, { headers: { authorization: `Bearer ${token}` }, ...options });
    const client = new RpcClient(ws);
    return new Promise((resolve, reject) => {
      ws.on('open', () => resolve(client));
      ws.on('error', reject);
    });
  }

  async call(method: string, params?: unknown): Promise<RpcAnswer> {
    const id = ++this.#lastId;
    return (await this.exchange(
      JSON.stringify({ jsonrpc: '2.0', id, method, params }),
      (message) => !Array.isArray(message) && message.id === id,
    )) as RpcAnswer;
  }

  /** Sends text and gives the first message after it that `fits`. */
  exchange(text: string, fits: (message: RpcAnswer | RpcAnswer[]) => boolean = () => true): Promise<RpcAnswer | RpcAnswer[]> {
    return new Promise((resolve, reject) => {
      const listen = (data: Buffer): void => {
        const message = JSON.parse(data.toString()) as RpcAnswer;
        if (!fits(message)) return;
        this.ws.off('message', listen);
        resolve(message);
      };
      this.ws.on('message', listen);
      this.ws.on('close', () => reject(new Error('the socket was closed')));
      this.ws.send(text);
    });
  }

  /** The parameters of the notifications of one method. */
  notified<T = { watch: number; seq: number; jobs: { id: string; status: string; version: number }[]; deleted: string[] }>(
    method: string,
  ): T[] {
    return this.messages.flat().flatMap((message) => (message.method === method ? [message.params as T] : []));
  }

  close(): void {
    this.ws.terminate();
  }
}
