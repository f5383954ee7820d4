import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import { parseJson } from '../../actors/parse-request.js';

/** A request as JSON-RPC 2.0 has it; one without `id` is a notification and gets no answer. */
export interface RpcRequest {
  id: RpcId | undefined;
  method: string;
  params: Record<string, unknown>;
}
export type RpcId = string | number | null;

/** What stands in one message: calls, and errors to answer for what is not one. */
export interface RpcMessage {
  batch: boolean;
  calls: (RpcRequest | RpcFault)[];
}

/** Something that is not a request; answered with JSON-RPC's own codes. */
export class RpcFault {
  readonly code: -32700 | -32600 | -32602;
  readonly id: RpcId;
  readonly error: JobError;
  constructor(code: RpcFault['code'], id: RpcId, error: JobError) {
    this.code = code;
    this.id = id;
    this.error = error;
  }
}

export function parseRpc(text: string): RpcMessage {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    return { batch: false, calls: [new RpcFault(-32700, null, error)] };
  }
  if (!Array.isArray(value)) return { batch: false, calls: [requestOf(value)] };
  if (value.length >= 1 && value.length <= LIMITS.rpcBatch) return { batch: true, calls: value.map(requestOf) };
  const error = new JobError('invalid_request', `A batch holds 1 to ${LIMITS.rpcBatch} requests.`);
  return { batch: false, calls: [new RpcFault(-32600, null, error)] };
}

function requestOf(value: unknown): RpcRequest | RpcFault {
  const { jsonrpc, id, method, params = {} } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const known = isId(id) ? id : undefined;
  if (jsonrpc !== '2.0' || typeof method !== 'string' || (id !== undefined && known === undefined)) {
    const error = new JobError(
      'invalid_request',
      'This is not a JSON-RPC 2.0 request: {"jsonrpc":"2.0","id":1,"method":"jobs.list","params":{}}.',
    );
    return new RpcFault(-32600, known ?? null, error);
  }
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    return new RpcFault(
      -32602,
      known ?? null,
      new JobError('invalid_request', 'params is an object: the body of the verb.', { field: 'params' }),
    );
  }
  return { id: known, method, params: params as Record<string, unknown> };
}

const isId = (id: unknown): id is RpcId => id === null || typeof id === 'number' || (typeof id === 'string' && id.length <= 200);

/** `result` is JSON text. */
export const rpcResult = (id: RpcId, result: string): string => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`;

export const rpcError = (id: RpcId, error: JobError, code = rpcCodeOf(error)): string =>
  JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: error.message, data: error.toBody() } });

/** `params` is JSON text. */
export const rpcNotification = (method: string, params: string): string => `{"jsonrpc":"2.0","method":"${method}","params":${params}}`;

/** The codes that JSON-RPC lays down where one fits, else -32000; `data.code` tells exactly. */
function rpcCodeOf({ code }: JobError): number {
  if (code === 'invalid_request') return -32602;
  if (code === 'not_found') return -32601;
  return code === 'internal' ? -32603 : -32000;
}
