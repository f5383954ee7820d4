import { fromPromise, setup } from 'xstate';

interface Input {
  everyMs: number;
  /** Sends `cleanup` as any other client does; resolves to whether more remains. */
  cleanup(): Promise<boolean>;
  log(message: string): void;
}

/** Asks for a cleanup every `everyMs`, again at once while more remains. A refusal is logged and waited out. */
export const cleanupTimer = setup({
  types: { context: {} as Input, input: {} as Input },
  actors: { cleanup: fromPromise<boolean, Input>(({ input }) => input.cleanup()) },
  delays: { period: ({ context }) => context.everyMs },
}).createMachine({
  id: 'cleanupTimer',
  context: ({ input }) => input,
  initial: 'waiting',
  states: {
    waiting: { after: { period: 'asking' } },
    asking: {
      invoke: {
        src: 'cleanup',
        input: ({ context }) => context,
        onDone: [{ guard: ({ event }) => event.output, target: 'asking', reenter: true }, { target: 'waiting' }],
        onError: {
          target: 'waiting',
          actions: ({ context, event }) => {
            context.log(`cleanup was not done: ${String(event.error)}`);
          },
        },
      },
    },
  },
});
