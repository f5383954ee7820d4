import { assign, enqueueActions, fromPromise, raise, setup, type ActorRefFrom } from 'xstate';
import { attemptMachine } from './attempt.js';
import type { AttemptInput } from './attempt-setup.js';
import type { AttemptSteps, Lease, Renewal } from './attempt-steps.js';
import type { Job } from './job.js';
import type { ProgressUpdate } from './requests.js';
import { runOptions } from './run-options.js';

/**
 * A worker: claims jobs while it has a free slot, gives each attempt an actor
 * of its own, and tells the manager of all of them in one request. An attempt
 * whose work is over needs no slot to report it.
 *
 * `stop` ends it in order: no more claims, every attempt stopped and given
 * back, then done. Times are milliseconds of the clock `ports.now`.
 */

/** The manager hears of changes at most this often. */
const REPORT_EVERY_MS = 250;
/** An attempt without a change is heard of this often, and at least four times in a lease: so a pause is seen soon. */
const SIGN_OF_LIFE_MS = 1000;
const CLAIM_AGAIN_MS = 100;
const CLAIM_AGAIN_LAST_MS = 2000;
/** A stop waits this long for a claim that is under way, when no manager answers it. */
const LAST_CLAIM_MS = 2000;
export const WORKER_STOPS = 'the worker stops';
export const WORKER_RESTARTED = 'the worker was restarted';

export interface AttemptId {
  id: string;
  attempt: number;
}

/** A job that was handed out to this worker, and its first lease. */
export interface Claimed {
  job: Job;
  lease: Lease;
}

/** What the manager is told of one attempt; without phase and progress only that it lives. */
export type Update = ProgressUpdate & AttemptId;

/** What became of one update: the lease renewed, the attempt not ours any more, or (`null`) not known this time. */
export type Verdict = Renewal | { refused: string } | null;

export interface WorkerPorts {
  now(): number;
  /** Waits a while for a job; `null` when there was none. */
  claim(): Promise<Claimed | null>;
  /** One verdict for each update, in their order. */
  progress(updates: Update[]): Promise<Verdict[]>;
  stepsOf(job: Job): AttemptSteps;
  /** The steps of an attempt that is only given back: of its job nothing else is known any more. */
  stepsOfLeftover(attempt: AttemptId): AttemptSteps;
}

export interface WorkerInput {
  slots: number;
  ports: WorkerPorts;
  /** Attempts of a run of this worker that ended without a word. */
  leftovers: AttemptId[];
  /** How long their leases may last. */
  leaseMs: number;
}

interface Held extends AttemptId {
  ref: ActorRefFrom<typeof attemptMachine>;
  /** Its work is over: it needs no slot any more. */
  isReporting: boolean;
  /** The `changes` of the attempt that the manager knows, and when it was told last. */
  sentChanges: number;
  sentAt: number;
  leaseMs: number;
}

/** An actor that ended, in good order or by a defect, is dropped: its machine has said what there was to say. */
type Ended = { type: `xstate.done.actor.${string}` | `xstate.error.actor.${string}`; actorId: string };

interface Context {
  slots: number;
  ports: WorkerPorts;
  /** By the actor's id. */
  attempts: Record<string, Held>;
  stopping: boolean;
  claimErrors: number;
}

/** One update, and for which actor and which of its changes it speaks. */
interface Sent {
  actorId: string;
  changes: number;
  update: Update;
}

/** "Per file" proves and deletes in one go; "after verify" proves all before the first goes. */
const stepsOf = (job: Job): Pick<AttemptInput, 'copy' | 'verify' | 'deleteSource'> => {
  const options = runOptions(job);
  if (!('verify' in options)) return { copy: true, verify: false, deleteSource: false };
  const { mode } = options.deleteSource;
  const verify = mode === 'after_verify' || (mode === 'never' && options.verify !== 'none');
  return { copy: !options.compareOnly, verify, deleteSource: mode !== 'never' };
};
const actorIdOf = ({ id, attempt }: AttemptId): string => `${id}/${attempt}`;

/** Attempts with something new, and those that were silent for long. */
function dueIn(context: Context): Sent[] {
  const now = context.ports.now();
  return Object.values(context.attempts).flatMap(({ id, attempt, ref, sentChanges, sentAt, leaseMs }) => {
    const snapshot = ref.getSnapshot();
    if (!snapshot.hasTag('holding')) return [];
    const { changes, phase, progress } = snapshot.context;
    const changed = changes !== sentChanges;
    if (!changed && now - sentAt < Math.min(SIGN_OF_LIFE_MS, leaseMs / 4)) return [];
    return [{ actorId: ref.id, changes, update: { id, attempt, ...(changed && phase !== null ? { phase, progress } : {}) } }];
  });
}

const workerSetup = setup({
  types: {
    context: {} as Context,
    events: {} as { type: 'stop' } | { type: 'claim.overdue' } | { type: 'reporting'; actorId: string } | Ended,
    input: {} as WorkerInput,
  },
  actors: {
    attempt: attemptMachine,
    claim: fromPromise(({ input }: { input: WorkerPorts }) => input.claim()),
    progress: fromPromise(async ({ input: { ports, sent } }: { input: { ports: WorkerPorts; sent: Sent[] } }) => ({
      sent,
      verdicts: await ports.progress(sent.map(({ update }) => update)),
      at: ports.now(),
    })),
  },
  actions: {
    take: assign(({ context, spawn, self }, { job, lease }: Claimed) => {
      const ref = spawn('attempt', {
        id: actorIdOf(job),
        input: {
          ...stepsOf(job),
          lease,
          steps: context.ports.stepsOf(job),
        },
      });
      ref.on('reporting', () => self.send({ type: 'reporting', actorId: ref.id }));
      const held: Held = { id: job.id, attempt: job.attempt, ref, isReporting: false, sentChanges: 0, ...lease };
      return { attempts: { ...context.attempts, [ref.id]: held }, claimErrors: 0 };
    }),
    freeSlot: assign(({ context }, actorId: string) => {
      const held = context.attempts[actorId];
      return held ? { attempts: { ...context.attempts, [actorId]: { ...held, isReporting: true } } } : {};
    }),
    drop: enqueueActions(({ context, enqueue }, actorId: string) => {
      const { [actorId]: _ended, ...attempts } = context.attempts;
      enqueue.assign({ attempts });
      // The machine keeps a child that has ended until it is told to stop it, and copies the list of them at each step.
      enqueue.stopChild(actorId);
    }),
    close: assign({ stopping: true }),
    stopAll: enqueueActions(({ context, enqueue }) => {
      for (const { ref } of Object.values(context.attempts)) enqueue.sendTo(ref, { type: 'stop', reason: WORKER_STOPS });
    }),
    handOut: enqueueActions(({ context, enqueue }, { sent, verdicts, at }: { sent: Sent[]; verdicts: Verdict[]; at: number }) => {
      const attempts = { ...context.attempts };
      sent.forEach(({ actorId, changes }, index) => {
        const held = attempts[actorId];
        const verdict = verdicts[index];
        if (!held || !verdict) return;
        if ('refused' in verdict) return enqueue.sendTo(held.ref, { type: 'refused', why: verdict.refused });
        attempts[actorId] = { ...held, sentChanges: changes, sentAt: at, leaseMs: verdict.leaseMs };
        enqueue.sendTo(held.ref, { type: 'renewed', ...verdict });
      });
      enqueue.assign({ attempts });
    }),
  },
  guards: {
    over: ({ context }) => context.stopping && Object.keys(context.attempts).length === 0,
    mayClaim: ({ context: { stopping, attempts, slots } }) => {
      const all = Object.values(attempts);
      return !stopping && all.length < slots * 2 && all.filter(({ isReporting }) => !isReporting).length < slots;
    },
    stopping: ({ context }) => context.stopping,
    somethingDue: ({ context }) => dueIn(context).length > 0,
  },
  delays: {
    claimAgain: ({ context }) => Math.min(CLAIM_AGAIN_LAST_MS, CLAIM_AGAIN_MS * 2 ** context.claimErrors),
  },
});

const claims = workerSetup.createStateConfig({
  initial: 'looking',
  states: {
    looking: {
      always: [
        { guard: 'stopping', target: 'draining' },
        { guard: 'mayClaim', target: 'asking' },
      ],
    },
    asking: {
      on: { 'claim.overdue': 'looking' },
      invoke: {
        src: 'claim',
        input: ({ context }) => context.ports,
        onDone: [
          { guard: ({ event }) => event.output === null, target: 'pausing', actions: assign({ claimErrors: 0 }) },
          { target: 'looking', actions: { type: 'take', params: ({ event }) => event.output as Claimed } },
        ],
        onError: { target: 'pausing', actions: assign(({ context }) => ({ claimErrors: context.claimErrors + 1 })) },
      },
    },
    // However quickly a manager answers that it has nothing, it is not asked without a pause.
    pausing: { always: { guard: 'stopping', target: 'looking' }, after: { claimAgain: 'looking' } },
    // Only now, with no claim under way: a job that is given back would be handed to that claim.
    draining: { entry: 'stopAll', always: { guard: 'over', target: 'closed' } },
    closed: { type: 'final' },
  },
});

const reports = workerSetup.createStateConfig({
  initial: 'idle',
  states: {
    idle: {
      always: { guard: 'over', target: 'closed' },
      after: {
        [REPORT_EVERY_MS]: [
          { guard: 'somethingDue', target: 'asking' },
          { target: 'idle', reenter: true },
        ],
      },
    },
    asking: {
      invoke: {
        src: 'progress',
        input: ({ context }) => ({ ports: context.ports, sent: dueIn(context) }),
        onDone: { target: 'idle', actions: { type: 'handOut', params: ({ event }) => event.output } },
        // Asked again at the next turn; what the silence means for a lease is for the attempt to judge.
        onError: 'idle',
      },
    },
    closed: { type: 'final' },
  },
});

export const workerMachine = workerSetup.createMachine({
  id: 'worker',
  context: ({ input: { slots, ports, leftovers, leaseMs }, spawn }) => {
    const lease = { sentAt: ports.now(), leaseMs };
    const held = leftovers.map((attempt): Held => {
      const steps = ports.stepsOfLeftover(attempt);
      const ref = spawn('attempt', {
        id: actorIdOf(attempt),
        input: { copy: true, verify: false, deleteSource: false, lease, steps, giveBack: WORKER_RESTARTED },
      });
      return { ...attempt, ref, isReporting: true, sentChanges: 0, ...lease };
    });
    return { slots, ports, attempts: Object.fromEntries(held.map((one) => [one.ref.id, one])), stopping: false, claimErrors: 0 };
  },
  type: 'parallel',
  on: {
    reporting: { actions: { type: 'freeSlot', params: ({ event }) => event.actorId } },
    stop: { actions: ['close', raise({ type: 'claim.overdue' }, { delay: LAST_CLAIM_MS })] },
    'xstate.done.actor.*': { actions: { type: 'drop', params: ({ event }) => event.actorId } },
    'xstate.error.actor.*': { actions: { type: 'drop', params: ({ event }) => event.actorId } },
  },
  states: { claims, reports },
});
