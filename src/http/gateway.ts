import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import { JobError } from '../../actors/errors.js';
import type { Config } from '../config.js';
import { bandwidthRoutes } from './bandwidth-routes.js';
import type { GatewayContext, GatewayTimings } from './context.js';
import { dashboardRoutes } from './dashboard-routes.js';
import { eventRoutes } from './event-routes.js';
import { fileRoutes } from './file-routes.js';
import { Guard } from './guard.js';
import { healthRoutes } from './health-routes.js';
import { HttpCounters } from './http-counters.js';
import { jobRoutes } from './job-routes.js';
import { logRoutes } from './log-routes.js';
import { LongLived } from './long-lived.js';
import { openapiRoute } from './openapi.js';
import { registerRoutes, type Route } from './route.js';
import { scheduleRoutes } from './schedule-routes.js';
import { createServer, type TlsFiles } from './server.js';
import { acceptSockets, socketRoute } from './socket.js';

export interface GatewayOptions extends Pick<GatewayContext, 'config' | 'client' | 'hub' | 'logs' | 'durability' | 'writeLog'> {
  token: string;
  timings?: Partial<GatewayTimings>;
}

export interface Gateway {
  /** Without a slash at the end. */
  url: string;
  /** Takes nothing new, lets what is under way end (for the ask timeout at most), and says goodbye to sockets with 1001. */
  close(): Promise<void>;
}

const TIMINGS: GatewayTimings = { heartbeatMs: 15_000, requestMs: 30_000 };

/** Serves HTTP, server-sent events, WebSockets and the dashboard. Throws `invalid_request` or `unavailable` when the address or the TLS files are no good. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, token } = options;
  const tls = await readTls(config);
  const guard = new Guard({ token, host: config.httpHost, prefix: config.prefix, certificate: tls ? new X509Certificate(tls.cert) : null });
  const context: GatewayContext = {
    ...options,
    timings: { ...TIMINGS, ...options.timings },
    counters: new HttpCounters(),
    longLived: new LongLived(),
  };
  let closing = false;
  const app = createServer(context, guard, tls, () => closing);
  registerRoutes(app, routesOf(context, guard));
  acceptSockets(app.server, guard, context, () => closing);
  await app.listen({ host: config.httpHost, port: config.httpPort }).catch((cause: unknown) => {
    throw new JobError(
      'unavailable',
      `The gateway cannot listen at ${config.httpHost} port ${config.httpPort}: ${reasonOf(cause)}`,
      {},
      { cause },
    );
  });
  return {
    url: urlOf(config, (app.server.address() as AddressInfo).port),
    async close() {
      closing = true;
      context.longLived.closeAll();
      const cutOff = setTimeout(() => app.server.closeAllConnections(), config.askTimeoutMs);
      await app.close();
      clearTimeout(cutOff);
    },
  };
}

/** The route table: Fastify, the guard, `405` and the OpenAPI document all go by it. */
function routesOf(context: GatewayContext, guard: Guard): Route[] {
  const routes = [
    ...jobRoutes(context),
    ...scheduleRoutes(context),
    ...bandwidthRoutes(context),
    ...logRoutes(context),
    ...fileRoutes(context),
    ...eventRoutes(context),
    socketRoute,
    ...healthRoutes(context),
    ...dashboardRoutes(guard),
  ];
  return [...routes, openapiRoute(routes)];
}

async function readTls({ tls }: Config): Promise<TlsFiles | null> {
  if (!tls) return null;
  try {
    const [cert, key] = await Promise.all([readFile(tls.certFile), readFile(tls.keyFile)]);
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    throw new JobError(
      'invalid_request',
      `The TLS files ${tls.certFile} and ${tls.keyFile} are no good: ${(cause as Error).message}.`,
      {},
      { cause },
    );
  }
}

function urlOf({ httpHost, tls }: Config, port: number): string {
  const host = httpHost.includes(':') && !httpHost.startsWith('[') ? `[${httpHost}]` : httpHost;
  return `${tls ? 'https' : 'http'}://${host}:${port}`;
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return 'another program has it. Stop that, or set TALLYMAN_HTTP_PORT (0 takes a free one).';
  if (code === 'EACCES') return 'this user may not. Set TALLYMAN_HTTP_PORT to 1024 or more.';
  return `${message}.`;
}
