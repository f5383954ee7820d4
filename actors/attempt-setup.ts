import { assign, enqueueActions, fromPromise, setup } from 'xstate';
import type { AttemptSteps, Copied, Lease, Outcome, Renewal, StepRun, Totals } from './attempt-steps.js';
import { NO_PROGRESS, type Phase, type Progress, type Verification } from './job.js';

/** What the machine of an attempt (`attempt.ts`) is made of: what it knows, hears, does and asks. */

/** The step is stopped when no renewal got through for this part of the lease; the rest is for the child to end in. */
export const LEASE_LOW = 0.6;
const REPEAT_FIRST_MS = 250;
const REPEAT_LAST_MS = 2000;
/** What `release` takes. */
const REASON_CHARS = 200;

export interface AttemptInput {
  /** Whether the copy has to be verified before it is complete. */
  verify: boolean;
  /** False when both sides are only compared. */
  copy: boolean;
  /** Whether files of the source are deleted once they are proved to be copied. */
  deleteSource: boolean;
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
  mustCopy: boolean;
  mustDelete: boolean;
  steps: AttemptSteps;
  step: AbortController;
  lease: Lease;
  phase: Phase | null;
  progress: Progress;
  /** One more at every change of phase or progress: tells what was sent from what was not. */
  changes: number;
  totals: Totals;
  copied: Copied;
  verification: Verification | null;
  /** Why the attempt is being stopped, to be given back. */
  stopReason: string | null;
  /** Why nothing may be reported. */
  lost: string | null;
  outcome: Outcome | null;
  repeats: number;
}

type StepInput = { steps: AttemptSteps; run: StepRun };

export const NO_ANSWER = 'no answer from the job manager';
export const LEASE_PASSED = `its lease passed: ${NO_ANSWER}`;
const leaseLeft = ({ lease, steps }: AttemptContext, part: number): number =>
  Math.max(0, lease.sentAt + lease.leaseMs * part - steps.now());

/** What a completed job shows: the totals of the copy, not of the check that came after it. */
const finalProgress = ({ mustCopy, progress, totals, copied }: AttemptContext): Progress =>
  mustCopy ? copiedProgress(totals, copied) : { ...progress, percent: 100, etaSeconds: 0, currentFile: null };

const copiedProgress = (totals: Totals, copied: Copied): Progress => ({
  ...NO_PROGRESS,
  percent: 100,
  bytesTransferred: copied.bytesTransferred,
  // The source may have grown since it was counted, or more could be read.
  bytesTotal: Math.max(totals.bytesTotal, copied.bytesTransferred),
  filesTransferred: copied.filesTransferred,
  filesTotal: Math.max(totals.filesTotal, copied.filesTransferred),
  etaSeconds: 0,
});

export const attemptSetup = setup({
  types: {
    context: {} as AttemptContext,
    events: {} as AttemptEvent,
    emitted: {} as { type: 'reporting' },
    input: {} as AttemptInput,
    tags: {} as 'holding',
  },
  actors: {
    begin: fromPromise(({ input }: { input: AttemptSteps }) => input.begin()),
    preflight: fromPromise(({ input }: { input: StepInput }) => input.steps.preflight(input.run)),
    count: fromPromise(({ input }: { input: StepInput }) => input.steps.count(input.run)),
    transfer: fromPromise(({ input }: { input: StepInput & { totals: Totals } }) => input.steps.transfer(input.totals, input.run)),
    verify: fromPromise(({ input }: { input: StepInput }) => input.steps.verify(input.run)),
    deleteSource: fromPromise(({ input }: { input: StepInput }) => input.steps.deleteSource(input.run)),
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
    keepProof: assign(({ context }, proof: Verification | null) => ({ verification: proof ?? context.verification })),
    complete: assign(({ context }) => ({
      outcome: {
        verb: 'complete' as const,
        progress: finalProgress(context),
        warnings: context.copied.warnings,
        verification: context.verification,
      },
    })),
  },
  guards: {
    lost: ({ context }) => context.lost !== null,
    // The timers may be late, as in a process that was suspended: the clock decides.
    stopped: ({ context }) => context.stopReason !== null || leaseLeft(context, LEASE_LOW) === 0,
    nothingToProve: ({ context }) => !context.mustVerify && !context.mustDelete,
    nothingToCopy: ({ context }) => !context.mustCopy,
    nothingToVerify: ({ context }) => !context.mustVerify,
    nothingToDelete: ({ context }) => !context.mustDelete,
  },
  delays: {
    untilLow: ({ context }) => leaseLeft(context, LEASE_LOW),
    untilEnd: ({ context }) => leaseLeft(context, 1),
    repeat: ({ context }) => Math.min(REPEAT_LAST_MS, REPEAT_FIRST_MS * 2 ** (context.repeats - 1)),
  },
});

export const isLost = { guard: 'lost', target: '#attempt.ending' } as const;
export const isStopped = { guard: 'stopped', target: '#attempt.reporting', actions: 'putBack' } as const;
export const hasFailed = {
  target: '#attempt.reporting',
  actions: { type: 'fail', params: ({ event }: { event: { error: unknown } }) => event.error },
} as const;
export const onError = [isLost, isStopped, hasFailed] as const;

export const stepInput = ({ context, self }: { context: AttemptContext; self: { send(event: AttemptEvent): void } }): StepInput => ({
  steps: context.steps,
  run: { signal: context.step.signal, onProgress: (progress) => self.send({ type: 'progress', progress }) },
});
