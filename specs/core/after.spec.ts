import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import { startAskedManager, type AskedManager } from '../support/asked-manager.js';

let manager: AskedManager;
beforeEach(async () => {
  manager = await startAskedManager();
});

const make = async (more: object = {}): Promise<string> => (await manager.ask('create', { type: 'probe', ...more })).id;
const first = () => make({ type: 'first' });

async function complete(id: string): Promise<void> {
  const { attempt } = await manager.ask('get', { id });
  await manager.ask('complete', { id, attempt });
}

describe('a job that is to run after others', () => {
  test('is handed out when all of them have completed, and not before', async () => {
    const [one, two] = [await first(), await first()];
    const id = await make({ after: [one, two, one] });
    expect((await manager.ask('why', { id })).reasons).toMatchObject([{ code: 'after', jobs: [one, two] }]);
    expect(await manager.claim()).toBeNull();
    await manager.claim(['first']);
    await complete(one);
    expect(await manager.claim()).toBeNull();
    expect((await manager.ask('why', { id })).reasons).toMatchObject([{ code: 'after', jobs: [two] }]);
    await manager.claim(['first']);
    await complete(two);
    expect(await manager.codesOf(id)).toEqual(['worker']);
    expect(await manager.claim()).toBe(id);
  });

  test('goes to a claim that waits in the moment in which the last of them completes', async () => {
    const one = await first();
    const id = await make({ after: [one] });
    await manager.claim(['first']);
    let got: string | undefined;
    void manager.ask('claim', { worker: 'w', types: ['probe'], waitMs: 4000 }).then(({ job }) => (got = job?.id));
    await manager.turn(100);
    expect(got).toBeUndefined();
    await complete(one);
    await manager.turn(0);
    expect(got).toBe(id);
  });

  test.each(['failed', 'cancelled', 'deleted'] as const)('waits and says so when one of them is %s', async (end) => {
    const one = await first();
    const id = await make({ after: [one] });
    if (end === 'failed') {
      await manager.claim(['first']);
      await manager.ask('fail', { id: one, attempt: 1, error: { code: 'broken', message: 'it broke' } });
    } else await manager.ask(end === 'cancelled' ? 'cancel' : 'delete', { id: one });
    expect((await manager.ask('why', { id })).reasons).toMatchObject([{ code: 'after_ended', jobs: [one] }]);
    expect(await manager.claim()).toBeNull();
    await manager.ask('update', { id, after: [] });
    expect(await manager.claim()).toBe(id);
  });

  test('runs when one that failed was retried and completed', async () => {
    const one = await first();
    const id = await make({ after: [one] });
    await manager.ask('cancel', { id: one });
    await manager.ask('retry', { id: one });
    expect(await manager.codesOf(id)).toEqual(['after']);
    await manager.claim(['first']);
    await complete(one);
    expect(await manager.claim()).toBe(id);
  });

  test('has not to wait for one that completed and was deleted since, after a start too', async () => {
    const [one, two] = [await first(), await first()];
    const id = await make({ after: [one, two] });
    await manager.claim(['first']);
    await complete(one);
    expect(await manager.ask('cleanup', {})).toMatchObject({ deleted: 0, remaining: 0 });
    await manager.ask('delete', { id: one });
    manager = await manager.restart();
    expect(await manager.ask('get', { id })).toMatchObject({ after: [two] });
    await manager.claim(['first']);
    await complete(two);
    manager = await manager.restart();
    expect(await manager.claim()).toBe(id);
    expect(await manager.ask('cleanup', {})).toMatchObject({ deleted: 1 });
  });

  test('can be made together with them', async () => {
    const { jobs } = await manager.ask('create_many', {
      jobs: [{ type: 'first' }, { type: 'probe', after: ['#0'] }, { type: 'probe', after: ['#0', '#1'] }],
    });
    const [one, two, three] = jobs.map(({ id }) => id) as [string, string, string];
    expect(jobs.map(({ after }) => after)).toEqual([[], [one], [one, two]]);
    await manager.claim(['first']);
    await complete(one);
    expect([await manager.claim(), await manager.claim()]).toEqual([two, null]);
    await complete(two);
    expect(await manager.claim()).toBe(three);
  });

  test.each([[['nobody']], [['#0']]])('is refused when it names %j, which is not there', async (after) => {
    await expect(make({ after })).rejects.toMatchObject({ code: 'job_not_found', details: { field: 'after' } });
    const many = manager.ask('create_many', { jobs: [{ type: 'probe', after: ['#0'] }] });
    await expect(many).rejects.toMatchObject({ code: 'job_not_found' });
  });

  test('takes no more to wait for later, so that no two wait for one another', async () => {
    const one = await make();
    const id = await make({ after: [one] });
    await expect(manager.ask('update', { id: one, after: [id] })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

test('whatever is done, the jobs that may run are those whose others have completed, and a start finds the same', async () => {
  const step = fc.record({
    verb: fc.constantFrom('create', 'create', 'claim', 'complete', 'fail', 'cancel', 'retry', 'delete', 'cleanup', 'pause', 'resume'),
    job: fc.nat(12),
    after: fc.array(fc.nat(12), { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, restarts) => {
      manager = await startAskedManager();
      const ids: string[] = [];
      const completed = new Set<string>();
      for (const { verb, job, after } of steps) {
        const id = ids[job % ids.length] ?? 'nobody';
        const named = after.flatMap((n) => ids[n % ids.length] ?? []);
        const error = { code: 'broken', message: 'it broke' };
        const body = {
          create: { type: 'probe', after: named },
          claim: { worker: 'w', types: ['probe'] },
          fail: { id, attempt: 1, error },
          complete: { id, attempt: 1 },
          cleanup: {},
        }[verb as string] ?? { id };
        const answer = await manager.ask(verb, body).catch(() => null);
        if (answer && verb === 'create') ids.push((answer as Job).id);
        if (answer && verb === 'complete') completed.add(id);
      }
      const { jobs } = await manager.ask('list', { limit: 1000, sort: 'createdAt' });
      const waiting = jobs.filter(({ status, after }) => status === 'queued' && after.every((id) => completed.has(id)));
      if (restarts) manager = await manager.restart();
      const claimed: string[] = [];
      for (let id = await manager.claim(); id !== null; id = await manager.claim()) claimed.push(id);
      expect(claimed).toEqual(waiting.map(({ id }) => id));
    }),
    { numRuns: 150 },
  );
});

test('a journal of a version that knew no "after", no "rank" and no "schedule" is read, and its jobs run', async () => {
  const id = await make();
  const stored = manager.journal.records.flatMap(({ changes }) => changes).flatMap((change) => ('put' in change ? change.put : []));
  for (const job of stored as { after?: unknown; rank?: unknown; schedule?: unknown }[]) {
    delete job.after;
    delete job.rank;
    delete job.schedule;
  }
  manager = await manager.restart();
  expect(await manager.ask('get', { id })).toMatchObject({ after: [], rank: null, schedule: null });
  expect(await manager.claim()).toBe(id);
});
