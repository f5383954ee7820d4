import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { LIMITS } from '../../actors/limits.js';
import { parseRequest } from '../../actors/parse-request.js';
import { READER_REQUESTS, type ReaderRequests } from '../../actors/requests.js';
import type { LogLine } from '../log-line.js';
import { ANSWERS } from './answer-schemas.js';
import type { GatewayContext } from './context.js';
import { lastEventId } from './event-routes.js';
import { EventStream } from './event-stream.js';
import { sendJson } from './asking.js';
import { logQuerySchema } from './job-query.js';
import { logText } from './log-text.js';
import { ASK_ERRORS, idOf, type Route } from './route.js';

type LogQuery = ReaderRequests['logs'];
type Format = NonNullable<z.infer<typeof logQuerySchema>['format']>;

export const TYPES = { json: 'application/json', text: 'text/plain', jsonl: 'application/jsonl' } as const satisfies Record<Format, string>;

/** `/v1/jobs/{id}/log`: read, search, download and follow. */
export function logRoutes(context: GatewayContext): Route[] {
  const { client, logs } = context;
  const log: Route = {
    method: 'GET',
    path: '/v1/jobs/{id}/log',
    operationId: 'getLog',
    summary: 'The log of a job: a page as JSON, all of it as text or JSON lines, or server-sent events as it grows',
    access: 'token',
    streams: true,
    query: logQuerySchema,
    headers: ['Last-Event-ID'],
    answers: { 200: { description: 'Lines, oldest first', schema: ANSWERS.logs, type: [...Object.values(TYPES), 'text/event-stream'] } },
    errors: [...ASK_ERRORS, 'job_not_found'],
    async handle(request, reply) {
      const { format, download, follow, limit, ...filter } = parseRequest(logQuerySchema, request.query);
      const id = idOf(request);
      const query = parseRequest(READER_REQUESTS.logs, { ...filter, id, ...(limit === undefined ? {} : { limit }) });
      // A log without a job and a job without a log are told apart.
      await client.ask('get', { id });
      if (follow || accepts(request, 'text/event-stream')) return followLog(context, request, reply, query);
      const chosen = format ?? acceptedFormat(request);
      reply.type(`${TYPES[chosen]}; charset=utf-8`);
      if (download) reply.header('content-disposition', `attachment; filename="${id}.${chosen === 'text' ? 'log' : chosen}"`);
      if (chosen === 'json') return sendJson(reply, JSON.stringify(await logs.read(query, leaving(reply))));
      const toText = chosen === 'text' ? logText : (line: LogLine) => `${JSON.stringify(line)}\n`;
      return reply.send(Readable.from(pages(context, query, limit ?? Infinity, toText)));
    },
  };
  return [log];
}

async function followLog(context: GatewayContext, request: FastifyRequest, reply: FastifyReply, query: LogQuery): Promise<void> {
  const after = lastEventId(request) ?? query.after;
  const early: LogLine[][] = [];
  let stream: EventStream | null = null;
  const send = (lines: LogLine[]): void => {
    if (stream) stream.send('lines', lines.at(-1)?.seq ?? after, JSON.stringify(lines));
    else early.push(lines);
  };
  const { stop } = await context.logs.follow({ ...query, after }, send);
  if (reply.raw.destroyed) {
    stop();
    return;
  }
  stream = new EventStream(reply, context);
  stream.onClose(stop);
  early.forEach(send);
}

/** Aborted when the client leaves: nobody waits for the lines any more. */
function leaving(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}

/** A whole log, a page at a time as the reader takes it. */
async function* pages({ logs }: GatewayContext, query: LogQuery, limit: number, toText: (line: LogLine) => string): AsyncGenerator<string> {
  let { after, last: newest } = query;
  let left = limit;
  while (left > 0) {
    const { lines, last } = await logs.read({ ...query, after, last: newest, waitMs: 0, limit: Math.min(left, LIMITS.logLinesPerAnswer) });
    if (lines.length === 0 || last <= after) return;
    yield lines.map(toText).join('');
    left -= lines.length;
    [after, newest] = [last, undefined];
  }
}

const accepts = (request: FastifyRequest, type: string): boolean => request.headers.accept?.includes(type) ?? false;

export function acceptedFormat(request: FastifyRequest): Format {
  if (accepts(request, 'application/jsonl') || accepts(request, 'application/x-ndjson')) return 'jsonl';
  // A browser that opens the address wants to read it.
  return accepts(request, TYPES.text) || accepts(request, 'text/html') ? 'text' : 'json';
}
