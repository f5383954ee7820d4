import { setup, transition } from 'xstate';
import { JOB_STATUSES, WANTED, type Job, type JobStatus } from './job.js';

/**
 * The lifecycle of one job: the one place that says what is legal in which
 * status and what comes of it. `docs/lifecycle.md` holds a picture made from it.
 *
 * A running job is stopped by its worker: `pause` and `cancel` only say what
 * is wanted, and the status follows when the worker lets go (`release`) or its
 * lease passes (`expire`). A progress update changes no status and does not
 * come here.
 */
export type LifecycleEvent =
  | 'start'
  | 'claim'
  | 'pause'
  | 'resume'
  | 'cancel'
  | 'retry'
  | 'complete'
  | 'fail'
  | 'release'
  | 'expire'
  | 'delete'
  | 'update'
  | 'deadline'
  | 'reorder';

interface Context {
  wanted: Job['wanted'];
  /** Whether a failed attempt may be repeated by itself; of a queued job: whether it waits for its `retryAt`. */
  mayRetry: boolean;
  /** Whether the job waits for a person before it goes on: an interrupted one, or what failed was a question. */
  asks: boolean;
}

const letGo = [
  { guard: 'pauseWanted', target: 'paused' },
  { guard: 'cancelWanted', target: 'cancelled' },
] as const;

export const jobLifecycle = setup({
  types: { context: {} as Context, events: {} as { type: LifecycleEvent }, input: {} as Context },
  guards: {
    pauseWanted: ({ context }) => context.wanted === 'pause',
    cancelWanted: ({ context }) => context.wanted === 'cancel',
    mayRetry: ({ context }) => context.mayRetry,
    mustAsk: ({ context }) => context.wanted === 'run' && context.asks,
  },
}).createMachine({
  id: 'job',
  context: ({ input }) => input,
  initial: 'queued',
  states: {
    pending: { on: { start: 'queued', cancel: 'cancelled', deadline: 'failed', update: 'pending', delete: 'deleted' } },
    queued: {
      on: {
        claim: 'running',
        start: { guard: 'mayRetry', target: 'queued', description: 'now, not at retryAt' },
        retry: { guard: 'mayRetry', target: 'queued', description: 'now, not at retryAt' },
        pause: 'paused',
        cancel: 'cancelled',
        deadline: 'failed',
        reorder: 'queued',
        update: 'queued',
        delete: 'deleted',
      },
    },
    running: {
      on: {
        pause: { target: 'running', description: 'only says what is wanted' },
        resume: { guard: 'pauseWanted', target: 'running' },
        cancel: { target: 'running', description: 'only says what is wanted' },
        update: { target: 'running', description: 'its bandwidth limit, name, labels, priority' },
        complete: 'completed',
        fail: [
          { guard: 'cancelWanted', target: 'cancelled' },
          { guard: ({ context }) => context.asks, target: 'paused', description: 'asks for a yes' },
          {
            guard: ({ context }) => context.wanted === 'pause' && context.mayRetry,
            target: 'paused',
            description: 'pause wanted and may retry',
          },
          { guard: 'mayRetry', target: 'queued', description: 'may retry: waits until retryAt' },
          { target: 'failed' },
        ],
        release: [...letGo, { guard: 'mustAsk', target: 'paused' }, { target: 'queued' }],
        expire: [...letGo, { guard: 'mustAsk', target: 'paused' }, { guard: 'mayRetry', target: 'queued' }, { target: 'failed' }],
      },
    },
    paused: { on: { resume: 'queued', cancel: 'cancelled', deadline: 'failed', update: 'paused', delete: 'deleted' } },
    completed: { on: { update: 'completed', delete: 'deleted' } },
    failed: { on: { retry: 'queued', update: 'failed', delete: 'deleted' } },
    cancelled: { on: { retry: 'queued', update: 'cancelled', delete: 'deleted' } },
    deleted: { type: 'final' },
  },
});

export const LIFECYCLE_EVENTS: readonly LifecycleEvent[] = [
  'start', 'claim', 'pause', 'resume', 'cancel', 'retry', 'complete', 'fail', 'release', 'expire', 'delete', 'update', 'deadline', 'reorder',
]; // prettier-ignore

/** The next status, or `null` when `event` is not legal now. */
export function nextStatus(status: JobStatus, event: LifecycleEvent, { wanted, mayRetry, asks }: Context): JobStatus | 'deleted' | null {
  return TABLE.get(`${status} ${event} ${wanted} ${mayRetry} ${asks}`) ?? null;
}

/** What may be asked of a job in this status, for messages. A deadline passes by itself. */
export function legalEvents(status: JobStatus, wanted: Job['wanted'], mayRetry = false): LifecycleEvent[] {
  return LIFECYCLE_EVENTS.filter((event) => event !== 'deadline' && nextStatus(status, event, { wanted, mayRetry, asks: false }) !== null);
}

/** Every answer of the machine, asked once at start: a pure transition costs ~14 µs, and there are only a few hundred. */
const TABLE = new Map<string, JobStatus | 'deleted' | null>();
for (const status of JOB_STATUSES) {
  for (const event of LIFECYCLE_EVENTS) {
    for (const wanted of WANTED) {
      for (const [mayRetry, asks] of [
        [true, true],
        [true, false],
        [false, true],
        [false, false],
      ] as const) {
        TABLE.set(`${status} ${event} ${wanted} ${mayRetry} ${asks}`, askMachine(status, event, { wanted, mayRetry, asks }));
      }
    }
  }
}

function askMachine(status: JobStatus, event: LifecycleEvent, context: Context): JobStatus | 'deleted' | null {
  const state = jobLifecycle.resolveState({ value: status, context });
  if (!state.can({ type: event })) return null;
  const [next] = transition(jobLifecycle, state, { type: event });
  return next.value;
}
