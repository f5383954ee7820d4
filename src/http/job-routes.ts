import { z } from 'zod';
import type { ErrorCode } from '../../actors/errors.js';
import { parseRequest } from '../../actors/parse-request.js';
import { ALL_REQUESTS, ALL_VERBS, isRead, REQUESTS } from '../../actors/requests.js';
import { ANSWERS } from './answer-schemas.js';
import { etagOf, noneMatches } from './ask-options.js';
import { askerOf, sendJson, sendMade, sendVersioned } from './asking.js';
import type { GatewayContext } from './context.js';
import { listQuerySchema } from './job-query.js';
import { ASK_ERRORS, CHANGE_ERRORS, CHANGE_HEADERS, MAKE_HEADERS, READ_HEADERS, bodyOf, bodyWithId, idOf, type Route } from './route.js';

const JOB_ERRORS = ['job_not_found', 'illegal_transition', 'version_conflict', 'idempotency_conflict'] as const satisfies ErrorCode[];
const CREATE_ERRORS = ['path_not_allowed', 'remote_not_allowed', 'idempotency_conflict', 'preview_stale'] as const satisfies ErrorCode[];
const ETAG = { ETag: 'the version of the job' };

/** Verbs that make a new job of one that is there. */
const MAKERS = [
  {
    verb: 'verify',
    summary: 'Compare the two sides of a finished job again',
    makes: 'The job that compares',
    schema: REQUESTS.verify.omit({ id: true }),
  },
  {
    verb: 'duplicate',
    summary: 'Make a new job of what this one was asked to do',
    makes: 'The new job',
    schema: REQUESTS.duplicate.omit({ id: true }),
  },
] as const;

const COMMANDS = ['start', 'pause', 'resume', 'cancel', 'retry'] as const;
const commandBody = z.strictObject({ ifVersion: z.number().int().min(1).optional() });

const runBody = commandBody.extend({ skipDeletion: REQUESTS.start.shape.skipDeletion });
const commandBodies = {
  start: runBody,
  pause: commandBody,
  resume: runBody,
  cancel: commandBody,
  retry: runBody.extend({ onlyFailed: REQUESTS.retry.shape.onlyFailed }),
} as const;

/** Everything under `/v1/jobs` but the log, and `/v1/stats`. */
export function jobRoutes(context: GatewayContext): Route[] {
  const ask = askerOf(context);

  const create: Route = {
    method: 'POST',
    path: '/v1/jobs',
    operationId: 'createJob',
    summary: 'Create a job',
    access: 'token',
    headers: MAKE_HEADERS,
    body: { schema: REQUESTS.create, required: true },
    answers: { 201: { description: 'The job', schema: ANSWERS.create, headers: { ...ETAG, Location: 'the path of the job' } } },
    errors: [...CHANGE_ERRORS, ...CREATE_ERRORS],
    handle: async (request, reply) => sendMade(reply, await ask(request, 'create', bodyOf(request)), '/v1/jobs'),
  };

  const list: Route = {
    method: 'GET',
    path: '/v1/jobs',
    operationId: 'listJobs',
    summary: 'List jobs',
    access: 'token',
    query: listQuerySchema,
    headers: READ_HEADERS,
    answers: { 200: { description: 'A page of jobs', schema: ANSWERS.list } },
    errors: ASK_ERRORS,
    async handle(request, reply) {
      return sendJson(reply, await ask(request, 'list', JSON.stringify(parseRequest(listQuerySchema, request.query))));
    },
  };

  const get: Route = {
    method: 'GET',
    path: '/v1/jobs/{id}',
    operationId: 'getJob',
    summary: 'Get a job',
    access: 'token',
    headers: [...READ_HEADERS, 'If-None-Match'],
    answers: {
      200: { description: 'The job', schema: ANSWERS.get, headers: ETAG },
      304: { description: 'The job still has the version of If-None-Match' },
    },
    errors: [...ASK_ERRORS, 'job_not_found'],
    async handle(request, reply) {
      const text = await ask(request, 'get', JSON.stringify({ id: idOf(request) }));
      const { version } = JSON.parse(text) as { version: number };
      if (noneMatches(request.headers['if-none-match'], version)) return reply.code(304).header('etag', etagOf(version)).send();
      return sendVersioned(reply, text);
    },
  };

  const update: Route = {
    method: 'PATCH',
    path: '/v1/jobs/{id}',
    operationId: 'updateJob',
    summary: 'Change name, labels, priority or options; of the options of a running job only bandwidthLimit',
    access: 'token',
    headers: CHANGE_HEADERS,
    body: { schema: REQUESTS.update.omit({ id: true }), required: true },
    answers: { 200: { description: 'The job', schema: ANSWERS.update, headers: ETAG } },
    errors: [...CHANGE_ERRORS, ...JOB_ERRORS, ...CREATE_ERRORS],
    handle: async (request, reply) => sendVersioned(reply, await ask(request, 'update', bodyWithId(request))),
  };

  const remove: Route = {
    method: 'DELETE',
    path: '/v1/jobs/{id}',
    operationId: 'deleteJob',
    summary: 'Delete a job',
    access: 'token',
    headers: CHANGE_HEADERS,
    body: { schema: commandBody, required: false },
    answers: { 200: { description: 'The id of the deleted job', schema: ANSWERS.delete } },
    errors: [...CHANGE_ERRORS, ...JOB_ERRORS],
    handle: async (request, reply) => sendJson(reply, await ask(request, 'delete', bodyWithId(request))),
  };

  const progress: Route = {
    method: 'PATCH',
    path: '/v1/jobs/{id}/progress',
    operationId: 'reportProgress',
    summary: 'Report the progress of a job',
    access: 'token',
    headers: CHANGE_HEADERS,
    body: { schema: REQUESTS.progress.options[0].omit({ id: true }), required: true },
    answers: { 200: { description: 'The job', schema: ANSWERS.get, headers: ETAG } },
    errors: [...CHANGE_ERRORS, ...JOB_ERRORS, 'attempt_expired'],
    handle: async (request, reply) => sendVersioned(reply, await ask(request, 'progress', bodyWithId(request))),
  };

  const history: Route = {
    method: 'GET',
    path: '/v1/jobs/{id}/history',
    operationId: 'getHistory',
    summary: 'What happened to a job',
    access: 'token',
    headers: READ_HEADERS,
    answers: { 200: { description: 'The history, oldest first', schema: ANSWERS.history } },
    errors: [...ASK_ERRORS, 'job_not_found'],
    handle: async (request, reply) => sendJson(reply, await ask(request, 'history', JSON.stringify({ id: idOf(request) }))),
  };

  const why: Route = {
    method: 'GET',
    path: '/v1/jobs/{id}/why',
    operationId: 'getReasons',
    summary: 'Why a job does not run',
    access: 'token',
    headers: READ_HEADERS,
    answers: { 200: { description: 'What it waits for; nothing when it runs or is finished', schema: ANSWERS.why } },
    errors: [...ASK_ERRORS, 'job_not_found'],
    handle: async (request, reply) => sendJson(reply, await ask(request, 'why', JSON.stringify({ id: idOf(request) }))),
  };

  const makers = MAKERS.map(({ verb, summary, makes, schema }): Route => ({
    method: 'POST',
    path: `/v1/jobs/{id}/${verb}`,
    operationId: `${verb}Job`,
    summary,
    access: 'token',
    headers: MAKE_HEADERS,
    body: { schema, required: false },
    answers: { 201: { description: makes, schema: ANSWERS[verb], headers: { ...ETAG, Location: 'the path of that job' } } },
    errors: [...CHANGE_ERRORS, ...JOB_ERRORS, ...CREATE_ERRORS],
    handle: async (request, reply) => sendMade(reply, await ask(request, verb, bodyWithId(request)), '/v1/jobs'),
  }));

  const reorder: Route = {
    method: 'POST',
    path: '/v1/jobs/{id}/reorder',
    operationId: 'reorderJob',
    summary: 'Move a waiting job within the queue',
    access: 'token',
    headers: CHANGE_HEADERS,
    body: { schema: REQUESTS.reorder.omit({ id: true }), required: true },
    answers: { 200: { description: 'The job', schema: ANSWERS.reorder, headers: ETAG } },
    errors: [...CHANGE_ERRORS, ...JOB_ERRORS],
    handle: async (request, reply) => sendVersioned(reply, await ask(request, 'reorder', bodyWithId(request))),
  };

  const stats: Route = {
    method: 'GET',
    path: '/v1/stats',
    operationId: 'getStats',
    summary: 'Numbers of jobs, of the mailbox and of the journal',
    access: 'token',
    headers: READ_HEADERS,
    answers: { 200: { description: 'The numbers', schema: ANSWERS.stats } },
    errors: ASK_ERRORS,
    handle: async (request, reply) => sendJson(reply, await ask(request, 'stats', '{}')),
  };

  const commands = COMMANDS.map((verb): Route => ({
    method: 'POST',
    path: `/v1/jobs/{id}/${verb}`,
    operationId: `${verb}Job`,
    summary: `${verb.charAt(0).toUpperCase()}${verb.slice(1)} a job`,
    access: 'token',
    headers: CHANGE_HEADERS,
    body: { schema: commandBodies[verb], required: false },
    answers: { 200: { description: 'The job', schema: ANSWERS.get, headers: ETAG } },
    errors: [...CHANGE_ERRORS, ...JOB_ERRORS],
    handle: async (request, reply) => sendVersioned(reply, await ask(request, verb, bodyWithId(request))),
  }));

  const verbs = ALL_VERBS.map((verb): Route => {
    const reads = isRead(verb);
    return {
      method: 'POST',
      path: `/v1/jobs/${verb}`,
      operationId: `verb_${verb}`,
      summary: `The verb ${verb} with the same body and answer as over NATS`,
      access: 'token',
      headers: reads ? READ_HEADERS : CHANGE_HEADERS,
      body: { schema: ALL_REQUESTS[verb], required: false },
      answers: { 200: { description: 'The answer', schema: ANSWERS[verb] } },
      errors: [...CHANGE_ERRORS, ...JOB_ERRORS, ...CREATE_ERRORS, 'attempt_expired', 'schedule_not_found'],
      handle: async (request, reply) => sendJson(reply, await ask(request, verb, bodyOf(request))),
    };
  });

  return [create, list, get, update, remove, progress, history, why, ...makers, reorder, stats, ...commands, ...verbs];
}
