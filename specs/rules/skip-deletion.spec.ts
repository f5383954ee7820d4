import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { Verb } from '../../actors/requests.js';
import type { Answers } from '../../src/answers.js';
import { announce, runCli } from '../cli/cli.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

/** Skipping the deletion for one run, through every front end. */
let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

const move = { type: 'rsync', source: '/a/', options: { deleteSource: { mode: 'per_file', confirmed: true } } };

describe.each(FRONT_ENDS)('over %s', (way) => {
  let frontEnd: FrontEnd;
  beforeAll(async () => {
    frontEnd = await openFrontEnd(service, way);
  });
  afterAll(() => frontEnd.close());

  const ask = <V extends Verb>(verb: V, body: object) => frontEnd.ask<Answers[V]>(verb, body);
  const create = (more: object = {}): Promise<Job> => ask('create', { ...move, destination: `/${way}/`, start: false, ...more });

  test('it is said at start, resume and retry, and holds for that run', async () => {
    const { id } = await create();
    expect(await ask('start', { id, skipDeletion: true })).toMatchObject({ status: 'queued', skipDeletion: true });
    await ask('pause', { id });
    await service.restartManager();
    expect(await ask('resume', { id })).toMatchObject({ skipDeletion: true });
    await ask('pause', { id });
    expect(await ask('resume', { ids: [id], skipDeletion: false })).toMatchObject({ results: [{ job: { id } }] });
    expect(await ask('get', { id })).not.toHaveProperty('skipDeletion');
    await ask('cancel', { id });
    expect(await ask('retry', { id, skipDeletion: true })).toMatchObject({ skipDeletion: true });
    await ask('cancel', { id });
    expect(await ask('retry', { id })).not.toHaveProperty('skipDeletion');
    expect((await ask('history', { id })).history.filter(({ note }) => note === 'this run deletes nothing in the source')).toHaveLength(2);
    await ask('cancel', { id });
  });

  test('it is refused where there is no deletion to skip, and while an attempt runs', async () => {
    const refusal = { code: 'invalid_request', details: { field: 'skipDeletion' } };
    const { id } = await create({ options: {} });
    await expect(ask('start', { id, skipDeletion: true })).rejects.toMatchObject(refusal);
    await expect(create({ options: {}, skipDeletion: true })).rejects.toMatchObject(refusal);
    const running = await create({ start: true });
    expect((await ask('claim', { worker: 'w', types: ['rsync'] })).job?.id).toBe(running.id);
    await ask('pause', { id: running.id });
    await expect(ask('resume', { id: running.id, skipDeletion: true })).rejects.toMatchObject({ code: 'illegal_transition' });
    await ask('release', { id: running.id, attempt: 1 });
    await ask('cancel', { id: running.id });
  });
});

test('the command line says it with --skip-deletion', async () => {
  const { id } = await service.client.create({ ...move, destination: '/cli/', start: false } as never);
  const { code, stderr } = await runCli(['start', id, '--skip-deletion'], { dataDir: await announce(service) });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(await service.client.get(id)).toMatchObject({ status: 'queued', skipDeletion: true });
});
