import { assign, emit } from 'xstate';
import { LEASE_PASSED, NO_ANSWER, attemptSetup, hasFailed, isLost, isStopped, onError, stepInput } from './attempt-setup.js';
import { JobError } from './errors.js';
import { NO_PROGRESS } from './job.js';

/**
 * One attempt of a transfer in a worker, from the claim to the report:
 *
 *     claimed → preflight → counting → transferring → verifying → deleting → reporting → ended
 *
 * Two rules shape it:
 * - Whatever ends an attempt early (pause, cancel, a stopping worker, a lease
 *   that runs low) only aborts the step; the machine goes on when the step has
 *   settled, so nothing is said of an attempt whose child still runs.
 * - Nothing is reported of an attempt whose lease has passed.
 *
 * Times are milliseconds of the clock `steps.now`, which never goes back.
 */

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
      invoke: {
        src: 'preflight',
        input: stepInput,
        onDone: [isLost, isStopped, { guard: 'nothingToCopy', target: 'verifying' }, { target: 'counting' }],
        onError,
      },
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
        { guard: 'nothingToProve', target: '#attempt.reporting', actions: 'complete' },
        isStopped,
        { guard: 'nothingToVerify', target: 'deleting' },
        { target: 'verifying' },
      ],
    },
    verifying: {
      entry: { type: 'enterPhase', params: 'verifying' },
      invoke: {
        src: 'verify',
        input: stepInput,
        onDone: { target: 'proved', actions: { type: 'keepProof', params: ({ event }) => event.output } },
        onError,
      },
    },
    proved: {
      always: [isLost, { guard: 'nothingToDelete', target: '#attempt.reporting', actions: 'complete' }, isStopped, { target: 'deleting' }],
    },
    // What it deleted is deleted: a stop that came while the last file went does not make it less complete.
    deleting: {
      entry: { type: 'enterPhase', params: 'deleting_source' },
      invoke: {
        src: 'deleteSource',
        input: stepInput,
        onDone: [
          isLost,
          { target: '#attempt.reporting', actions: [{ type: 'keepProof', params: ({ event }) => event.output }, 'complete'] },
        ],
        onError,
      },
    },
  },
});

/** Said again until the manager has answered or the lease has passed: an attempt's outcome may be repeated, by its number. */
const reporting = attemptSetup.createStateConfig({
  initial: 'asking',
  entry: emit({ type: 'reporting' }),
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
    mustDelete: input.deleteSource,
    mustCopy: input.copy,
    steps: input.steps,
    step: new AbortController(),
    lease: input.lease,
    phase: null,
    progress: NO_PROGRESS,
    changes: 0,
    totals: { filesTotal: 0, bytesTotal: 0 },
    copied: { filesTransferred: 0, bytesTransferred: 0, warnings: [] },
    verification: null,
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
