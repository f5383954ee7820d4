import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { JobError, type ErrorCode } from '../../actors/errors.js';
import { parseJson } from '../../actors/parse-request.js';
import type { Access } from './guard.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS'] as const;
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
}

/** Request headers that a route may take, as `askOptionsOf` reads them. */
export const REQUEST_HEADERS = {
  'Ask-Timeout-Ms': 'how long the request may wait and take',
  'Idempotency-Key': 'a repeat with the same key and body is the same request',
  'If-Match': 'the ETag that the job must still have',
  'If-None-Match': 'answer 304 when the job still has this ETag',
  'Last-Event-ID': 'go on after this event',
  traceparent: 'W3C trace context, passed on',
} as const;
export type RequestHeader = keyof typeof REQUEST_HEADERS;

export const READ_HEADERS = ['Ask-Timeout-Ms', 'traceparent'] as const satisfies RequestHeader[];
/** Of routes that make something new. */
export const MAKE_HEADERS = [...READ_HEADERS, 'Idempotency-Key'] as const satisfies RequestHeader[];
export const CHANGE_HEADERS = [...MAKE_HEADERS, 'If-Match'] as const satisfies RequestHeader[];

export interface RouteAnswer {
  description: string;
  /** Default: `application/json`. Without `schema` and `type` there is no body. */
  type?: string | readonly string[];
  schema?: z.ZodType;
  headers?: Record<string, string>;
}

/** One row of the route table: Fastify is told of it, and the OpenAPI document is made from it. */
export interface Route {
  method: Method;
  /** As in OpenAPI: `/v1/jobs/{id}`. */
  path: string;
  operationId: string;
  summary: string;
  access: Access;
  /** The answer may go on for ever: no HEAD for it. */
  streams?: boolean;
  query?: z.ZodType;
  headers?: readonly RequestHeader[];
  body?: { schema: z.ZodType; required: boolean };
  answers: Record<number, RouteAnswer>;
  errors: readonly ErrorCode[];
  /** Throws errors of the catalogue. The body, if any, is `bodyOf(request)`. */
  handle(request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
}

/** Errors that any route but a probe can answer. */
export const ANY_ERRORS = ['unauthorized', 'forbidden', 'not_found', 'method_not_allowed', 'internal'] as const satisfies ErrorCode[];
/** Errors of whatever is asked of the JobManager. */
export const ASK_ERRORS = [
  ...ANY_ERRORS,
  'invalid_request',
  'overloaded',
  'unavailable',
  'ask_timeout',
  'outcome_unknown',
] as const satisfies ErrorCode[];
/** Errors of whatever changes jobs. */
export const CHANGE_ERRORS = [
  ...ASK_ERRORS,
  'payload_too_large',
  'unsupported_media_type',
  'storage_failed',
] as const satisfies ErrorCode[];

/** Registers the routes, and answers `method_not_allowed` for the other methods of their paths. */
export function registerRoutes(app: FastifyInstance, routes: readonly Route[]): void {
  const allowed = new Map<string, string[]>();
  for (const { method, path, access, streams = false, handle } of routes) {
    const url = urlOf(path);
    const head = method === 'GET' && !streams;
    app.route({ method, url, handler: handle, config: { access }, exposeHeadRoute: head });
    allowed.set(url, [...(allowed.get(url) ?? []), method, ...(head ? ['HEAD'] : [])]);
  }
  for (const [url, methods] of allowed) refuseOthers(app, url, methods);
}

const urlOf = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

function refuseOthers(app: FastifyInstance, url: string, allow: string[]): void {
  app.route({
    method: METHODS.filter((method) => !allow.includes(method)),
    url,
    exposeHeadRoute: false,
    // Before the body is read: it does not matter any more.
    onRequest: (request, reply) => {
      reply.header('allow', allow.join(', '));
      throw new JobError('method_not_allowed', `${request.method} is not possible here: use ${allow.join(' or ')}.`, { allow });
    },
    handler: () => undefined,
  });
}

/** The text of the request's body; `{}` when there is none. */
export const bodyOf = (request: FastifyRequest): string => (typeof request.body === 'string' && request.body !== '' ? request.body : '{}');

export const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id;

/** The body with the id of the path in it. The rest of the text goes on as it came. Throws `invalid_request`. */
export function bodyWithId(request: FastifyRequest): string {
  const text = bodyOf(request).trim();
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new JobError('invalid_request', 'The request body is a JSON object.');
  const id = idOf(request);
  if ('ids' in value || ('id' in value && value.id !== id)) {
    throw new JobError('invalid_request', 'The path names it: leave id and ids out of the body.', { field: 'id' });
  }
  if ('id' in value) return text;
  return `{"id":${JSON.stringify(id)}${Object.keys(value).length === 0 ? '' : ','}${text.slice(1)}`;
}
