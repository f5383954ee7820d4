import { SimulatedClock, createActor } from 'xstate';
import { attemptMachine } from '../../actors/attempt.js';
import type { AttemptInput } from '../../actors/attempt-setup.js';
import type { AttemptSteps, Copied, Outcome, Renewal, StepRun, Totals } from '../../actors/attempt-steps.js';
import type { Verification } from '../../actors/job.js';

export const LEASE_MS = 10_000;
export const VERIFIED: Verification = { method: 'checksum', algorithm: 'xxh128', filesExpected: 2, filesEqual: 2, mismatches: 0 };

/** A promise that the spec settles, and whether somebody waits for it. */
export class Gate<T> {
  run: StepRun | null = null;
  open!: (value: T) => void;
  fail!: (error: unknown) => void;
  readonly #settled = new Promise<T>((resolve, reject) => {
    this.open = resolve;
    this.fail = reject;
  });
  readonly pass = (run: StepRun): Promise<T> => {
    this.run = run;
    return this.#settled;
  };
  get aborted(): boolean {
    return this.run?.signal.aborted ?? false;
  }
}

/** Steps that do nothing until the spec lets them. */
export class FakeSteps implements AttemptSteps {
  readonly clock: SimulatedClock;
  /** How far the clock is ahead of its timers, as after a suspension. */
  aheadMs = 0;
  wanted: Renewal['wanted'] = 'run';
  readonly preflightGate = new Gate<void>();
  readonly countGate = new Gate<Totals>();
  readonly transferGate = new Gate<Copied>();
  readonly verifyGate = new Gate<Verification>();
  readonly deleteGate = new Gate<Verification | null>();
  readonly reports: Outcome[] = [];
  /** What the next reports reject with. */
  refusals: Error[] = [];
  /** A report does not settle before it. */
  reportWaits: Promise<void> | null = null;
  beginError: Error | null = null;
  lost: string | null = null;
  ended = false;

  constructor(clock: SimulatedClock) {
    this.clock = clock;
  }

  readonly now = () => this.clock.now() + this.aheadMs;
  begin = (): Promise<Renewal> =>
    this.beginError ? Promise.reject(this.beginError) : Promise.resolve({ sentAt: this.now(), leaseMs: LEASE_MS, wanted: this.wanted });
  preflight = (run: StepRun) => this.preflightGate.pass(run);
  count = (run: StepRun) => this.countGate.pass(run);
  transfer = (_totals: Totals, run: StepRun) => this.transferGate.pass(run);
  verify = (run: StepRun) => this.verifyGate.pass(run);
  deleteSource = (run: StepRun) => this.deleteGate.pass(run);
  explain = (error: unknown) => ({
    code: 'disk_full',
    message: error instanceof Error ? error.message : String(error),
    exitCode: 11,
    retriable: false,
    advice: null,
  });
  report = async (outcome: Outcome): Promise<void> => {
    this.reports.push(outcome);
    await this.reportWaits;
    const refusal = this.refusals.shift();
    if (refusal) throw refusal;
  };
  end = (lost: string | null): Promise<void> => {
    this.lost = lost;
    this.ended = true;
    return Promise.resolve();
  };
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Moves the clock on in small steps, so that everything happens in its time. */
export async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    clock.increment(Math.min(50, left));
    await settle();
  }
}

/** An attempt under a simulated clock, brought to the transfer unless told otherwise. */
export async function startAttempt(input: Partial<AttemptInput> = {}, prepare: (steps: FakeSteps) => void = () => undefined) {
  const clock = new SimulatedClock();
  const steps = new FakeSteps(clock);
  prepare(steps);
  const actor = createActor(attemptMachine, {
    clock,
    input: { copy: true, verify: false, deleteSource: false, lease: { sentAt: steps.now(), leaseMs: LEASE_MS }, steps, ...input },
  }).start();
  await settle();
  return {
    clock,
    steps,
    actor,
    phase: () => actor.getSnapshot().context.phase,
    progress: () => actor.getSnapshot().context.progress,
    renew: (wanted: Renewal['wanted'] = 'run') => actor.send({ type: 'renewed', sentAt: steps.now(), leaseMs: LEASE_MS, wanted }),
    async toTransfer() {
      steps.preflightGate.open();
      steps.countGate.open({ filesTotal: 2, bytesTotal: 100 });
      await settle();
    },
  };
}
