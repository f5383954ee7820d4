import { z } from 'zod';
import { ERROR_CATALOGUE, type ErrorCode } from '../../actors/errors.js';
import { jobSchema } from '../../actors/job.js';
import { packageVersion } from '../package-root.js';
import { errorBodySchema, problemSchema } from './answer-schemas.js';
import { PROBLEM_TYPE } from './problem.js';
import { ANY_ERRORS, REQUEST_HEADERS, type Route, type RouteAnswer } from './route.js';

type Json = Record<string, unknown>;
type SchemaRegistry = ReturnType<typeof z.registry<{ id: string }>>;

/** The route that gives the document of `routes` and of itself. */
export function openapiRoute(routes: readonly Route[]): Route {
  const route: Route = {
    method: 'GET',
    path: '/openapi.json',
    operationId: 'getOpenapi',
    summary: 'This document',
    access: 'token',
    answers: { 200: { description: 'OpenAPI 3.1', schema: z.object({ openapi: z.string() }) } },
    errors: ANY_ERRORS,
    handle: (_request, reply) => Promise.resolve(reply.type('application/json; charset=utf-8').send(document)),
  };
  const document = JSON.stringify(openapiOf([...routes, route]));
  return route;
}

/** OpenAPI 3.1 of the route table: the schemas are those that validate, so the two cannot drift apart. */
function openapiOf(routes: readonly Route[]): Json {
  const requests: SchemaRegistry = z.registry();
  const answers: SchemaRegistry = z.registry();
  answers.add(jobSchema, { id: 'Job' });
  answers.add(errorBodySchema, { id: 'Error' });
  answers.add(problemSchema, { id: 'Problem' });
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const operation = operationOf(route, requests, answers);
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tallyman',
      version: packageVersion,
      description: 'A job manager for transfers and any other work.',
      license: { name: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { cookie: [] }],
    paths,
    components: {
      schemas: { ...schemasOf(requests, 'input'), ...schemasOf(answers, 'output') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        cookie: { type: 'apiKey', in: 'cookie', name: '<prefix>_<port>', description: 'set by opening /?token=… in a browser' },
      },
    },
  };
}

function operationOf(route: Route, requests: SchemaRegistry, answers: SchemaRegistry): Json {
  const { operationId, summary, access, body } = route;
  const responses = Object.entries(route.answers).map(([status, answer]) => [status, responseOf(answer, `${operationId}_answer`, answers)]);
  return {
    operationId,
    summary,
    ...(access === 'probe' ? { security: [] } : {}),
    parameters: [...pathParameters(route.path), ...queryParameters(route.query), ...headerParameters(route.headers)],
    ...(body
      ? {
          requestBody: {
            required: body.required,
            content: { 'application/json': { schema: refTo(requests, body.schema, `${operationId}_request`) } },
          },
        }
      : {}),
    responses: { ...problemResponses(route.errors), ...(Object.fromEntries(responses) as Json) },
  };
}

function responseOf({ description, type, schema, headers }: RouteAnswer, name: string, answers: SchemaRegistry): Json {
  const types = [type ?? (schema ? 'application/json' : [])].flat();
  const content = types.map((each) => [
    each,
    each === 'application/json' && schema ? { schema: refTo(answers, schema, name) } : { schema: { type: 'string' } },
  ]);
  const described = Object.entries(headers ?? {}).map(([header, text]) => [header, { description: text, schema: { type: 'string' } }]);
  return {
    description,
    ...(described.length > 0 ? { headers: Object.fromEntries(described) as Json } : {}),
    ...(content.length > 0 ? { content: Object.fromEntries(content) as Json } : {}),
  };
}

/** One response a status, its description naming the codes. */
function problemResponses(codes: readonly ErrorCode[]): Json {
  const responses: Json = {};
  for (const status of new Set(codes.map((code) => ERROR_CATALOGUE[code].status))) {
    const description = codes.filter((code) => ERROR_CATALOGUE[code].status === status).join(', ');
    responses[status] = { description, content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } } };
  }
  return responses;
}

const pathParameters = (path: string): Json[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));

function queryParameters(query: z.ZodType | undefined): Json[] {
  if (!query) return [];
  const { properties = {} } = z.toJSONSchema(query, { io: 'input' });
  // Lists are written with commas.
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    style: 'form',
    explode: false,
    schema,
  }));
}

const headerParameters = (headers: Route['headers'] = []): Json[] =>
  headers.map((name) => ({ name, in: 'header', required: false, description: REQUEST_HEADERS[name], schema: { type: 'string' } }));

function refTo(registry: SchemaRegistry, schema: z.ZodType, name: string): Json {
  if (!registry.has(schema)) registry.add(schema, { id: name });
  return { $ref: uriOf(registry.get(schema)?.id ?? name) };
}

const uriOf = (id: string): string => `#/components/schemas/${id}`;

function schemasOf(registry: SchemaRegistry, io: 'input' | 'output'): Json {
  const { schemas } = z.toJSONSchema(registry, {
    io,
    uri: uriOf,
    unrepresentable: 'any',
    // A later version may answer more: clients are not to refuse it.
    override: ({ jsonSchema }) => {
      if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _schema, $id: _id, ...schema }]) => [id, schema]));
}
