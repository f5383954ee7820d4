import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import { startAskedManager, type AskedManager } from '../support/asked-manager.js';

const AWAY = { code: 'network', message: 'The cable is out.', retriable: true, away: true };

async function begin(options: object = {}, leaseMs = 1_000_000_000) {
  const manager = await startAskedManager({ leaseMs });
  const { id } = await manager.ask('create', {
    type: 'rsync',
    source: '/from',
    destination: '/to',
    options: { whenAway: 'wait', maxRetries: 0, ...options },
  });
  return { manager, id };
}

const jobOf = (manager: AskedManager, id: string): Promise<Job> => manager.ask('get', { id });
const claim = (manager: AskedManager) => manager.claim(['rsync']);
const verbsOf = async (manager: AskedManager, id: string) => (await manager.ask('history', { id })).history.map(({ verb }) => verb);

/** A look that finds the side away still. */
async function look(manager: AskedManager, id: string): Promise<void> {
  expect(await claim(manager)).toBe(id);
  await manager.ask('fail', { id, attempt: (await jobOf(manager, id)).attempt, error: AWAY });
}

/** Turns the clock to the time of the next look. */
async function untilLook(manager: AskedManager, id: string): Promise<number> {
  const { retryAt } = await jobOf(manager, id);
  const waitMs = retryAt === null ? 0 : Math.max(0, Date.parse(retryAt) - manager.clock.ms);
  await manager.turn(waitMs);
  return waitMs;
}

type Step = 'look' | 'restart' | 'crash in a look' | 'stop in a look' | 'now';

test('whatever happens while it waits, no retry is used up, it looks at least once a minute, and it runs once the side is back', async () => {
  const steps = fc.array(fc.constantFrom<Step>('look', 'look', 'look', 'restart', 'crash in a look', 'stop in a look', 'now'), {
    maxLength: 25,
  });
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(3), async (todo, maxRetries) => {
      const begun = await begin({ maxRetries }, 10_000);
      const { id } = begun;
      let { manager } = begun;
      await look(manager, id);
      for (const step of todo) {
        expect(await untilLook(manager, id)).toBeLessThanOrEqual(60_000);
        if (step === 'restart') manager = await manager.restart();
        if (step === 'now') await manager.ask('retry', { id }).catch(() => undefined);
        if (step === 'look' || step === 'now') {
          await look(manager, id);
        } else if (step !== 'restart') {
          expect(await claim(manager)).toBe(id);
          const { attempt } = await jobOf(manager, id);
          if (step === 'stop in a look') await manager.ask('release', { id, attempt, reason: 'stop' });
          else await manager.turn(10_100);
        }
        expect(await jobOf(manager, id)).toMatchObject({ status: 'queued', retries: 0, error: { code: 'network', away: true } });
        expect((await jobOf(manager, id)).awaySince).toBeDefined();
      }
      await untilLook(manager, id);
      expect(await claim(manager)).toBe(id);
      const { attempt } = await jobOf(manager, id);
      await manager.ask('heartbeat', { id, attempt, phase: 'counting' });
      const back = await jobOf(manager, id);
      expect(back).toMatchObject({ status: 'running', error: null, retries: 0 });
      expect(back.awaySince).toBeUndefined();
      await manager.ask('complete', { id, attempt });
      expect((await jobOf(manager, id)).status).toBe('completed');
    }),
    { numRuns: 60 },
  );
});

describe('a job that waits for a side', () => {
  test('looks after 1 s, then less and less often, and its history tells the beginning and the end alone', async () => {
    const { manager, id } = await begin();
    await look(manager, id);
    const waits: number[] = [];
    for (let looks = 0; looks < 40; looks += 1) {
      waits.push(await untilLook(manager, id));
      await look(manager, id);
    }
    expect(waits[0]).toBe(1000);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits.at(-1)).toBe(45_000);
    await untilLook(manager, id);
    await claim(manager);
    await manager.ask('progress', { id, attempt: 42, phase: 'counting' });
    await manager.ask('complete', { id, attempt: 42 });
    expect(await verbsOf(manager, id)).toEqual(['create', 'claim', 'away', 'back', 'complete']);
  });

  test('says since when, why, and when it looks again; "start" and "retry" look now', async () => {
    const { manager, id } = await begin();
    await look(manager, id);
    const { awaySince, retryAt } = await jobOf(manager, id);
    const { reasons } = await manager.ask('why', { id });
    expect(reasons).toMatchObject([{ code: 'away', message: expect.stringContaining('The cable is out.') as string }]);
    expect(reasons[0]?.message).toContain(awaySince);
    expect(reasons[0]?.message).toContain(retryAt);
    for (const verb of ['start', 'retry'] as const) {
      expect(await claim(manager)).toBeNull();
      await manager.ask(verb, { id });
      await look(manager, id);
    }
    await manager.ask('start', { id });
    await expect(manager.ask('start', { id })).rejects.toMatchObject({ code: 'illegal_transition' });
  });

  test('lets jobs that can run go first', async () => {
    const { manager, id } = await begin({}, 1_000_000);
    await look(manager, id);
    const { id: other } = await manager.ask('create', { type: 'rsync', source: '/from', destination: '/other' });
    await untilLook(manager, id);
    expect(await claim(manager)).toBe(other);
    expect(await claim(manager)).toBe(id);
  });

  test('ends at its deadline, and can be paused and cancelled, while it waits and while it looks', async () => {
    const { manager, id } = await begin({ deadlineAt: new Date(1_800_000_000_000 + 3_600_000).toISOString() });
    await look(manager, id);
    await manager.ask('pause', { id });
    expect((await jobOf(manager, id)).awaySince).toBeUndefined();
    await manager.ask('resume', { id });
    expect(await claim(manager)).toBe(id);
    await manager.ask('pause', { id });
    await manager.ask('fail', { id, attempt: 2, error: AWAY });
    expect(await jobOf(manager, id)).toMatchObject({ status: 'paused', retries: 0 });
    await manager.ask('resume', { id });
    await look(manager, id);
    await manager.turn(3_600_000);
    expect(await jobOf(manager, id)).toMatchObject({ status: 'failed', error: { code: 'deadline_passed' }, retryAt: null });
    expect((await jobOf(manager, id)).awaySince).toBeUndefined();
    await manager.ask('update', { id, options: { deadlineAt: null } });
    await manager.ask('retry', { id });
    await look(manager, id);
    await manager.ask('cancel', { id });
    expect(await jobOf(manager, id)).toMatchObject({ status: 'cancelled', retryAt: null });
    await manager.ask('retry', { id });
    await look(manager, id);
    await untilLook(manager, id);
    expect(await claim(manager)).toBe(id);
    await manager.ask('cancel', { id });
    await manager.ask('fail', { id, attempt: 6, error: AWAY });
    expect((await jobOf(manager, id)).status).toBe('cancelled');
  });

  test('fails by another cause as every job does, and so does one that was not asked to wait', async () => {
    const { manager, id } = await begin();
    await look(manager, id);
    await untilLook(manager, id);
    await claim(manager);
    await manager.ask('fail', { id, attempt: 2, error: { code: 'permission_denied', message: 'no' } });
    expect(await jobOf(manager, id)).toMatchObject({ status: 'failed', error: { code: 'permission_denied' } });
    const { manager: other, id: plain } = await begin({ whenAway: 'fail' });
    await claim(other);
    await other.ask('fail', { id: plain, attempt: 1, error: AWAY });
    expect((await jobOf(other, plain)).status).toBe('failed');
  });
});
