import type { ManagerSettings } from '../../actors/manager-input.js';
import type { Verb } from '../../actors/requests.js';
import type { Answers } from '../../src/answers.js';
import { SimulatedJournal } from './simulated-journal.js';
import { HandClock, settle, startSimulatedManager } from './simulated-manager.js';

/** A simulated manager that is asked one thing after the other. */
export interface AskedManager {
  /** Rejects with the `JobError` of a refusal. */
  ask<V extends Verb>(verb: V, body: object): Promise<Answers[V]>;
  /** The id of the job that a claim gets, if any. */
  claim(types?: string[]): Promise<string | null>;
  codesOf(id: string): Promise<string[]>;
  turn(ms: number): Promise<void>;
  journal: SimulatedJournal;
  clock: HandClock;
  /** Ends it as a crash does, and starts another on the same journal. */
  restart(settings?: Partial<ManagerSettings>): Promise<AskedManager>;
}

export async function startAskedManager(
  settings: Partial<ManagerSettings> = {},
  journal = new SimulatedJournal(),
  clock = new HandClock(),
): Promise<AskedManager> {
  const manager = startSimulatedManager(journal, clock, settings);
  const turn = async (ms: number) => {
    clock.turn(ms);
    await settle();
  };
  await settle();
  await turn(1000);
  const ask = async <V extends Verb>(verb: V, body: object) => {
    const { answer, error } = await new Promise<ReturnType<typeof manager.ask>>((resolve) => manager.ask(verb, body, 5000, resolve));
    if (error) throw error;
    return answer as unknown as Answers[V];
  };
  return {
    ask,
    claim: async (types = ['probe']) => (await ask('claim', { worker: 'w', types })).job?.id ?? null,
    codesOf: async (id) => (await ask('why', { id })).reasons.map(({ code }) => code),
    turn,
    journal,
    clock,
    restart(others = settings) {
      manager.actor.stop();
      return startAskedManager(others, journal, clock);
    },
  };
}
