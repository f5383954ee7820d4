import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE } from '../../actors/errors.js';
import { JOB_STATUSES, jobSchema } from '../../actors/job.js';
import { ALL_VERBS } from '../../actors/requests.js';
import { startTestService, type TestService } from '../support/service.js';
import { call, createJob } from './http.js';

interface Operation {
  operationId: string;
  parameters: { name: string; in: string; schema: Record<string, unknown> }[];
  requestBody?: { content: Record<string, { schema: { $ref: string } }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: { $ref?: string } }> }>;
  security?: unknown[];
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, { properties?: Record<string, unknown>; required?: string[] }> };
}

const METHODS = ['GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'OPTIONS'];

let service: TestService;
let document: Document;
let text: string;
let operations: { path: string; method: string; operation: Operation }[];
beforeAll(async () => {
  service = await startTestService();
  text = (await call(service, '/openapi.json')).text;
  document = JSON.parse(text) as Document;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
});
afterAll(() => service.stop());

const concrete = (path: string) => path.replace('{id}', 'nobody').replace('{file}', 'nothing.js');

describe('the OpenAPI document', () => {
  it('has every verb, and every operation an id of its own', () => {
    expect(document.openapi).toBe('3.1.0');
    for (const verb of ALL_VERBS) expect(document.paths[`/v1/jobs/${verb}`]?.['post']).toBeDefined();
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('agrees with the service on which methods each path takes', async () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const documented = Object.keys(methods).map((method) => method.toUpperCase());
      for (const method of METHODS) {
        // Long answers are not waited for: a query or a status that is wrong ends them.
        const { status } = await call(service, `${concrete(path)}?unknown=1`, {
          method,
          headers: { 'last-event-id': 'x', 'ask-timeout-ms': 'x' },
        });
        expect([path, method, status === 405]).toEqual([path, method, !documented.includes(method)]);
      }
    }
  });

  it('says of each operation whether it needs the token', async () => {
    for (const { path, method, operation } of operations) {
      const { status } = await call(service, concrete(path), { method, token: null });
      expect([path, method, status === 401]).toEqual([path, method, operation.security === undefined]);
    }
  });

  it('names for each operation the status that the service answers', async () => {
    for (const { path, method, operation } of operations) {
      const streams = path === '/v1/events';
      const answer = await call(service, concrete(path), {
        method,
        ...(method === 'GET' ? {} : { raw: '{"nonsense":1}' }),
        headers: streams ? { 'last-event-id': 'x' } : {},
      });
      expect([path, method, Object.keys(operation.responses)]).toEqual([path, method, expect.arrayContaining([String(answer.status)])]);
      const type = answer.headers['content-type']?.split(';')[0] ?? '';
      if (answer.text !== '') expect(Object.keys(operation.responses[answer.status]?.content ?? {})).toContain(type);
    }
  });

  it('describes a job as it is answered', async () => {
    const job = await createJob(service);
    const { properties = {}, required } = document.components.schemas['Job'] ?? {};
    // Some fields are there only where there is something to say.
    expect(required?.toSorted()).toEqual(Object.keys(job).sort());
    expect(Object.keys(jobSchema.shape).sort()).toEqual(Object.keys(properties).sort());
    expect(properties['status']).toMatchObject({ enum: JOB_STATUSES });
  });

  it('describes errors by the catalogue', () => {
    const problem = document.components.schemas['Problem']?.properties ?? {};
    expect(problem['code']).toMatchObject({ enum: Object.keys(ERROR_CATALOGUE) });
    for (const { operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        if (!response.content?.['application/problem+json']) continue;
        for (const code of response.description.split(', ')) expect(ERROR_CATALOGUE).toHaveProperty([code, 'status'], Number(status));
      }
    }
  });

  it('refers only to what is in it', () => {
    const refs = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, ref = '']) => ref);
    expect(refs.length).toBeGreaterThan(100);
    for (const ref of refs) expect(Object.keys(document.components.schemas)).toContain(ref.replace('#/components/schemas/', ''));
  });

  it('has in the query what the service takes', async () => {
    const list = document.paths['/v1/jobs']?.['get']?.parameters.filter((parameter) => parameter.in === 'query') ?? [];
    expect(list.map(({ name }) => name)).toEqual(['status', 'type', 'labels', 'schedule', 'text', 'sort', 'limit', 'cursor']);
    const examples: Record<string, string> = {
      status: 'running,paused',
      type: 'rsync',
      labels: 'a=b',
      text: 'x',
      sort: 'name',
      limit: '7',
    };
    for (const [name, value] of Object.entries(examples)) expect((await call(service, `/v1/jobs?${name}=${value}`)).status).toBe(200);
  });
});
