import { execFile } from 'node:child_process';
import { connect, type NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErrorBody } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import type { Verb } from '../../actors/requests.js';
import { HEADERS, subjectsOf } from '../../src/subjects.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const many = (count: number) => Array.from({ length: count }, (_, n) => `id-${n}`);

/** What is past a limit, and the error that says so. */
type Case = [what: string, verb: Verb, body: object, code: ErrorBody['code'], field?: string];

const TOO_MUCH: Case[] = [
  ['more ids than one request takes', 'pause', { ids: many(LIMITS.idsPerRequest + 1) }, 'invalid_request', 'ids'],
  ['no id at all', 'pause', { ids: [] }, 'invalid_request', 'ids'],
  ['id and ids at once', 'pause', { id: 'a', ids: ['b'] }, 'invalid_request'],
  ['neither id nor ids', 'pause', {}, 'invalid_request'],
  ['a longer page than there is', 'list', { limit: LIMITS.listMax + 1 }, 'invalid_request', 'limit'],
  ['an empty page', 'list', { limit: 0 }, 'invalid_request', 'limit'],
  ['a cursor that is not ours', 'list', { cursor: '["name","x"]' }, 'invalid_request', 'cursor'],
  ['an unknown field', 'list', { statuses: ['queued'] }, 'invalid_request'],
  ['a version that cannot be', 'update', { id: 'a', ifVersion: 0 }, 'invalid_request', 'ifVersion'],
  [
    'more jobs than one request makes',
    'create_many',
    { jobs: Array(LIMITS.jobsPerCreateMany + 1).fill({ type: 'probe' }) },
    'invalid_request',
    'jobs',
  ],
  ['more input than a job holds', 'create', { type: 'probe', input: 'x'.repeat(LIMITS.inputBytes) }, 'payload_too_large', 'input'],
  ['a wait that is too long', 'claim', { worker: 'w', types: ['probe'], waitMs: LIMITS.waitMsMax + 1 }, 'invalid_request', 'waitMs'],
  ['a name with control characters', 'create', { type: 'probe', name: 'a\u001b[2Jb' }, 'invalid_request', 'name'],
  ['percent past a hundred', 'progress', { id: 'a', progress: { percent: 101 } }, 'invalid_request', 'progress.percent'],
];

/** A WebSocket is closed with code 1009 instead, as its protocol has it. */
const TOO_LARGE: Case = [
  'a body that is too large',
  'create',
  { type: 'probe', input: 'x'.repeat(LIMITS.requestBytes) },
  'payload_too_large',
];
const casesOf = (way: string): Case[] => (way === 'WebSocket' ? TOO_MUCH : [...TOO_MUCH, TOO_LARGE]);

describe.each(FRONT_ENDS)('over %s', (way) => {
  let frontEnd: FrontEnd;
  beforeAll(async () => {
    frontEnd = await openFrontEnd(service, way);
  });
  afterAll(() => frontEnd.close());

  test.each(casesOf(way))(
    '%s is refused by an error that names it, and the next request is served',
    async (_what, verb, body, code, field) => {
      const before = (await frontEnd.ask<{ total: number }>('stats', {})).total;
      const details = field === undefined ? {} : { field };
      await expect(frontEnd.ask(verb, body)).rejects.toMatchObject({ code, executed: 'no', details });
      expect((await frontEnd.ask<{ total: number }>('stats', {})).total).toBe(before);
    },
  );

  test('just what a limit allows is done', async () => {
    const { jobs } = await frontEnd.ask<{ jobs: Job[] }>('create_many', {
      jobs: Array(LIMITS.jobsPerCreateMany).fill({ type: 'allowed' }),
    });
    const ids = jobs.map(({ id }) => id);
    expect((await frontEnd.ask<{ jobs: Job[] }>('list', { type: 'allowed', limit: LIMITS.listMax })).jobs).toHaveLength(ids.length);
    const { results } = await frontEnd.ask<{ results: { deleted: boolean }[] }>('delete', { ids });
    expect(results.every(({ deleted }) => deleted)).toBe(true);
  });
});

describe('a service that has nothing but NATS', () => {
  let nc: NatsConnection;
  beforeAll(async () => {
    const { url, user = '', password = '' } = service.nats.logins.client;
    nc = await connect({ servers: url, user, pass: password });
  });
  afterAll(() => nc.close());

  test.each([
    ['half of JSON', Buffer.from('{"type":'), 'invalid_request', 400],
    ['bytes that are no text', Buffer.from([0x22, 0xff, 0xfe, 0x22]), 'invalid_request', 400],
    ['a list', Buffer.from('[]'), 'invalid_request', 400],
    ['great depth', Buffer.from('['.repeat(50_000) + ']'.repeat(50_000)), 'invalid_request', 400],
    ['more bytes than a request has', Buffer.from(`"${'x'.repeat(LIMITS.requestBytes)}"`), 'payload_too_large', 413],
  ] as const)('that sends %s gets the error in headers and body', async (_what, data, code, status) => {
    const answer = await nc.request(subjectsOf('tallyman').verb('create'), data);
    expect(answer.headers?.get(HEADERS.errorCode)).toBe(String(status));
    expect(answer.json<ErrorBody>()).toMatchObject({ code, status, executed: 'no' });
  });
});

/** The command line as a script uses it: its exit code, and the JSON of its answer or error. */
function run(...args: string[]): Promise<{ exitCode: number; answer: Record<string, unknown> }> {
  const { url, user = '', password = '' } = service.nats.logins.client;
  const env = { ...process.env, TALLYMAN_NATS_URL: url, TALLYMAN_NATS_USER: user, TALLYMAN_NATS_PASSWORD: password };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['dist/src/main.js', ...args, '--json'], { env }, (_error, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? -1, answer: JSON.parse(stdout || stderr) as Record<string, unknown> });
    });
  });
}

describe('over the command line', () => {
  test('a create that is repeated with its key is one job, and with another body an error', async () => {
    const create = (name: string) => run('create', '--type', 'probe', '--name', name, '--idempotency-key', 'by the command line');
    const [first, second] = await Promise.all([create('one'), create('one')]);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    expect(second.answer).toEqual(first.answer);
    expect(await create('other')).toMatchObject({
      exitCode: expect.toSatisfy((code) => code !== 0) as number,
      answer: { code: 'idempotency_conflict' },
    });
  });

  test('a command says what became of each job, and a refusal names what is legal', async () => {
    const { id } = await service.client.create({ type: 'probe', start: false });
    const paused = await run('pause', id);
    expect(paused.exitCode).not.toBe(0);
    expect(paused.answer).toMatchObject({
      results: [{ id, error: { code: 'illegal_transition', details: { legal: ['start', 'cancel', 'delete', 'update'] } } }],
    });
    expect(await run('cancel', id, '--if-version', '9')).toMatchObject({ answer: { results: [{ error: { code: 'version_conflict' } }] } });
    expect(await run('cancel', id, '--if-version', '1')).toMatchObject({
      exitCode: 0,
      answer: { results: [{ job: { status: 'cancelled' } }] },
    });
  });
});
