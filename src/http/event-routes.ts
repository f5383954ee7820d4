import type { FastifyRequest } from 'fastify';
import { JobError } from '../../actors/errors.js';
import { parseRequest } from '../../actors/parse-request.js';
import type { WatchFilter } from '../nats/watch-hub.js';
import type { GatewayContext } from './context.js';
import { EventStream } from './event-stream.js';
import { eventsQuerySchema } from './job-query.js';
import { changeMembers, jobText } from './job-text.js';
import { ASK_ERRORS, type Route } from './route.js';
import { WatchOutbox } from './watch-outbox.js';

/** `/v1/events`: the jobs as they are, then every change, as server-sent events. */
export function eventRoutes(context: GatewayContext): Route[] {
  const events: Route = {
    method: 'GET',
    path: '/v1/events',
    operationId: 'watchEvents',
    summary: 'Jobs as they change: events snapshot, changed and reset, each with { seq, jobs, deleted }; the id of an event is its seq',
    access: 'token',
    streams: true,
    query: eventsQuerySchema,
    headers: ['Last-Event-ID'],
    answers: { 200: { description: 'The events', type: 'text/event-stream' } },
    errors: ASK_ERRORS,
    async handle(request, reply) {
      const { since, ids, status } = parseRequest(eventsQuerySchema, request.query);
      const filter: WatchFilter = { ...(ids ? { ids } : {}), ...(status ? { status } : {}) };
      // Nothing is sent before the watch stands, so that an error is still an HTTP error.
      let stream: EventStream | null = null;
      const outbox = new WatchOutbox({
        bufferedBytes: () => stream?.bufferedBytes ?? 0,
        write: (kind, seq, members) => stream?.send(kind, seq, `{${members}}`),
        cutOff: () => stream?.cutOff(),
      });
      const { first, stop } = await context.hub.watch(filter, lastEventId(request) ?? since, (event) => outbox.push(event));
      if (reply.raw.destroyed) {
        stop();
        return;
      }
      stream = new EventStream(reply, context);
      stream.onClose(stop);
      stream.onSent(() => outbox.flush());
      stream.send(first.kind, first.seq, `{${changeMembers(first.seq, first.jobs.map(jobText), first.deleted, first.total)}}`);
      outbox.open();
    },
  };
  return [events];
}

/** Where an interrupted reader goes on. Throws `invalid_request`. */
export function lastEventId(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id'];
  if (header === undefined || header === '') return undefined;
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header);
  throw new JobError('invalid_request', 'The header Last-Event-ID takes the id of an event of this stream.', { header: 'Last-Event-ID' });
}
