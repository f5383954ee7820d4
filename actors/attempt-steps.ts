import type { Job, JobFailure, Progress, Verification } from './job.js';

/** The port of an attempt: what its machine (`attempt.ts`) asks of the world, and what it is told. */

/** A granted lease. It counts from `sentAt`, when the request for it was sent: the manager's own count starts later. */
export interface Lease {
  sentAt: number;
  leaseMs: number;
}

export interface Renewal extends Lease {
  wanted: Job['wanted'];
}

export interface StepRun {
  /** Aborted to stop: the step ends what it runs, then rejects. */
  signal: AbortSignal;
  onProgress: (progress: Partial<Progress>) => void;
}

export interface Totals {
  filesTotal: number;
  bytesTotal: number;
}

export interface Copied {
  filesTransferred: number;
  bytesTransferred: number;
  warnings: string[];
}

export type Outcome =
  | { verb: 'complete'; progress: Progress; warnings: string[]; verification: Verification | null }
  | { verb: 'fail'; progress: Progress; error: JobFailure; verification?: Verification }
  | { verb: 'release'; reason: string };

/** What an attempt does to the world. Every step settles only when nothing of it runs any more. */
export interface AttemptSteps {
  now(): number;
  /** Before the first child: writes the attempt down and asks whether it is still ours. A `JobError`: it is given back. */
  begin(): Promise<Renewal>;
  preflight(run: StepRun): Promise<void>;
  count(run: StepRun): Promise<Totals>;
  transfer(totals: Totals, run: StepRun): Promise<Copied>;
  verify(run: StepRun): Promise<Verification>;
  /** Deletes what is proved to be copied. Answers the proof when it was made on the way, file by file. */
  deleteSource(run: StepRun): Promise<Verification | null>;
  /** Why a step rejected, as a job's error. */
  explain(error: unknown): JobFailure;
  /** Resolves when the manager has taken or finally refused the outcome; rejects when it is worth repeating. */
  report(outcome: Outcome): Promise<void>;
  /** The attempt is over: forgets what `begin` wrote. `lost` says why it ended without a report. */
  end(lost: string | null): Promise<void>;
}
