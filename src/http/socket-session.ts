import type { RawData, WebSocket } from 'ws';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import type { GatewayContext } from './context.js';
import { RpcFault, parseRpc, rpcError, rpcNotification, rpcResult, type RpcRequest } from './json-rpc.js';
import type { Closable } from './long-lived.js';
import { toJobError } from './problem.js';
import { SocketMethods, type MethodAnswer } from './socket-methods.js';

/** Why a socket was closed by the service, beside WebSocket's own codes. */
const CLOSE_CODES = { goingAway: 1001, unsupportedData: 1003, tryAgainLater: 1013 } as const;

const GOODBYE_MS = 1000;

/** JSON-RPC 2.0 over one WebSocket. Ends itself when the other side is gone or too slow. */
export class SocketSession implements Closable {
  readonly #ws: WebSocket;
  readonly #context: GatewayContext;
  readonly #methods: SocketMethods;
  readonly #heartbeat: NodeJS.Timeout;
  #inFlight = 0;
  #heard = true;

  constructor(ws: WebSocket, context: GatewayContext) {
    this.#ws = ws;
    this.#context = context;
    this.#methods = new SocketMethods(context, {
      bufferedBytes: () => ws.bufferedAmount,
      notify: (method, params) => this.#send(rpcNotification(method, params)),
      cutOff: () => this.#cutOff(),
    });
    this.#heartbeat = setInterval(() => this.#beat(), context.timings.heartbeatMs);
    context.longLived.add(this);
    ws.on('message', (data, isBinary) => void this.#receive(data, isBinary));
    ws.on('pong', () => (this.#heard = true));
    // ws closes the socket with the fitting code by itself: too large, not UTF-8, not a frame.
    ws.on('error', () => undefined);
    ws.on('close', () => this.#end());
  }

  close(): void {
    this.#ws.close(CLOSE_CODES.goingAway, 'the service ends');
    // Who does not say goodbye in return must not keep the service from ending.
    setTimeout(() => this.#ws.terminate(), GOODBYE_MS).unref();
  }

  async #receive(data: RawData, isBinary: boolean): Promise<void> {
    this.#heard = true;
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (isBinary) {
      this.#ws.close(CLOSE_CODES.unsupportedData, 'send text');
      return;
    }
    const { batch, calls } = parseRpc((data as Buffer).toString());
    const answers = (await Promise.all(calls.map((call) => this.#answer(call)))).filter((answer) => answer !== null);
    if (answers.length === 0) return;
    const texts = answers.map(({ text }) => text);
    this.#send(batch ? `[${texts.join(',')}]` : texts.join(''));
    for (const { afterwards } of answers) afterwards?.();
  }

  /** `null` for a notification. */
  async #answer(call: RpcRequest | RpcFault): Promise<MethodAnswer | null> {
    if (call instanceof RpcFault) return { text: rpcError(call.id, call.error, call.code) };
    try {
      const { text, afterwards } = await this.#call(call);
      if (call.id !== undefined) return { text: rpcResult(call.id, text), ...(afterwards ? { afterwards } : {}) };
      afterwards?.();
    } catch (thrown) {
      const error = toJobError(thrown, this.#context.writeLog);
      if (call.id !== undefined) return { text: rpcError(call.id, error) };
    }
    return null;
  }

  async #call({ method, params }: RpcRequest): Promise<MethodAnswer> {
    if (this.#inFlight >= LIMITS.socketRequestsInFlight) {
      const limit = LIMITS.socketRequestsInFlight;
      throw new JobError(
        'overloaded',
        `${limit} requests of this socket wait for their answers already. Wait for some of them, then repeat this one.`,
        { limit },
      );
    }
    this.#inFlight += 1;
    try {
      return await this.#methods.call(method, params);
    } finally {
      this.#inFlight -= 1;
    }
  }

  #send(text: string): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (this.#ws.bufferedAmount > LIMITS.watcherBufferedBytes) {
      this.#cutOff();
      return;
    }
    this.#ws.send(text, (error) => {
      if (!error) this.#methods.flush();
    });
  }

  #beat(): void {
    if (!this.#heard) {
      this.#cutOff();
      return;
    }
    this.#heard = false;
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
  }

  /** ws itself ends the connection when the close frame is not answered in 30 s. */
  #cutOff(): void {
    this.#methods.stopAll();
    this.#ws.close(CLOSE_CODES.tryAgainLater, 'reads too slowly: connect again and go on with since');
  }

  #end(): void {
    clearInterval(this.#heartbeat);
    this.#context.longLived.remove(this);
    this.#methods.stopAll();
  }
}
