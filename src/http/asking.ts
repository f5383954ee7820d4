import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AnyVerb } from '../../actors/requests.js';
import { askOptionsOf, etagOf, withWait } from './ask-options.js';
import type { GatewayContext } from './context.js';

/** Asks the JobManager on behalf of a request: with its headers, and the JSON text of body and answer. */
export const askerOf =
  ({ client, config }: GatewayContext) =>
  (request: FastifyRequest, verb: AnyVerb, body: string): Promise<string> =>
    client.askText(verb, body, withWait(verb, body, askOptionsOf(request.headers, verb), config.askTimeoutMs));

/** Sends JSON text as it is. */
export const sendJson = (reply: FastifyReply, text: string): FastifyReply => reply.type('application/json; charset=utf-8').send(text);

/** What has a version, with that as its ETag. */
export function sendVersioned(reply: FastifyReply, text: string): FastifyReply {
  const { version } = JSON.parse(text) as { version: number };
  return sendJson(reply.header('etag', etagOf(version)), text);
}

/** What was just made, with where it is found. */
export function sendMade(reply: FastifyReply, text: string, folder: '/v1/jobs' | '/v1/schedules'): FastifyReply {
  const { id } = JSON.parse(text) as { id: string };
  return sendVersioned(reply.code(201).header('location', `${folder}/${id}`), text);
}
