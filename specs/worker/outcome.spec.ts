import { beforeEach, describe, expect, it } from 'vitest';
import type { Outcome } from '../../actors/attempt-steps.js';
import { JobError, type ErrorCode } from '../../actors/errors.js';
import { NO_PROGRESS } from '../../actors/job.js';
import type { JobClient } from '../../src/job-client.js';
import { OutcomeReport } from '../../src/worker/outcome.js';

const outcome: Outcome = { verb: 'complete', progress: NO_PROGRESS, warnings: [], verification: null };

let answers: (ErrorCode | 'taken')[];
let asked: { verb: string; body: unknown }[];
let stored: { attempt: number; status: string };
let report: OutcomeReport;

beforeEach(() => {
  asked = [];
  stored = { attempt: 1, status: 'running' };
  const client = {
    ask: (verb: string, body: unknown) => {
      asked.push({ verb, body });
      const answer = answers.shift() ?? 'taken';
      return answer === 'taken' ? Promise.resolve({}) : Promise.reject(new JobError(answer, 'refused'));
    },
    get: () => Promise.resolve(stored),
  } as unknown as Pick<JobClient, 'ask' | 'get'>;
  report = new OutcomeReport(client, { id: 'a', attempt: 1 });
});

describe('The report of an outcome', () => {
  it('names the attempt, so that it may be repeated', async () => {
    answers = ['taken'];
    await expect(report.send(outcome)).resolves.toBeNull();
    expect(asked).toEqual([{ verb: 'complete', body: { id: 'a', attempt: 1, progress: NO_PROGRESS, warnings: [], verification: null } }]);
  });

  it.each(['outcome_unknown', 'unavailable', 'overloaded', 'ask_timeout', 'storage_failed'] as const)(
    'is worth repeating after %s',
    async (code) => {
      answers = [code];
      await expect(report.send(outcome)).rejects.toMatchObject({ code });
      await expect(report.send(outcome)).resolves.toBeNull();
    },
  );

  it.each(['attempt_expired', 'illegal_transition', 'job_not_found'] as const)('is not repeated after %s', async (code) => {
    answers = [code];
    await expect(report.send(outcome)).resolves.toMatchObject({ code });
  });

  it.each(['attempt_expired', 'illegal_transition'] as const)(
    'of which no answer came was taken when the job shows it, though the repeat gets %s',
    async (code) => {
      answers = ['outcome_unknown', code];
      await expect(report.send(outcome)).rejects.toMatchObject({ code: 'outcome_unknown' });
      stored = { attempt: 1, status: 'completed' };
      await expect(report.send(outcome)).resolves.toBeNull();
    },
  );

  it.each([
    { attempt: 2, status: 'completed' },
    { attempt: 1, status: 'cancelled' },
  ])('was not taken when the job shows another end: %o', async (shown) => {
    answers = ['outcome_unknown', 'attempt_expired'];
    await expect(report.send(outcome)).rejects.toMatchObject({ code: 'outcome_unknown' });
    stored = shown;
    await expect(report.send(outcome)).resolves.toMatchObject({ code: 'attempt_expired' });
  });
});
