import type { ErrorBody } from '../../actors/errors.js';
import { JobError } from '../../actors/errors.js';
import type { AnyVerb } from '../../actors/requests.js';
import { call } from '../http/http.js';
import { RpcClient } from '../http/rpc-client.js';
import type { TestService } from './service.js';

/** One way to ask the service. Every refusal is a `JobError`, whatever the way. */
export interface FrontEnd {
  ask<T>(verb: AnyVerb, body: object): Promise<T>;
  close(): Promise<void>;
}

export const FRONT_ENDS = ['NATS', 'HTTP', 'WebSocket'] as const;

/** What of a service a front end needs. */
type Reachable = Pick<TestService, 'connect' | 'url' | 'token'>;

/** Opens a connection of its own to the service by this way. */
export async function openFrontEnd(service: Reachable, way: (typeof FRONT_ENDS)[number]): Promise<FrontEnd> {
  if (way === 'NATS') {
    const client = await service.connect();
    return { ask: (verb, body) => client.ask(verb, body) as Promise<never>, close: () => client.close() };
  }
  if (way === 'HTTP') return { ask: (verb, body) => askHttp(service, verb, body), close: () => Promise.resolve() };
  const rpc = await RpcClient.open(service);
  return {
    async ask<T>(verb: AnyVerb, body: object) {
      const { result, error } = await rpc.call(`jobs.${verb}`, body);
      if (error) throw JobError.fromBody(error.data);
      return result as T;
    },
    async close() {
      rpc.ws.close();
      await rpc.closed;
    },
  };
}

async function askHttp<T>(service: Reachable, verb: AnyVerb, body: object): Promise<T> {
  const answer = await call(service, `/v1/jobs/${verb}`, { method: 'POST', body });
  if (answer.status >= 400) throw JobError.fromBody(answer.json() as ErrorBody);
  return answer.json() as T;
}
