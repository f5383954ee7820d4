import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { Verb } from '../../actors/requests.js';
import type { Answers } from '../../src/answers.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

/** The rules of the queue, with real parts: through every front end, and after a restart of the manager. */
let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

describe.each(FRONT_ENDS)('over %s', (way) => {
  let frontEnd: FrontEnd;
  const type = `queue-${way.toLowerCase()}`;
  beforeAll(async () => {
    frontEnd = await openFrontEnd(service, way);
  });
  afterAll(() => frontEnd.close());

  const ask = <V extends Verb>(verb: V, body: object) => frontEnd.ask<Answers[V]>(verb, body);
  const create = (more: object = {}): Promise<Job> => ask('create', { type, ...more });
  const claim = async () => (await ask('claim', { worker: 'w', types: [type] })).job?.id;

  test('a job waits for others, says so, and still does after a restart of the manager', async () => {
    const one = await create();
    const { id } = await create({ after: [one.id], priority: 10 });
    await service.restartManager();
    expect((await ask('why', { id })).reasons).toMatchObject([{ code: 'after', jobs: [one.id] }]);
    expect(await claim()).toBe(one.id);
    await ask('complete', { id: one.id, attempt: 1 });
    expect(await claim()).toBe(id);
  });
});
