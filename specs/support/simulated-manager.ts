import { createActor } from 'xstate';
import type { JobError } from '../../actors/errors.js';
import type { Command } from '../../actors/execute.js';
import { jobManager } from '../../actors/job-manager.js';
import type { ManagerSettings } from '../../actors/manager-input.js';
import { parseRequest } from '../../actors/parse-request.js';
import { REQUESTS, createSchemaFor, type Verb } from '../../actors/requests.js';
import { nextTime } from '../../src/cron.js';
import type { SimulatedJournal } from './simulated-journal.js';

/** A clock that stands still until it is turned. */
export class HandClock {
  ms = 1_800_000_000_000;
  #tickers = new Set<() => void>();
  #sleepers: { untilMs: number; wake: () => void }[] = [];
  nowMs = () => this.ms;
  monotonicMs = () => this.ms;
  every(_periodMs: number, tick: () => void): () => void {
    this.#tickers.add(tick);
    return () => this.#tickers.delete(tick);
  }
  delay(ms: number): Promise<void> {
    return new Promise((wake) => {
      this.#sleepers.push({ untilMs: this.ms + ms, wake });
    });
  }
  turn(ms: number): void {
    this.ms += ms;
    const due = this.#sleepers.filter(({ untilMs }) => untilMs <= this.ms);
    this.#sleepers = this.#sleepers.filter(({ untilMs }) => untilMs > this.ms);
    for (const { wake } of due) wake();
    for (const tick of this.#tickers) tick();
  }
}

export interface Answered {
  verb: Verb;
  answer?: { id?: string; version?: number } & Record<string, unknown>;
  error?: JobError;
  /** How often it was answered: must be once. */
  times: number;
}

let ids = 0;

/** The real machine of the JobManager with a journal, clock and chance of our own. */
export function startSimulatedManager(journal: SimulatedJournal, clock = new HandClock(), settings: Partial<ManagerSettings> = {}) {
  let failure: string | null | undefined;
  const actor = createActor(jobManager, {
    input: {
      journal,
      clock,
      newId: () => `id${String((ids += 1)).padStart(8, '0')}`,
      newCommitId: () => `commit${(ids += 1)}`,
      random: () => 0.5,
      digest: (text) => text,
      nextTime,
      nextTurn: () => Promise.resolve(),
      onDeleted: () => undefined,
      onServing: () => undefined,
      onEnded: (reason) => (failure = reason),
      log: () => undefined,
      settings: {
        leaseMs: 10_000,
        roots: ['/'],
        limits: { maxRunning: 0, maxPerTarget: 0, labels: [] },
        remotes: [],
        bandwidth: 0,
        hosts: [],
        sameHosts: new Map(),
        leadLeaseMs: 1000,
        tickMs: 50,
        recordBytesMax: 1_000_000,
        carryMinBytes: 1_000_000,
        ...settings,
      },
    },
  });
  actor.start();
  return {
    actor,
    clock,
    get failure() {
      return failure;
    },
    get table() {
      return actor.getSnapshot().context.state.table;
    },
    isServing: () => actor.getSnapshot().matches('serving'),
    /** `onEnd` is called in the very moment of the answer or error. */
    ask(verb: Verb, body: object, timeoutMs = 5000, onEnd: (answered: Answered) => void = () => undefined): Answered {
      const answered: Answered = { verb, times: 0 };
      const schema = verb === 'create' ? createSchemaFor(body) : REQUESTS[verb];
      const command = { verb, body: parseRequest<unknown>(schema, body) } as Command;
      const ask = {
        command,
        bytes: 100,
        deadlineMs: clock.ms + timeoutMs,
        resolve: (answer: string) => {
          answered.times += 1;
          answered.answer = JSON.parse(answer) as NonNullable<Answered['answer']>;
          onEnd(answered);
        },
        reject: (error: JobError) => {
          answered.times += 1;
          answered.error = error;
          onEnd(answered);
        },
      };
      actor.send({ type: 'asks', asks: [ask] });
      return answered;
    },
  };
}

/** Lets everything happen that can happen without the clock. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await Promise.resolve();
}
