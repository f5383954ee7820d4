import type { Outcome } from '../../actors/attempt-steps.js';
import { JobError, type ErrorCode } from '../../actors/errors.js';
import type { Deletion, Job, JobFailure, JobStatus } from '../../actors/job.js';
import type { Seen } from '../../actors/seen.js';
import type { AttemptId } from '../../actors/worker.js';
import { EngineFailed } from '../engines/engine.js';
import type { JobClient } from '../job-client.js';
import type { LogLine } from '../log-line.js';

/** Errors after which the same report may be taken later. Every other one is the manager's last word. */
const WORTH_REPEATING: ReadonlySet<ErrorCode> = new Set([
  'outcome_unknown',
  'unavailable',
  'overloaded',
  'ask_timeout',
  'storage_failed',
  'internal',
]);

/** The statuses that show that a report was taken. `fail` and `release` may lead to several. */
const SHOWS: Record<Outcome['verb'], readonly JobStatus[]> = {
  complete: ['completed'],
  fail: ['failed', 'queued', 'paused', 'cancelled'],
  release: ['queued', 'paused', 'cancelled', 'failed'],
};

/** How an attempt ended, what it deleted, and what the next one of the same two sides is to expect. */
export type Report = Outcome & { deletion?: Deletion; seen?: Seen };

/** Reports how one attempt ended. A repeat is harmless: the manager knows the attempt by its number. */
export class OutcomeReport {
  readonly #client: Pick<JobClient, 'ask' | 'get'>;
  readonly #attempt: AttemptId;
  #mayBeDone = false;

  constructor(client: Pick<JobClient, 'ask' | 'get'>, attempt: AttemptId) {
    this.#client = client;
    this.#attempt = attempt;
  }

  /**
   * Resolves with `null` when the manager has it, and with the error when it
   * refused it for good. Rejects when it is worth saying again.
   */
  async send(outcome: Report): Promise<JobError | null> {
    try {
      await this.#ask(outcome);
      return null;
    } catch (error) {
      if (!(error instanceof JobError) || WORTH_REPEATING.has(error.code)) {
        this.#mayBeDone ||= !(error instanceof JobError) || error.executed === 'unknown';
        throw error;
      }
      return this.#mayBeDone && (await this.#wasTaken(outcome)) ? null : error;
    }
  }

  #ask(outcome: Report): Promise<Job> {
    switch (outcome.verb) {
      case 'complete': {
        const { verb, ...body } = outcome;
        return this.#client.ask(verb, { ...this.#attempt, ...body });
      }
      case 'fail': {
        const { verb, ...body } = outcome;
        return this.#client.ask(verb, { ...this.#attempt, ...body });
      }
      case 'release': {
        const { verb, ...body } = outcome;
        return this.#client.ask(verb, { ...this.#attempt, ...body });
      }
    }
  }

  /** An earlier report of which no answer came may have been taken: then the refusal is only of the repeat. */
  async #wasTaken({ verb }: Outcome): Promise<boolean> {
    const { id, attempt } = this.#attempt;
    const job = await this.#client.get(id).catch((error: unknown) => {
      if (error instanceof JobError && error.code === 'job_not_found') return null;
      throw error;
    });
    return job !== null && job.attempt === attempt && SHOWS[verb].includes(job.status);
  }
}

/** What a job takes. */
export const WARNINGS = 100;
const MESSAGE_CHARS = 8192;
const ADVICE_CHARS = 2048;
const FILES_LOST = 'The list of what became of each file could not be stored in time, so it may lack some.';

/** The outcome of an attempt whose list of files may not be whole. */
export function withoutFiles(outcome: Outcome): Outcome {
  switch (outcome.verb) {
    case 'complete':
      return { ...outcome, warnings: [FILES_LOST, ...outcome.warnings].slice(0, WARNINGS) };
    case 'fail': {
      const { filesFailed: _unsure, message, ...error } = outcome.error;
      const told = `${message.slice(0, MESSAGE_CHARS - FILES_LOST.length - 1)}\n${FILES_LOST}`;
      return { ...outcome, error: { ...error, message: told } };
    }
    case 'release':
      return outcome;
  }
}

/** Why a step rejected, as a job's error. */
export function failureOf(error: unknown): JobFailure {
  if (error instanceof EngineFailed) {
    const { message, advice, ...failure } = error.failure;
    return { ...failure, message: message.slice(0, MESSAGE_CHARS), advice: advice?.slice(0, ADVICE_CHARS) ?? null };
  }
  const text = error instanceof Error ? error.message : String(error);
  return {
    code: 'internal',
    message: `A defect in the worker: ${text}`.slice(0, MESSAGE_CHARS),
    exitCode: null,
    retriable: false,
    advice: 'The log of the worker process tells more; please report it.',
  };
}

/** How the log tells the end of an attempt. */
export function wordsOf(outcome: Outcome): [level: LogLine['level'], text: string] {
  switch (outcome.verb) {
    case 'complete':
      return ['info', 'Completed.'];
    case 'fail': {
      const { code, message, advice, away } = outcome.error;
      if (away) return ['warning', `A side is away (${code}): ${message}\n${advice}`];
      return ['error', `Failed (${code}): ${message}${advice ? `\n${advice}` : ''}`];
    }
    case 'release':
      return ['info', `Stopped and given back: ${outcome.reason}. The copied part stays and is gone on with.`];
  }
}
