import { beforeEach, describe, expect, it } from 'vitest';
import { SimulatedClock, createActor, type Actor } from 'xstate';
import { transferOptionsSchema, type Job } from '../../actors/job.js';
import {
  WORKER_RESTARTED,
  WORKER_STOPS,
  workerMachine,
  type Claimed,
  type Update,
  type Verdict,
  type WorkerInput,
} from '../../actors/worker.js';
import { FakeSteps, LEASE_MS, pass, settle } from './simulated.js';
import { sampleJob } from '../support/sample-job.js';

const jobOf = (id: string): Job =>
  sampleJob({
    id,
    type: 'rsync',
    source: '/source/',
    destination: '/destination/',
    options: transferOptionsSchema.parse({}),
    status: 'running',
    attempt: 1,
    worker: 'w/1',
    version: 2,
  });

let clock: SimulatedClock;
let steps: Map<string, FakeSteps>;
let waiting: string[];
let claims: number;
let onClaim: () => Promise<Claimed | null>;
let requests: { at: number; updates: Update[] }[];
let onProgress: (updates: Update[]) => Promise<Verdict[]>;
let actor: Actor<typeof workerMachine>;

const renewed = (wanted: Job['wanted'] = 'run') => ({ sentAt: clock.now(), leaseMs: LEASE_MS, wanted });
const stepsOf = (id: string): FakeSteps => {
  const made = steps.get(id) ?? new FakeSteps(clock);
  steps.set(id, made);
  return made;
};
const never = new Promise<never>(() => undefined);

async function start(input: Partial<WorkerInput> = {}): Promise<void> {
  const ports = {
    now: () => clock.now(),
    claim: () => {
      claims++;
      return onClaim();
    },
    progress: (updates: Update[]) => {
      requests.push({ at: clock.now(), updates });
      return onProgress(updates);
    },
    stepsOf: ({ id }: Job) => stepsOf(id),
    stepsOfLeftover: ({ id }: { id: string }) => stepsOf(id),
  };
  actor = createActor(workerMachine, { clock, input: { slots: 2, leftovers: [], leaseMs: LEASE_MS, ports, ...input } }).start();
  await settle();
}

async function toTransfer(id: string): Promise<FakeSteps> {
  const of = stepsOf(id);
  of.preflightGate.open();
  of.countGate.open({ filesTotal: 1, bytesTotal: 1 });
  await settle();
  return of;
}

beforeEach(() => {
  clock = new SimulatedClock();
  steps = new Map();
  waiting = [];
  claims = 0;
  requests = [];
  onClaim = () => {
    const id = waiting.shift();
    return id === undefined ? never : Promise.resolve({ job: jobOf(id), lease: { sentAt: clock.now(), leaseMs: LEASE_MS } });
  };
  onProgress = (updates) => Promise.resolve(updates.map(() => renewed()));
});

describe('A worker claims', () => {
  it('as many jobs as it has slots, and the next when one has ended', async () => {
    waiting = ['a', 'b', 'c'];
    await start();
    expect([...steps.keys()]).toEqual(['a', 'b']);
    expect(claims).toBe(2);
    const a = await toTransfer('a');
    a.transferGate.open({ filesTransferred: 1, bytesTransferred: 1, warnings: [] });
    await settle();
    expect(a.reports).toMatchObject([{ verb: 'complete' }]);
    expect([...steps.keys()]).toEqual(['a', 'b', 'c']);
  });

  it('the next while the end of one is being reported, but not many more than it has slots', async () => {
    waiting = ['a', 'b', 'c', 'd', 'e', 'f'];
    await start();
    for (const id of ['a', 'b', 'c', 'd']) {
      stepsOf(id).reportWaits = never;
      (await toTransfer(id)).transferGate.open({ filesTransferred: 1, bytesTransferred: 1, warnings: [] });
      await settle();
    }
    expect(stepsOf('d').reports).toMatchObject([{ verb: 'complete' }]);
    expect(waiting).toEqual(['e', 'f']);
  });

  it('and forgets each that has ended: it may run a million of them', async () => {
    waiting = ['a', 'b', 'c', 'd', 'e'];
    await start({ slots: 1 });
    for (const id of ['a', 'b', 'c', 'd']) {
      (await toTransfer(id)).transferGate.open({ filesTransferred: 1, bytesTransferred: 1, warnings: [] });
      await settle();
    }
    expect(Object.keys(actor.getSnapshot().children).filter((id) => id.includes('/'))).toEqual(['e/1']);
  });

  it('with a pause when there is nothing, and longer ones when there is no manager', async () => {
    onClaim = () => Promise.resolve(null);
    await start();
    await pass(clock, 1000);
    expect(claims).toBeLessThanOrEqual(11);
    onClaim = () => Promise.reject(new Error('no manager'));
    await pass(clock, 2000);
    claims = 0;
    await pass(clock, 20_000);
    expect(claims).toBeLessThanOrEqual(10);
    expect(claims).toBeGreaterThan(5);
  });
});

describe('A worker tells the manager of its attempts', () => {
  beforeEach(async () => {
    waiting = ['a', 'b'];
    await start();
    await Promise.all([toTransfer('a'), toTransfer('b')]);
    await pass(clock, 250);
    requests = [];
  });

  it('in one request for all, at most four times a second, with the newest of each', async () => {
    for (let turn = 1; turn <= 20; turn++) {
      stepsOf('a').transferGate.run?.onProgress({ percent: turn });
      stepsOf('b').transferGate.run?.onProgress({ percent: turn * 2 });
      await pass(clock, 50);
    }
    expect(requests).toHaveLength(4);
    expect(requests.at(-1)?.updates).toMatchObject([
      { id: 'a', attempt: 1, phase: 'transferring', progress: { percent: 20 } },
      { id: 'b', attempt: 1, phase: 'transferring', progress: { percent: 40 } },
    ]);
  });

  it('with a mere sign of life when nothing changed, so that their leases go on', async () => {
    await pass(clock, LEASE_MS * 3);
    expect(requests.length).toBeGreaterThanOrEqual(12);
    expect(requests.every(({ updates }) => updates.every((update) => !('progress' in update) && !('phase' in update)))).toBe(true);
    expect(stepsOf('a').transferGate.aborted).toBe(false);
  });

  it('again when the request failed', async () => {
    onProgress = () => Promise.reject(new Error('no manager'));
    stepsOf('a').transferGate.run?.onProgress({ percent: 7 });
    await pass(clock, 1000);
    onProgress = (updates) => Promise.resolve(updates.map(() => renewed()));
    requests = [];
    await pass(clock, 250);
    expect(requests[0]?.updates[0]).toMatchObject({ id: 'a', progress: { percent: 7 } });
  });

  it('and stops each that is to be paused or is not its own any more, and no other', async () => {
    onProgress = (updates) => Promise.resolve(updates.map(({ id }) => (id === 'a' ? renewed('pause') : renewed())));
    await pass(clock, 1250);
    expect(stepsOf('a').transferGate.aborted).toBe(true);
    expect(stepsOf('b').transferGate.aborted).toBe(false);
    onProgress = (updates) => Promise.resolve(updates.map(() => ({ refused: 'The attempt has expired.' })));
    stepsOf('a').transferGate.fail(new Error('stopped'));
    await pass(clock, 1250);
    stepsOf('b').transferGate.fail(new Error('stopped'));
    await settle();
    expect(stepsOf('a').reports).toEqual([{ verb: 'release', reason: 'pause' }]);
    expect(stepsOf('b')).toMatchObject({ reports: [], lost: 'The attempt has expired.' });
  });

  it('or stops them before their leases end when the manager is silent', async () => {
    onProgress = () => Promise.reject(new Error('no manager'));
    await pass(clock, LEASE_MS * 0.6);
    expect([stepsOf('a').transferGate.aborted, stepsOf('b').transferGate.aborted]).toEqual([true, true]);
  });
});

describe('A worker that stops', () => {
  it('claims no more, stops its engines, gives every job back and is done', async () => {
    waiting = ['a'];
    await start({ slots: 1 });
    const a = await toTransfer('a');
    actor.send({ type: 'stop' });
    await settle();
    waiting = ['b'];
    expect(a.transferGate.aborted).toBe(true);
    expect(actor.getSnapshot().status).toBe('active');
    a.transferGate.fail(new Error('stopped'));
    await pass(clock, 250);
    expect(a.reports).toEqual([{ verb: 'release', reason: WORKER_STOPS }]);
    expect(actor.getSnapshot().status).toBe('done');
    expect(waiting).toEqual(['b']);
  });

  it('first waits for the claim under way, since that would get the jobs that are given back', async () => {
    let answer: (claimed: Claimed | null) => void = () => undefined;
    waiting = ['a'];
    const fromList = onClaim;
    onClaim = () => (waiting.length > 0 ? fromList() : new Promise((resolve) => (answer = resolve)));
    await start();
    const a = await toTransfer('a');
    actor.send({ type: 'stop' });
    await settle();
    expect(a.transferGate.aborted).toBe(false);
    answer(null);
    await settle();
    expect(a.transferGate.aborted).toBe(true);
  });

  it('does not wait for ever for a manager that is gone', async () => {
    waiting = ['a'];
    await start();
    const a = await toTransfer('a');
    actor.send({ type: 'stop' });
    await pass(clock, 2000);
    expect(a.transferGate.aborted).toBe(true);
  });

  it('gives back a job that it was given meanwhile, and runs nothing of it', async () => {
    let answer: (claimed: Claimed) => void = () => undefined;
    onClaim = () => new Promise((resolve) => (answer = resolve));
    await start();
    actor.send({ type: 'stop' });
    await settle();
    expect(actor.getSnapshot().status).toBe('active');
    answer({ job: jobOf('late'), lease: { sentAt: clock.now(), leaseMs: LEASE_MS } });
    await pass(clock, 250);
    expect(stepsOf('late').reports).toEqual([{ verb: 'release', reason: WORKER_STOPS }]);
    expect(stepsOf('late').preflightGate.run).toBeNull();
    expect(actor.getSnapshot().status).toBe('done');
  });
});

describe('A worker that starts', () => {
  it('gives back at once what an earlier run left', async () => {
    await start({ leftovers: [{ id: 'old', attempt: 3 }] });
    expect(stepsOf('old').reports).toEqual([{ verb: 'release', reason: WORKER_RESTARTED }]);
    expect(stepsOf('old')).toMatchObject({ ended: true, lost: null });
  });
});
