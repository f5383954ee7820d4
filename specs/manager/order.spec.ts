import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import { JobError } from '../../actors/errors.js';
import type { Answers } from '../../src/answers.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let frontEnds: FrontEnd[];
beforeAll(async () => {
  service = await startTestService();
  frontEnds = await Promise.all([...FRONT_ENDS, ...FRONT_ENDS, ...FRONT_ENDS].map((way) => openFrontEnd(service, way)));
});
afterAll(async () => {
  for (const frontEnd of frontEnds) await frontEnd.close();
  await service.stop();
});

/** One command or read of one job, as its caller saw it. */
interface Seen {
  sentAtMs: number;
  answeredAtMs: number;
  changes: boolean;
  job: Job;
}

const VERBS = ['update', 'pause', 'resume', 'cancel', 'retry', 'get', 'list'] as const;

/** Random commands and reads of a few jobs, one after the other, until `operations` are done. */
async function use({ ask }: FrontEnd, ids: readonly string[], seen: Map<string, Seen[]>, operations: number): Promise<void> {
  for (let n = 0; n < operations; n += 1) {
    const id = ids[Math.floor(Math.random() * ids.length)]!;
    const verb = VERBS[Math.floor(Math.random() * VERBS.length)]!;
    const sentAtMs = performance.now();
    const note = (job: Job, changes: boolean) => seen.get(job.id)?.push({ sentAtMs, answeredAtMs: performance.now(), changes, job });
    try {
      if (verb === 'list') for (const job of (await ask<Answers['list']>('list', {})).jobs) note(job, false);
      else note(await ask<Job>(verb, verb === 'update' ? { id, name: `name ${n}` } : { id }), verb !== 'get');
    } catch (error) {
      if (!(error instanceof JobError) || error.code !== 'illegal_transition') throw error;
    }
  }
}

test('there is one order of the changes of a job, gapless and the same for every front end, and no read goes back in it', async () => {
  const ids = await Promise.all(Array.from({ length: 3 }, async () => (await service.client.create({ type: 'ordered' })).id));
  const seen = new Map(ids.map((id) => [id, [] as Seen[]]));
  await Promise.all(frontEnds.map((frontEnd) => use(frontEnd, ids, seen, 300)));
  for (const [id, all] of seen) {
    const last = await service.client.get(id);
    const changes = all.filter((one) => one.changes);
    expect(changes.map(({ job }) => job.version).sort((a, b) => a - b)).toEqual(changes.map((_, n) => n + 2));
    expect(last.version).toBe(changes.length + 1);
    const stateAt = new Map(changes.map(({ job }) => [job.version, job]));
    for (const { job } of all) if (job.version > 1) expect(job).toEqual(stateAt.get(job.version));
    expectInOrder(all);
  }
});

/** Whatever was sent after an answer had come knows at least what that answer knew. */
function expectInOrder(all: readonly Seen[]): void {
  const bySending = [...all].sort((a, b) => a.sentAtMs - b.sentAtMs);
  const byAnswer = [...all].sort((a, b) => a.answeredAtMs - b.answeredAtMs);
  let answered = 0;
  let known = 0;
  for (const one of bySending) {
    for (let next = byAnswer[answered]; next && next.answeredAtMs < one.sentAtMs; next = byAnswer[answered]) {
      known = Math.max(known, next.job.version);
      answered += 1;
    }
    expect(one.job.version).toBeGreaterThanOrEqual(one.changes ? known + 1 : known);
  }
}

test('a list is one moment of all jobs, and one of a later journal sequence knows no less', async () => {
  const made = await service.client.ask('create_many', { jobs: Array.from({ length: 20 }, () => ({ type: 'moment' })) });
  const ids = made.jobs.map(({ id }) => id);
  let writing = true;
  const writers = Promise.all(
    frontEnds.slice(0, 3).map(async ({ ask }) => {
      // All twenty change in one request: no list may show some of them changed and others not.
      for (let n = 0; n < 60; n += 1) await ask(n % 2 === 0 ? 'pause' : 'resume', { ids });
    }),
  ).finally(() => (writing = false));
  const lists: { seq: number; version: number }[] = [];
  const readers = frontEnds.slice(3).map(async ({ ask }) => {
    while (writing) {
      const { jobs, seq } = await ask<Answers['list']>('list', { type: 'moment' });
      const versions = new Set(jobs.map(({ version }) => version));
      expect([jobs.length, versions.size]).toEqual([20, 1]);
      lists.push({ seq, version: Math.max(...versions) });
    }
  });
  await Promise.all([writers, ...readers]);
  expect(new Set(lists.map(({ seq }) => seq)).size).toBeGreaterThan(10);
  // The changes of the round that a list was decided in are in it, and come again after its `seq`: never the other way round.
  const newestBySeq = new Map<number, number>();
  for (const { seq, version } of lists) newestBySeq.set(seq, Math.max(version, newestBySeq.get(seq) ?? 0));
  for (const { seq, version } of lists) {
    for (const [earlier, newest] of newestBySeq) if (earlier < seq) expect(version).toBeGreaterThanOrEqual(newest);
  }
});
