import { z } from 'zod';
import type { Answers } from '../answers.js';
import { clockWarning } from '../clock-warning.js';
import { packageVersion } from '../package-root.js';
import { ANSWERS } from './answer-schemas.js';
import type { GatewayContext } from './context.js';
import { METRICS_TYPE, metricsText } from './metrics.js';
import { ANY_ERRORS, type Route } from './route.js';

/** A probe asks often and must not wait as long as a request. */
const PROBE_TIMEOUT_MS = 2000;

const healthSchema = z.object({
  status: z.enum(['ok', 'unavailable']),
  version: z.string(),
  durability: z.string().describe('what an acknowledgement is worth'),
  warnings: z.array(z.object({ message: z.string(), advice: z.string() })).describe('what works, and needs a look all the same'),
  gateway: z.object({ watchers: z.number().int(), openStreams: z.number().int() }),
  allowed: z
    .object({ roots: z.array(z.string()).readonly(), remotes: z.array(z.string()).readonly(), hosts: z.array(z.string()).readonly() })
    .describe('what jobs may read and write, by the settings of the service'),
  manager: ANSWERS.stats.nullable(),
});

/** `/livez`, `/readyz`, `/healthz` and `/metrics`. */
export function healthRoutes(context: GatewayContext): Route[] {
  const { client, hub, longLived, durability } = context;
  const { roots, remotes, hosts } = context.config;
  const allowed = { roots, remotes, hosts };
  const stats = (): Promise<Answers['stats']> => client.ask('stats', {}, { timeoutMs: PROBE_TIMEOUT_MS });

  const live: Route = {
    method: 'GET',
    path: '/livez',
    operationId: 'isAlive',
    summary: 'Whether this gateway runs',
    access: 'probe',
    answers: { 200: { description: 'It runs', schema: z.object({ status: z.literal('ok') }) } },
    errors: [],
    handle: () => Promise.resolve({ status: 'ok' }),
  };

  const ready: Route = {
    method: 'GET',
    path: '/readyz',
    operationId: 'isReady',
    summary: 'Whether requests are served: the JobManager answers',
    access: 'probe',
    answers: { 200: { description: 'Requests are served', schema: z.object({ status: z.literal('ok') }) } },
    errors: ['overloaded', 'unavailable', 'ask_timeout', 'outcome_unknown', 'internal'],
    async handle() {
      await stats();
      return { status: 'ok' };
    },
  };

  const health: Route = {
    method: 'GET',
    path: '/healthz',
    operationId: 'getHealth',
    summary: 'The state of the service in detail, and what an acknowledgement is worth',
    access: 'token',
    answers: {
      200: { description: 'All is well', schema: healthSchema },
      503: { description: 'The JobManager does not answer: manager is null', schema: healthSchema },
    },
    errors: ANY_ERRORS,
    async handle(_request, reply) {
      const manager = await stats().catch(() => null);
      reply.code(manager ? 200 : 503);
      const gateway = { watchers: hub.watchers, openStreams: longLived.count };
      const warnings = [manager && clockWarning(manager)].filter((warning) => warning !== null);
      const status = manager ? 'ok' : 'unavailable';
      return { status, version: packageVersion, durability, warnings, gateway, allowed, manager } satisfies z.infer<typeof healthSchema>;
    },
  };

  const metrics: Route = {
    method: 'GET',
    path: '/metrics',
    operationId: 'getMetrics',
    summary: 'Numbers for Prometheus',
    access: 'token',
    answers: { 200: { description: 'The numbers', type: 'text/plain' } },
    errors: ANY_ERRORS,
    async handle(_request, reply) {
      return reply.type(METRICS_TYPE).send(metricsText(context, await stats().catch(() => null)));
    },
  };

  return [live, ready, health, metrics];
}
