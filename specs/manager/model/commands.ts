import fc from 'fast-check';
import { expect } from 'vitest';
import { JobError, type ErrorCode } from '../../../actors/errors.js';
import type { Job } from '../../../actors/job.js';
import type { Verb } from '../../../actors/requests.js';
import type { Schedule } from '../../../actors/schedule.js';
import type { Answers } from '../../../src/answers.js';
import type { FrontEnd } from '../../support/front-ends.js';
import { commanded, ended, isFinished, nextInQueue, pick, seenBy, type Model, type ModelJob, type ModelVerb } from './model.js';

/** The service as a run uses it. Jobs of one run have a type of their own, so that runs do not see each other. */
export interface Real {
  type: string;
  frontEnds: readonly FrontEnd[];
  restartManager(): Promise<void>;
}

export const MAX_RETRIES = 1;

type Run = (model: Model, ask: FrontEnd['ask'], real: Real) => Promise<void>;
type Command = fc.AsyncCommand<Model, Real>;

/** A command that is always allowed: what it may not do, the service has to refuse. */
const command = (name: string, way: number, run: Run): Command => ({
  check: () => true,
  run: (model, real) => run(model, real.frontEnds[way % real.frontEnds.length]!.ask, real),
  toString: () => `${name} by way ${way}`,
});

async function expectRefusal(asked: Promise<unknown>, code: ErrorCode): Promise<void> {
  await expect(asked).rejects.toSatisfy((error) => error instanceof JobError && error.code === code && error.executed === 'no');
}

/** Takes over what the model says the job is now, after the service has said the same. */
function agree(model: Model, id: string, told: Job, expected: ModelJob): void {
  expect(seenBy(told)).toEqual(expected);
  model.jobs.set(id, expected);
}

const way = fc.nat(2);
const number = fc.nat(30);

const freshJob = (name: string) => ({ wanted: 'run', version: 1, attempt: 0, retries: 0, name, percent: null, delayed: false }) as const;

const create = fc.tuple(way, fc.boolean(), fc.integer({ min: -1, max: 1 }), fc.option(fc.nat(2))).map(([by, start, priority, key]) =>
  command(`create ${start ? 'queued' : 'pending'} priority ${priority} key ${key}`, by, async (model, ask, { type }) => {
    const idempotencyKey = key === null ? undefined : `${type} ${key}`;
    const body = { type, start, priority, options: { maxRetries: MAX_RETRIES }, ...(idempotencyKey && { idempotencyKey }) };
    const known = idempotencyKey && model.keys.get(idempotencyKey);
    if (known) {
      const { bodies, id } = JSON.parse(known) as { bodies: string; id: string };
      if (bodies !== JSON.stringify([start, priority])) return expectRefusal(ask('create', body), 'idempotency_conflict');
      if (!model.jobs.has(id)) return expectRefusal(ask('create', body), 'job_not_found');
      expect((await ask<Job>('create', body)).id).toBe(id);
      return;
    }
    const job = await ask<Job>('create', body);
    expect([...model.jobs.keys()].every((id) => id < job.id)).toBe(true);
    if (idempotencyKey) model.keys.set(idempotencyKey, JSON.stringify({ bodies: JSON.stringify([start, priority]), id: job.id }));
    const status = start ? 'queued' : 'pending';
    agree(model, job.id, job, { ...freshJob(type), status, priority });
  }),
);

const update = fc.tuple(way, number, fc.constantFrom('none', 'right', 'wrong')).map(([by, n, condition]) =>
  command(`update #${n} if-version ${condition}`, by, async (model, ask) => {
    const id = pick(model, n);
    const job = model.jobs.get(id);
    const ifVersion = (job?.version ?? 1) + (condition === 'wrong' ? 1 : 0);
    const name = `name ${n}`;
    const asked = ask<Job>('update', { id, name, ...(condition === 'none' ? {} : { ifVersion }) });
    if (!job) return expectRefusal(asked, 'job_not_found');
    if (condition === 'wrong') return expectRefusal(asked, 'version_conflict');
    agree(model, id, await asked, { ...job, name, version: job.version + 1 });
  }),
);

const VERBS = ['start', 'pause', 'resume', 'cancel', 'retry'] as const satisfies ModelVerb[];

const steer = fc.tuple(way, number, fc.constantFrom(...VERBS)).map(([by, n, verb]) =>
  command(`${verb} #${n}`, by, async (model, ask) => {
    const id = pick(model, n);
    const job = model.jobs.get(id);
    const asked = ask<Job>(verb, { id });
    if (!job) return expectRefusal(asked, 'job_not_found');
    const next = commanded(job, verb);
    if (!next) return expectRefusal(asked, 'illegal_transition');
    agree(model, id, await asked, next);
  }),
);

const steerMany = fc
  .tuple(way, fc.uniqueArray(number, { minLength: 1, maxLength: 6 }), fc.constantFrom(...VERBS))
  .map(([by, numbers, verb]) =>
    command(`${verb} of ${numbers.join()}`, by, async (model, ask) => {
      const ids = [...new Set([...numbers.map((n) => pick(model, n)), 'nobody'])];
      const { results } = await ask<{ results: { id: string; job?: Job; error?: { code: string } }[] }>(verb, { ids });
      expect(results.map(({ id }) => id)).toEqual(ids);
      for (const { id, job, error } of results) {
        const before = model.jobs.get(id);
        const next = before && commanded(before, verb);
        if (next && job) agree(model, id, job, next);
        else expect(error?.code).toBe(before ? 'illegal_transition' : 'job_not_found');
      }
    }),
  );

const remove = fc.tuple(way, number).map(([by, n]) =>
  command(`delete #${n}`, by, async (model, ask) => {
    const id = pick(model, n);
    const asked = ask('delete', { id });
    const job = model.jobs.get(id);
    if (!job) return expectRefusal(asked, 'job_not_found');
    if (job.status === 'running') return expectRefusal(asked, 'illegal_transition');
    expect(await asked).toEqual({ deleted: [id] });
    model.jobs.delete(id);
  }),
);

const cleanup = way.map((by) =>
  command('cleanup', by, async (model, ask) => {
    const finished = [...model.jobs].filter(([, job]) => isFinished(job)).map(([id]) => id);
    const { ids } = await ask<Answers['cleanup']>('cleanup', {});
    expect(ids).toEqual(expect.arrayContaining(finished));
    for (const id of finished) model.jobs.delete(id);
  }),
);

const template = fc.tuple(way, number, fc.constantFrom('create', 'update', 'run', 'run', 'delete')).map(([by, n, what]) =>
  command(`${what} template #${n}`, by, async (model, ask, { type }) => {
    const ids = [...model.templates.keys()];
    const id = ids[n % ids.length] ?? 'nobody';
    const known = model.templates.get(id);
    if (what === 'create') {
      const job = { type, options: { maxRetries: MAX_RETRIES } };
      const made = await ask<Schedule>('schedule_create', { name: type, job });
      model.templates.set(made.id, { name: type, version: 1, runs: 0 });
    } else if (!known) {
      return expectRefusal(ask(`schedule_${what}`, { id }), 'schedule_not_found');
    } else if (what === 'update') {
      await ask('schedule_update', { id, name: `name ${n}`, ifVersion: known.version });
      model.templates.set(id, { ...known, name: `name ${n}`, version: known.version + 1 });
    } else if (what === 'delete') {
      await ask('schedule_delete', { id, ifVersion: known.version });
      model.templates.delete(id);
    } else {
      const job = await ask<Job>('schedule_run', { id });
      agree(model, job.id, job, { ...freshJob(known.name), status: 'queued', priority: 0 });
      model.templates.set(id, { ...known, version: known.version + 1, runs: known.runs + 1 });
    }
    for (const [each, expected] of model.templates) expect(await ask('schedule_get', { id: each })).toMatchObject(expected);
  }),
);

const claim = way.map((by) =>
  command('claim', by, async (model, ask, { type }) => {
    const { job } = await ask<Answers['claim']>('claim', { worker: 'model/1', types: [type] });
    // On a slow machine the time of a retry may have come.
    const due = model.jobs.get(job?.id ?? '');
    if (job && due) model.jobs.set(job.id, { ...due, delayed: false });
    const next = nextInQueue(model);
    expect(job?.id ?? null).toBe(next);
    if (!job || !next) return;
    const before = model.jobs.get(next)!;
    const attempt = before.attempt + 1;
    agree(model, next, job, { ...before, status: 'running', wanted: 'run', attempt, percent: null, version: before.version + 1 });
  }),
);

const progress = fc.tuple(way, number, fc.nat(100)).map(([by, n, percent]) =>
  command(`progress #${n} ${percent} %`, by, async (model, ask) => {
    const id = pick(model, n);
    const job = model.jobs.get(id);
    const asked = ask<Job>('progress', { id, ...(job?.attempt && { attempt: job.attempt }), progress: { percent } });
    if (!job) return expectRefusal(asked, 'job_not_found');
    if (job.attempt > 0 && job.status !== 'running') return expectRefusal(asked, 'attempt_expired');
    if (isFinished(job)) return expectRefusal(asked, 'illegal_transition');
    const risen = job.percent === null || percent > job.percent;
    agree(model, id, await asked, risen ? { ...job, percent, version: job.version + 1 } : job);
  }),
);

const END_BODIES = {
  complete: ['complete', {}],
  release: ['release', {}],
  fail: ['fail', { error: { code: 'broken', message: 'it broke' } }],
  failForNow: ['fail', { error: { code: 'network', message: 'gone', retriable: true } }],
} as const satisfies Record<string, readonly [Verb, object]>;

const end = fc.tuple(way, number, fc.constantFrom('complete', 'release', 'fail', 'failForNow'), fc.boolean()).map(([by, n, how, stale]) =>
  command(`${how} #${n}${stale ? ' by a stale attempt' : ''}`, by, async (model, ask) => {
    const id = pick(model, n);
    const job = model.jobs.get(id);
    const attempt = (job?.attempt ?? 0) + (stale ? 1 : 0) || 1;
    const [verb, body] = END_BODIES[how];
    const asked = ask<Job>(verb, { id, attempt, ...body });
    if (!job) return expectRefusal(asked, 'job_not_found');
    if (job.status !== 'running' || job.attempt !== attempt) return expectRefusal(asked, 'attempt_expired');
    agree(model, id, await asked, ended(job, how, MAX_RETRIES));
  }),
);

async function expectSameJobs(model: Model, ask: FrontEnd['ask'], type: string): Promise<void> {
  const { jobs, total } = await ask<Answers['list']>('list', { type, sort: 'createdAt', limit: 1000 });
  expect(total).toBe(model.jobs.size);
  expect(jobs.map((job) => [job.id, seenBy(job)])).toEqual([...model.jobs]);
}

const list = way.map((by) => command('list', by, (model, ask, { type }) => expectSameJobs(model, ask, type)));

const restart = way.map((by) =>
  command('restart the manager', by, async (model, ask, real) => {
    await real.restartManager();
    await expectSameJobs(model, ask, real.type);
  }),
);

/** Sequences of commands; what makes jobs and ends attempts comes more often. */
export const commandSequences = fc.commands(
  [
    create,
    create,
    template,
    template,
    update,
    steer,
    steer,
    steerMany,
    remove,
    cleanup,
    claim,
    claim,
    claim,
    progress,
    end,
    end,
    list,
    restart,
  ],
  { maxCommands: 60, size: 'max' },
);
