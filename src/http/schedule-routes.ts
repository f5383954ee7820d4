import type { z } from 'zod';
import type { ErrorCode } from '../../actors/errors.js';
import { parseRequest } from '../../actors/parse-request.js';
import { REQUESTS, type Verb } from '../../actors/requests.js';
import { ANSWERS } from './answer-schemas.js';
import { askerOf, sendJson, sendMade, sendVersioned } from './asking.js';
import type { GatewayContext } from './context.js';
import { scheduleListQuerySchema } from './job-query.js';
import { ASK_ERRORS, CHANGE_ERRORS, CHANGE_HEADERS, MAKE_HEADERS, READ_HEADERS, bodyOf, bodyWithId, idOf, type Route } from './route.js';

const SCHEDULE_ERRORS = ['schedule_not_found', 'version_conflict'] as const satisfies ErrorCode[];
const JOB_ERRORS = ['path_not_allowed', 'remote_not_allowed'] as const satisfies ErrorCode[];
const ETAG = { ETag: 'the version of the schedule' };

/** Everything under `/v1/schedules`. */
export function scheduleRoutes(context: GatewayContext): Route[] {
  const ask = askerOf(context);

  const create: Route = {
    method: 'POST',
    path: '/v1/schedules',
    operationId: 'createSchedule',
    summary: 'Create a schedule, or without cron a template',
    access: 'token',
    headers: MAKE_HEADERS,
    body: { schema: REQUESTS.schedule_create, required: true },
    answers: {
      201: {
        description: 'The schedule and its next five times',
        schema: ANSWERS.schedule_create,
        headers: { ...ETAG, Location: 'the path of the schedule' },
      },
    },
    errors: [...CHANGE_ERRORS, ...JOB_ERRORS, 'schedule_not_found', 'idempotency_conflict'],
    handle: async (request, reply) => sendMade(reply, await ask(request, 'schedule_create', bodyOf(request)), '/v1/schedules'),
  };

  const list: Route = {
    method: 'GET',
    path: '/v1/schedules',
    operationId: 'listSchedules',
    summary: 'List schedules and templates in the order in which they were made',
    access: 'token',
    query: scheduleListQuerySchema,
    headers: READ_HEADERS,
    answers: { 200: { description: 'A page of schedules', schema: ANSWERS.schedule_list } },
    errors: ASK_ERRORS,
    async handle(request, reply) {
      return sendJson(reply, await ask(request, 'schedule_list', JSON.stringify(parseRequest(scheduleListQuerySchema, request.query))));
    },
  };

  const get: Route = {
    method: 'GET',
    path: '/v1/schedules/{id}',
    operationId: 'getSchedule',
    summary: 'Get a schedule and its next five times',
    access: 'token',
    headers: READ_HEADERS,
    answers: { 200: { description: 'The schedule', schema: ANSWERS.schedule_get, headers: ETAG } },
    errors: [...ASK_ERRORS, 'schedule_not_found'],
    handle: async (request, reply) => sendVersioned(reply, await ask(request, 'schedule_get', JSON.stringify({ id: idOf(request) }))),
  };

  const update: Route = {
    ...changing('PATCH', '/v1/schedules/{id}', 'schedule_update', REQUESTS.schedule_update.omit({ id: true })),
    operationId: 'updateSchedule',
    summary: 'Change a schedule; enabled false pauses it',
    answers: { 200: { description: 'The schedule', schema: ANSWERS.schedule_update, headers: ETAG } },
    handle: async (request, reply) => sendVersioned(reply, await ask(request, 'schedule_update', bodyWithId(request))),
  };

  const remove: Route = {
    ...changing('DELETE', '/v1/schedules/{id}', 'schedule_delete', REQUESTS.schedule_delete.omit({ id: true })),
    operationId: 'deleteSchedule',
    summary: 'Delete a schedule; its jobs stay',
    answers: { 200: { description: 'The id of the deleted schedule', schema: ANSWERS.schedule_delete } },
    handle: async (request, reply) => sendJson(reply, await ask(request, 'schedule_delete', bodyWithId(request))),
  };

  const run: Route = {
    ...changing('POST', '/v1/schedules/{id}/run', 'schedule_run', REQUESTS.schedule_run.omit({ id: true })),
    operationId: 'runSchedule',
    summary: 'Make a job of a schedule or template now',
    answers: {
      201: {
        description: 'The job',
        schema: ANSWERS.schedule_run,
        headers: { ETag: 'the version of the job', Location: 'the path of the job' },
      },
    },
    handle: async (request, reply) => sendMade(reply, await ask(request, 'schedule_run', bodyWithId(request)), '/v1/jobs'),
  };

  return [create, list, get, update, remove, run];
}

/** What the routes have in common that change one schedule. */
const changing = (method: 'PATCH' | 'DELETE' | 'POST', path: string, verb: Verb, schema: z.ZodType) => ({
  method,
  path,
  access: 'token' as const,
  headers: CHANGE_HEADERS,
  body: { schema, required: verb === 'schedule_update' },
  errors: [
    ...CHANGE_ERRORS,
    ...SCHEDULE_ERRORS,
    ...(verb === 'schedule_delete' ? [] : JOB_ERRORS),
    ...(verb === 'schedule_run' ? (['job_not_found', 'idempotency_conflict'] as const) : []),
  ],
});
