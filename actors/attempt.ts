import { assign, enqueueActions, fromPromise, setup } from 'xstate';
import type { AttemptSteps, Copied, Lease, Outcome, Renewal, StepRun, Totals } from './attempt-steps.js';
import { JobError } from './errors.js';
import { NO_PROGRESS, type Phase, type Progress, type Verification } from './job.js';

/**
 * One attempt of a transfer in a worker, from the claim to the report:
 *
 *     claimed → preflight → counting → transferring → verifying → reporting → ended
 *
 * Two rules shape it:
 * - Whatever ends an attempt early (pause, cancel, a stopping worker, a lease
 *   that runs low) only aborts the step; the machine goes on when the step has
 *   settled, so nothing is said of an attempt whose child still runs.
 * - Nothing is reported of an attempt whose lease has passed.
 *
 * Times are milliseconds of the clock `steps.now`, which never goes back.
 */

/** The step is stopped when no renewal got through for this part of the lease; the rest is for the child to end in. */
export const LEASE_LOW = 0.6;
const REPEAT_FIRST_MS = 250;
const REPEAT_LAST_MS = 2000;
/** What `release` takes. */
const REASON_CHARS = 200;

export interface AttemptInput {
  /** Whether the copy has to be verified before it is complete. */
  verify: boolean;
  lease: Lease;
  steps: AttemptSteps;
  /** Nothing is run, the job is only given back, for this reason. */
  giveBack?: string;
}

export type AttemptEvent =
  | { type: 'progress'; progress: Partial<Progress> }
  | ({ type: 'renewed' } & Renewal)
  /** The manager says that the attempt is not ours any more. */
  | { type: 'refused'; why: string }
  | { type: 'stop'; reason: string }
  | { type: 'lease.low' }
  | { type: 'lease.end' };

export interface AttemptContext {
  mustVerify: boolean;
  steps: AttemptSteps;
  step: AbortController;
  lease: Lease;
  phase: Phase | null;
  progress: Progress;
  /** One more at every change of phase or progress: tells what was sent from what was not. */
  changes: number;
  totals: Totals;
  copied: Copied;
  /** Why the attempt is being stopped, to be given back. */
  stopReason: string | null;
  /** Why nothing may be reported. */
  lost: string | null;
  outcome: Outcome | null;
  repeats: number;
}

type StepInput = { steps: AttemptSteps; run: StepRun };

const NO_ANSWER = 'no answer from the job manager';
const LEASE_PASSED = `its lease passed: ${NO_ANSWER}`;
const leaseLeft = ({ lease, steps }: AttemptContext, part: number): number =>
  Math.max(0, lease.sentAt + lease.leaseMs * part - steps.now());

/** What a completed job shows: the totals of the copy, not of the check that came after it. */
const finalProgress = ({ totals, copied }: AttemptContext): Progress => ({
  ...NO_PROGRESS,
  percent: 100,
  bytesTransferred: copied.bytesTransferred,
  bytesTotal: totals.bytesTotal,
  filesTransferred: copied.filesTransferred,
  filesTotal: totals.filesTotal,
  etaSeconds: 0,
});

const attemptSetup = setup({
  types: { context: {} as AttemptContext, events: {} as AttemptEvent, input: {} as AttemptInput, tags: {} as 'holding' },
  actors: {
    begin: fromPromise(({ input }: { input: AttemptSteps }) => input.begin()),
    preflight: fromPromise(({ input }: { input: StepInput }) => input.steps.preflight(input.run)),
    count: fromPromise(({ input }: { input: StepInput }) => input.steps.count(input.run)),
    transfer: fromPromise(({ input }: { input: StepInput & { totals: Totals } }) => input.steps.transfer(input.totals, input.run)),
    verify: fromPromise(({ input }: { input: StepInput }) => input.steps.verify(input.run)),
    report: fromPromise(({ input }: { input: { steps: AttemptSteps; outcome: Outcome } }) => input.steps.report(input.outcome)),
    end: fromPromise(({ input }: { input: { steps: AttemptSteps; lost: string | null } }) => input.steps.end(input.lost)),
  },
  actions: {
    enterPhase: assign(({ context }, phase: Phase) => ({ phase, progress: NO_PROGRESS, changes: context.changes + 1 })),
    abort: ({ context }) => context.step.abort(),
    setLease: assign((_, { sentAt, leaseMs }: Lease) => ({ lease: { sentAt, leaseMs } })),
    watchLease: enqueueActions(({ enqueue }) => {
      enqueue.cancel('low');
      enqueue.cancel('end');
      enqueue.raise({ type: 'lease.low' }, { id: 'low', delay: 'untilLow' });
      enqueue.raise({ type: 'lease.end' }, { id: 'end', delay: 'untilEnd' });
    }),
    lose: assign((_, lost: string) => ({ lost })),
    stopFor: assign(({ context }, reason: string) => ({ stopReason: context.stopReason ?? reason })),
    putBack: assign(({ context }) => ({
      outcome: { verb: 'release' as const, reason: (context.stopReason ?? NO_ANSWER).slice(0, REASON_CHARS) },
    })),
    fail: assign(({ context }, error: unknown) => ({
      outcome: { verb: 'fail' as const, progress: context.progress, error: context.steps.explain(error) },
    })),
    complete: assign(({ context }, verification: Verification | null) => ({
      outcome: { verb: 'complete' as const, progress: finalProgress(context), warnings: context.copied.warnings, verification },
    })),
  },
  guards: {
    lost: ({ context }) => context.lost !== null,
    // The timers may be late, as in a process that was suspended: the clock decides.
    stopped: ({ context }) => context.stopReason !== null || leaseLeft(context, LEASE_LOW) === 0,
    nothingToVerify: ({ context }) => !context.mustVerify,
  },
  delays: {
    untilLow: ({ context }) => leaseLeft(context, LEASE_LOW),
    untilEnd: ({ context }) => leaseLeft(context, 1),
    repeat: ({ context }) => Math.min(REPEAT_LAST_MS, REPEAT_FIRST_MS * 2 ** (context.repeats - 1)),
  },
});

const isLost = { guard: 'lost', target: '#attempt.ending' } as const;
const isStopped = { guard: 'stopped', target: '#attempt.reporting', actions: 'putBack' } as const;
const hasFailed = {
  target: '#attempt.reporting',
  actions: { type: 'fail', params: ({ event }: { event: { error: unknown } }) => event.error },
} as const;
const onError = [isLost, isStopped, hasFailed] as const;

const stepInput = ({ context, self }: { context: AttemptContext; self: { send(event: AttemptEvent): void } }): StepInput => ({
  steps: context.steps,
  run: { signal: context.step.signal, onProgress: (progress) => self.send({ type: 'progress', progress }) },
});

const working = attemptSetup.createStateConfig({
  tags: 'holding',
  initial: 'claimed',
  on: {
    progress: {
      actions: assign(({ context, event }) => ({ progress: { ...context.progress, ...event.progress }, changes: context.changes + 1 })),
    },
    renewed: [
      { guard: ({ event }) => event.wanted === 'run', actions: [{ type: 'setLease', params: ({ event }) => event }, 'watchLease'] },
      {
        actions: [
          { type: 'setLease', params: ({ event }) => event },
          'watchLease',
          { type: 'stopFor', params: ({ event }) => event.wanted },
          'abort',
        ],
      },
    ],
    refused: { actions: [{ type: 'lose', params: ({ event }) => event.why }, 'abort'] },
    stop: { actions: [{ type: 'stopFor', params: ({ event }) => event.reason }, 'abort'] },
    'lease.low': { actions: [{ type: 'stopFor', params: NO_ANSWER }, 'abort'] },
    'lease.end': { actions: [{ type: 'lose', params: LEASE_PASSED }, 'abort'] },
  },
  states: {
    claimed: {
      invoke: {
        src: 'begin',
        input: ({ context }) => context.steps,
        onDone: [
          isLost,
          isStopped,
          {
            guard: ({ event }) => event.output.wanted !== 'run',
            target: '#attempt.reporting',
            actions: [{ type: 'stopFor', params: ({ event }) => event.output.wanted }, 'putBack'],
          },
          { target: 'preflight', actions: [{ type: 'setLease', params: ({ event }) => event.output }, 'watchLease'] },
        ],
        onError: [
          isLost,
          isStopped,
          {
            guard: ({ event }) => event.error instanceof JobError,
            target: '#attempt.reporting',
            actions: [{ type: 'stopFor', params: ({ event }) => (event.error as JobError).message }, 'putBack'],
          },
          hasFailed,
        ],
      },
    },
    preflight: {
      entry: { type: 'enterPhase', params: 'preflight' },
      invoke: { src: 'preflight', input: stepInput, onDone: [isLost, isStopped, { target: 'counting' }], onError },
    },
    counting: {
      entry: { type: 'enterPhase', params: 'counting' },
      invoke: {
        src: 'count',
        input: stepInput,
        onDone: [isLost, isStopped, { target: 'transferring', actions: assign(({ event }) => ({ totals: event.output })) }],
        onError,
      },
    },
    transferring: {
      entry: { type: 'enterPhase', params: 'transferring' },
      invoke: {
        src: 'transfer',
        input: ({ context, self }) => ({ ...stepInput({ context, self }), totals: context.totals }),
        onDone: { target: 'copied', actions: assign(({ event }) => ({ copied: event.output })) },
        onError,
      },
    },
    // A copy that was whole before the stop is complete when nothing has to be verified.
    copied: {
      always: [
        isLost,
        { guard: 'nothingToVerify', target: '#attempt.reporting', actions: { type: 'complete', params: null } },
        isStopped,
        { target: 'verifying' },
      ],
    },
    verifying: {
      entry: { type: 'enterPhase', params: 'verifying' },
      invoke: {
        src: 'verify',
        input: stepInput,
        onDone: [isLost, { target: '#attempt.reporting', actions: { type: 'complete', params: ({ event }) => event.output } }],
        onError,
      },
    },
  },
});

/** Said again until the manager has answered or the lease has passed: an attempt's outcome may be repeated, by its number. */
const reporting = attemptSetup.createStateConfig({
  initial: 'asking',
  on: { 'lease.end': { target: 'ending', actions: { type: 'lose', params: LEASE_PASSED } } },
  states: {
    asking: {
      invoke: {
        src: 'report',
        input: ({ context }) => ({ steps: context.steps, outcome: context.outcome ?? { verb: 'release', reason: NO_ANSWER } }),
        onDone: '#attempt.ending',
        onError: { target: 'waiting', actions: assign(({ context }) => ({ repeats: context.repeats + 1 })) },
      },
    },
    waiting: { after: { repeat: 'asking' } },
  },
});

export const attemptMachine = attemptSetup.createMachine({
  id: 'attempt',
  context: ({ input }) => ({
    mustVerify: input.verify,
    steps: input.steps,
    step: new AbortController(),
    lease: input.lease,
    phase: null,
    progress: NO_PROGRESS,
    changes: 0,
    totals: { filesTotal: 0, bytesTotal: 0 },
    copied: { filesTransferred: 0, bytesTransferred: 0, warnings: [] },
    stopReason: input.giveBack ?? null,
    lost: null,
    outcome: null,
    repeats: 0,
  }),
  entry: 'watchLease',
  initial: 'taken',
  states: {
    taken: { always: [isStopped, { target: 'working' }] },
    working,
    reporting,
    ending: {
      invoke: {
        src: 'end',
        input: ({ context }) => ({ steps: context.steps, lost: context.lost }),
        onDone: 'ended',
        onError: 'ended',
      },
    },
    ended: { type: 'final' },
  },
});
