import { beforeEach, describe, expect, test } from 'vitest';
import { startAskedManager, type AskedManager } from '../support/asked-manager.js';

let manager: AskedManager;
beforeEach(async () => {
  manager = await startAskedManager();
});

const transfer = (destination: string, more: object = {}) =>
  manager.ask('create', { type: 'rsync', source: '/from', destination, ...more });

describe('why a job does not run', () => {
  test('names the job that writes to an overlapping destination, until that one ends', async () => {
    const [writer, waits, free] = [await transfer('/to/a'), await transfer('/to'), await transfer('/elsewhere')];
    expect(await manager.claim(['rsync'])).toBe(writer.id);
    const { reasons } = await manager.ask('why', { id: waits.id });
    expect(reasons).toMatchObject([{ code: 'destination', jobs: [writer.id] }]);
    expect(reasons[0]?.message).toContain('/to/a');
    expect(await manager.claim(['rsync'])).toBe(free.id);
    await manager.ask('complete', { id: writer.id, attempt: 1 });
    expect(await manager.codesOf(waits.id)).toEqual(['worker']);
    expect(await manager.claim(['rsync'])).toBe(waits.id);
  });

  test('names the time that it waits for', async () => {
    const runAt = new Date(manager.clock.ms + 60_000).toISOString();
    const { id } = await manager.ask('create', { type: 'probe', runAt });
    expect((await manager.ask('why', { id })).reasons).toMatchObject([
      { code: 'run_at', message: expect.stringContaining(runAt) as string },
    ]);
    await manager.turn(60_000);
    expect(await manager.claim()).toBe(id);
    const error = { code: 'network', message: 'The cable is out.', retriable: true };
    await manager.ask('fail', { id, attempt: 1, error });
    const { reasons } = await manager.ask('why', { id });
    expect(reasons).toMatchObject([{ code: 'retry_at', message: expect.stringContaining('The cable is out.') as string }]);
  });

  test('says what a person has to do, and nothing of what runs or is over', async () => {
    const { id } = await manager.ask('create', { type: 'probe', start: false });
    expect(await manager.codesOf(id)).toEqual(['not_started']);
    await manager.ask('start', { id });
    expect(await manager.codesOf(id)).toEqual(['worker']);
    await manager.ask('pause', { id });
    expect(await manager.codesOf(id)).toEqual(['paused']);
    await manager.ask('resume', { id });
    await manager.claim();
    expect(await manager.codesOf(id)).toEqual([]);
    await manager.ask('complete', { id, attempt: 1 });
    expect(await manager.codesOf(id)).toEqual([]);
    await expect(manager.ask('why', { id: 'nobody' })).rejects.toMatchObject({ code: 'job_not_found' });
  });
});

test('a claim that waits is served as soon as the destination is free, and not before', async () => {
  const [writer, waits] = [await transfer('/to'), await transfer('/to')];
  await manager.claim(['rsync']);
  let got: string | undefined;
  void manager.ask('claim', { worker: 'w', types: ['rsync'], waitMs: 4000 }).then(({ job }) => (got = job?.id));
  await manager.ask('progress', { id: writer.id, progress: { percent: 5 } });
  await manager.turn(100);
  expect(got).toBeUndefined();
  await manager.ask('release', { id: writer.id, attempt: 1 });
  await manager.turn(0);
  expect(got).toBe(writer.id);
  await manager.ask('complete', { id: writer.id, attempt: 2 });
  expect(await manager.claim(['rsync'])).toBe(waits.id);
});
