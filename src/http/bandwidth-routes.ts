import { REQUESTS } from '../../actors/requests.js';
import { ANSWERS } from './answer-schemas.js';
import type { GatewayContext } from './context.js';
import { askerOf, sendJson } from './asking.js';
import { ASK_ERRORS, CHANGE_ERRORS, READ_HEADERS, bodyOf, type Route } from './route.js';

/** `/v1/bandwidth`: the bandwidth limit of all transfers together. */
export function bandwidthRoutes(context: GatewayContext): Route[] {
  const ask = askerOf(context);
  const common = { path: '/v1/bandwidth', access: 'token', headers: READ_HEADERS } as const;
  return [
    {
      ...common,
      method: 'GET',
      operationId: 'getBandwidth',
      summary: 'The bandwidth limit of all transfers together, and how it is shared',
      answers: { 200: { description: 'The limit', schema: ANSWERS.bandwidth } },
      errors: ASK_ERRORS,
      handle: async (request, reply) => sendJson(reply, await ask(request, 'bandwidth', '{}')),
    },
    {
      ...common,
      method: 'PUT',
      operationId: 'setBandwidth',
      summary: 'Set the bandwidth limit of all transfers together, always or by time of day',
      body: { schema: REQUESTS.set_bandwidth, required: true },
      answers: { 200: { description: 'The limit as it is now', schema: ANSWERS.set_bandwidth } },
      errors: CHANGE_ERRORS,
      handle: async (request, reply) => sendJson(reply, await ask(request, 'set_bandwidth', bodyOf(request))),
    },
  ];
}
