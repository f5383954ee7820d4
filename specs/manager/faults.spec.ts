import type { ChildProcess } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { JobError } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { endProcess, startSplitService, type SplitService } from '../support/split-service.js';

const ASK_TIMEOUT_MS = 1000;
/** The ask timeout, the way there and back, and what two loaded cores may add. */
const BOUND_MS = ASK_TIMEOUT_MS + 500 + 2500;

let service: SplitService;
let manager: ChildProcess | null = null;
beforeAll(async () => {
  service = await startSplitService({ TALLYMAN_ASK_TIMEOUT_MS: String(ASK_TIMEOUT_MS) });
});
afterAll(() => service.stop());
afterEach(async () => {
  if (manager) await endProcess(manager, 'SIGKILL');
  manager = null;
});

/** How a request ends: its answer or its error, and after how long. */
async function outcomeOf(asked: Promise<unknown>): Promise<{ error?: JobError; tookMs: number }> {
  const startMs = performance.now();
  try {
    await asked;
    return { tookMs: performance.now() - startMs };
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    return { error, tookMs: performance.now() - startMs };
  }
}

describe.each(FRONT_ENDS)('over %s', (way) => {
  let frontEnd: FrontEnd;
  beforeAll(async () => {
    frontEnd = await openFrontEnd(service, way);
  });
  afterAll(() => frontEnd.close());

  test('without a manager the answer is unavailable, at once, and says that nothing was done', async () => {
    for (const [verb, body] of [
      ['create', { type: 'probe' }],
      ['list', {}],
      ['claim', { worker: 'w', types: ['probe'], waitMs: 60_000 }],
    ] as const) {
      const { error, tookMs } = await outcomeOf(frontEnd.ask(verb, body));
      expect(error).toMatchObject({ code: 'unavailable', executed: 'no' });
      expect(tookMs).toBeLessThan(BOUND_MS);
    }
  });

  test('a manager that is suspended hangs nobody: the outcome is unknown in bounded time, and the key finds out', async () => {
    manager = await service.startManager();
    const body = { type: 'probe', idempotencyKey: `asked of a suspended manager over ${way}` };
    manager.kill('SIGSTOP');
    const outcomes = await Promise.all([
      ...Array.from({ length: 20 }, () => outcomeOf(frontEnd.ask('create', body))),
      outcomeOf(frontEnd.ask('list', {})),
    ]);
    manager.kill('SIGCONT');
    for (const { error, tookMs } of outcomes) {
      expect(error?.code).toBe('outcome_unknown');
      expect(tookMs).toBeLessThan(BOUND_MS);
    }
    await expect.poll(async () => (await outcomeOf(frontEnd.ask('create', body))).error).toBeUndefined();
    const { id } = await frontEnd.ask<Job>('create', body);
    const { jobs } = await frontEnd.ask<{ jobs: Job[] }>('list', { limit: 1000 });
    expect(jobs.filter((job) => job.createdAt >= jobs.find((one) => one.id === id)!.createdAt)).toHaveLength(1);
  });

  test('a nats-server that is killed hangs nobody; when it is back the service is, and nothing acknowledged is lost', async () => {
    manager = await service.startManager();
    const acknowledged: Job[] = [];
    const slowest = { tookMs: 0 };
    let writing = true;
    const writers = Array.from({ length: 5 }, async (_, writer) => {
      for (let n = 0; writing; n += 1) {
        const asked = frontEnd.ask<Job>('create', { type: 'probe', idempotencyKey: `${way} ${writer} ${n}` });
        const { error, tookMs } = await outcomeOf(asked.then((job) => acknowledged.push(job)));
        slowest.tookMs = Math.max(slowest.tookMs, tookMs);
        if (error) expect(['unavailable', 'outcome_unknown', 'ask_timeout']).toContain(error.code);
        if (error) await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await expect.poll(() => acknowledged.length).toBeGreaterThan(50);
    await service.nats.kill();
    expect((await outcomeOf(frontEnd.ask('list', {}))).error?.code).toMatch(/unavailable|outcome_unknown/);
    const before = acknowledged.length;
    await service.nats.restart();
    await expect.poll(() => acknowledged.length, { timeout: 15_000 }).toBeGreaterThan(before + 50);
    writing = false;
    await Promise.all(writers);
    expect(slowest.tookMs).toBeLessThan(BOUND_MS);
    for (const { id } of acknowledged) expect(await frontEnd.ask('get', { id })).toMatchObject({ id });
    expect(new Set(acknowledged.map(({ id }) => id)).size).toBe(acknowledged.length);
  });
});
