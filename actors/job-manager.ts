import { assign, fromCallback, fromPromise, setup } from 'xstate';
import { JobError } from './errors.js';
import { AppendRefused } from './journal.js';
import type { Ask } from './mailbox.js';
import type { ManagerInput } from './manager-input.js';
import { ManagerState } from './manager-state.js';
import { notServing, storageFailed, unknownOutcome } from './refusals.js';
import { takeOver } from './take-over.js';

type Event = { type: 'asks'; asks: Ask[] } | { type: 'tick' } | { type: 'doubt' } | { type: 'drain' } | { type: 'abandon' };

export interface Context {
  state: ManagerState;
  /** Why it does not serve any more. */
  failure: string | null;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const reasonOf = (event: unknown): string => messageOf((event as { error?: unknown }).error);

const work = <T>(run: (state: ManagerState) => Promise<T>) => fromPromise<T, ManagerState>(({ input }) => run(input));

/**
 * The JobManager: one actor, one mailbox, one journal, no lock. Asks wait in
 * the mailbox; from `idle` all that wait are decided together against a draft
 * (`deciding`), stored with one append (`committing`), and only then answered.
 * What the states do stands in `manager-state.ts`; this says when.
 */
export const jobManager = setup({
  types: { context: {} as Context, events: {} as Event, input: {} as ManagerInput },
  actors: {
    clockwork: fromCallback<Event, ManagerState>(({ sendBack, input }) =>
      input.input.clock.every(input.input.settings.tickMs, () => {
        sendBack({ type: 'tick' });
      }),
    ),
    takeOver: work(takeOver),
    nextTurn: work((state) => state.input.nextTurn()),
    append: work(async ({ lead, pending }) => {
      if (pending) await lead.append(pending.record);
    }),
    readBack: work((state) => state.lead.readBack(state.pending?.record.commit ?? '')),
    confirm: work((state) => state.lead.confirm()),
    pause: work((state) => state.input.clock.delay(200)),
    close: work(async (state) => {
      await state.lead.append(state.record('closed'));
    }),
  },
  actions: {
    announce: ({ context }) => {
      context.state.input.onServing();
    },
    // Taken out of the event: XState keeps events for so long that asks would outlive the quick part of garbage collection.
    receive: ({ context, event }) => {
      if (event.type === 'asks') for (const ask of event.asks.splice(0)) context.state.receive(ask);
    },
    refuse: ({ context, event }) => {
      if (event.type === 'asks') for (const ask of event.asks) context.state.refuse(ask, notServing(context.failure));
    },
    tick: ({ context }) => {
      context.state.tick();
    },
    doubt: ({ context }) => {
      context.state.lead.doubt();
    },
    drain: ({ context }) => {
      context.state.draining = true;
    },
    decide: ({ context }) => {
      context.state.decideRound();
    },
    settle: ({ context }) => {
      context.state.settle();
    },
    purge: ({ context: { state } }) => {
      void state.purge().catch((error: unknown) => {
        state.input.log(`journal: purge failed, tried again after the next carry: ${messageOf(error)}`);
      });
    },
    rememberAppendError: ({ context, event }) => {
      const { error } = event as unknown as { error: Error };
      context.state.appendError = error;
      if (context.state.pending && !(error instanceof AppendRefused)) context.state.pending.mayBeStored = true;
      context.state.input.log(`journal: an append did not go through: ${reasonOf(event)}`);
    },
    dropForStorage: ({ context: { state } }) => {
      // Of a record that was sent before without an answer a late copy may still get in.
      state.drop(state.pending?.mayBeStored ? unknownOutcome() : storageFailed(state.appendError?.message ?? ''));
    },
    dropUnconfirmed: ({ context: { state } }) => {
      state.drop(
        new JobError('unavailable', 'The journal cannot be reached to prove that this answer is not stale. Try again in a moment.'),
      );
    },
    noteFenced: assign({ failure: 'another job manager has taken over' }),
    noteUntrusted: assign({
      failure:
        'the journal went backwards or was made anew under the running service. Nothing more is written; restore the stream or restart to read what is there',
    }),
    noteAbandoned: assign({
      failure: ({ context: { state } }) =>
        `the journal did not answer after the order to stop: of ${state.pending?.record.lines.length ?? 0} changes that nobody was told of it is not known whether they are stored`,
    }),
    noteError: assign({ failure: ({ event }) => reasonOf(event) }),
    giveUp: ({ context: { state, failure } }) => {
      if (failure !== null) state.input.log(`not serving any more: ${failure}`);
      state.input.onEnded(failure);
      state.refuseAll(failure);
    },
  },
  guards: {
    hasWork: ({ context }) => context.state.hasWork,
    isDraining: ({ context }) => context.state.draining,
    mustAppend: ({ context }) => context.state.pending !== null,
    mustConfirm: ({ context }) => context.state.needsConfirmation,
    surelyNotStored: ({ context }) => context.state.appendError instanceof AppendRefused && context.state.appendError.reason === 'storage',
    carryDone: ({ context }) => context.state.carry.wantsPurge,
  },
}).createMachine({
  id: 'jobManager',
  context: ({ input }) => ({ state: new ManagerState(input), failure: null }),
  invoke: { src: 'clockwork', input: ({ context }) => context.state },
  initial: 'recovering',
  on: {
    asks: { actions: 'receive' },
    tick: { actions: 'tick' },
    doubt: { actions: 'doubt' },
    drain: { actions: 'drain' },
    abandon: { target: '.stopped', actions: 'noteAbandoned' },
  },
  states: {
    recovering: {
      on: { drain: 'stopped' },
      invoke: {
        src: 'takeOver',
        input: ({ context }) => context.state,
        onDone: 'serving',
        onError: { target: 'failed', actions: 'noteError' },
      },
    },
    serving: {
      entry: 'announce',
      initial: 'idle',
      states: {
        idle: {
          always: [
            { guard: 'carryDone', actions: 'purge' },
            { guard: 'hasWork', target: 'gathering' },
            { guard: 'isDraining', target: '#jobManager.closing' },
          ],
        },
        gathering: { invoke: { src: 'nextTurn', input: ({ context }) => context.state, onDone: 'deciding' } },
        deciding: {
          entry: 'decide',
          always: [
            { guard: 'mustAppend', target: 'committing' },
            { guard: 'mustConfirm', target: 'confirming' },
            { target: 'idle', actions: 'settle' },
          ],
        },
        committing: {
          invoke: {
            src: 'append',
            input: ({ context }) => context.state,
            onDone: { target: 'idle', actions: 'settle' },
            onError: { target: 'readingBack', actions: 'rememberAppendError' },
          },
        },
        readingBack: {
          description: 'What became of the append is read from the journal itself.',
          invoke: {
            src: 'readBack',
            input: ({ context }) => context.state,
            onDone: [
              { guard: ({ event }) => event.output === 'ours', target: 'idle', actions: 'settle' },
              { guard: ({ event }) => event.output === 'foreign', target: '#jobManager.fenced', actions: 'noteFenced' },
              { guard: ({ event }) => event.output === 'untrusted', target: '#jobManager.failed', actions: 'noteUntrusted' },
              { guard: 'surelyNotStored', target: 'idle', actions: 'dropForStorage' },
              // It may still be under way: the same record again, with the same expected sequence, is stored once at most.
              { target: 'appendingAgain' },
            ],
            onError: 'readingBackLater',
          },
        },
        readingBackLater: { invoke: { src: 'pause', input: ({ context }) => context.state, onDone: 'readingBack' } },
        appendingAgain: { invoke: { src: 'pause', input: ({ context }) => context.state, onDone: 'committing' } },
        confirming: {
          invoke: {
            src: 'confirm',
            input: ({ context }) => context.state,
            onDone: [
              { guard: ({ event }) => event.output === 'ours', target: 'idle', actions: 'settle' },
              { guard: ({ event }) => event.output === 'foreign', target: '#jobManager.fenced', actions: 'noteFenced' },
              { target: '#jobManager.failed', actions: 'noteUntrusted' },
            ],
            onError: { target: 'idle', actions: 'dropUnconfirmed' },
          },
        },
      },
    },
    closing: {
      description: 'Nothing waits any more: says in the journal that this epoch is over.',
      invoke: { src: 'close', input: ({ context }) => context.state, onDone: 'stopped', onError: 'stopped' },
      on: { asks: { actions: 'refuse' } },
    },
    stopped: { entry: 'giveUp', type: 'final' },
    fenced: { entry: 'giveUp', on: { asks: { actions: 'refuse' }, drain: 'stopped' } },
    failed: { entry: 'giveUp', on: { asks: { actions: 'refuse' }, drain: 'stopped' } },
  },
});
