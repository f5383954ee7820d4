import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import type { GatewayContext } from './context.js';
import type { Guard } from './guard.js';
import { malformed, problemHeaders, problemOf, rawProblem, toJobError } from './problem.js';

/** A response is looked at as what its type says, is told to nobody else, and is not kept. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'private, no-cache',
} as const;

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);
const MAX_HEADER_BYTES = 16 * 1024;
const SLOW_CHECK_MS = 1000;

export interface TlsFiles {
  cert: Buffer;
  key: Buffer;
}

/** A Fastify server with the limits, the guard and the errors of the service, and no routes yet. */
export function createServer(context: GatewayContext, guard: Guard, tls: TlsFiles | null, isClosing: () => boolean): FastifyInstance {
  const app = listenerOf(context, tls);
  app.server.maxConnections = LIMITS.connectionsPerGateway;
  takeJsonOnly(app);

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (isClosing()) throw new JobError('unavailable', 'The service is ending. Nothing was done.');
    guard.admit(request.raw, request.routeOptions.config.access ?? 'token', !SAFE_METHODS.has(request.method));
  });
  app.addHook('onSend', async (_request, reply) => {
    // A connection that stays open would keep the gateway from ending.
    if (isClosing()) reply.header('connection', 'close');
  });
  app.addHook('onResponse', async ({ method, routeOptions }, reply) => {
    context.counters.record(method, routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000);
  });

  app.setErrorHandler((thrown, request, reply) => sendProblem(context, thrown, request, reply));
  app.setNotFoundHandler((request) => {
    throw new JobError(
      'not_found',
      `There is nothing at ${request.method} ${request.url.slice(0, 200)}. /openapi.json tells what there is.`,
    );
  });
  return app;
}

function listenerOf(context: GatewayContext, tls: TlsFiles | null): FastifyInstance {
  const { requestMs } = context.timings;
  const options = {
    bodyLimit: LIMITS.requestBytes,
    requestTimeout: requestMs,
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => void sendProblem(context, error, request, reply),
    clientErrorHandler: (error, socket) => {
      if (socket.writable && error.code !== 'ECONNRESET') socket.end(rawProblem(malformed(error.code)));
      else socket.destroy();
    },
  } satisfies FastifyServerOptions;
  const limits = {
    headersTimeout: Math.min(requestMs, 10_000),
    connectionsCheckingInterval: SLOW_CHECK_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  if (!tls) return fastify({ ...options, http: limits });
  return fastify({ ...options, https: { ...limits, ...tls } } as FastifyServerOptions);
}

/** Bodies stay text: the JobManager reads and checks them. */
function takeJsonOnly(app: FastifyInstance): void {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, decoder.decode(body as Buffer));
    } catch {
      done(new JobError('invalid_request', 'The request body is not UTF-8.'));
    }
  });
}

function sendProblem({ writeLog }: GatewayContext, thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = toJobError(thrown, writeLog);
  reply.code(error.status).headers({ ...HEADERS, ...problemHeaders(error) });
  // A person in a browser at the dashboard's address gets a sentence.
  if (request.routeOptions.config.access === 'login' && request.headers.accept?.includes('text/html')) {
    return reply.type('text/plain; charset=utf-8').send(`${error.message}\n`);
  }
  // Not as a string: Fastify would add a charset, which the type does not have.
  return reply.send(Buffer.from(JSON.stringify(problemOf(error))));
}
