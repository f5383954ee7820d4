import type { ErrorCode } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';

/** What the program's end says to scripts. The same for every command; `--help` prints this table. */
export const EXIT_CODES = {
  ok: { code: 0, means: 'done; the job completed' },
  failed: { code: 1, means: 'the job failed or asks for a yes, one of several ids failed, or doctor found a problem' },
  usage: { code: 2, means: 'the command line or the request is wrong; nothing was done' },
  warnings: { code: 3, means: 'the job completed with warnings: read them' },
  notFound: { code: 4, means: 'there is no such job or schedule' },
  conflict: { code: 5, means: 'not possible in the state that the job is in now' },
  unavailable: { code: 6, means: 'the service is not reachable or too busy; nothing was done' },
  unknown: { code: 7, means: 'no answer came: it may have been done or not' },
  cancelled: { code: 8, means: 'the job was cancelled' },
  refused: { code: 9, means: 'not allowed: path, remote or user' },
  interrupted: { code: 130, means: 'ended by Ctrl-C' },
} as const;

/** The exit code of an error of the catalogue. */
export function exitCodeOfError(code: ErrorCode): number {
  return EXIT_CODES[OUTCOME_OF_ERROR[code]].code;
}

/** The exit code of a job that has ended. */
export function exitCodeOfJob(job: Job): number {
  if (job.status === 'completed') return job.warnings.length > 0 ? EXIT_CODES.warnings.code : EXIT_CODES.ok.code;
  return job.status === 'cancelled' ? EXIT_CODES.cancelled.code : EXIT_CODES.failed.code;
}

const OUTCOME_OF_ERROR = {
  invalid_request: 'usage',
  unauthorized: 'refused',
  forbidden: 'refused',
  path_not_allowed: 'refused',
  remote_not_allowed: 'refused',
  not_found: 'notFound',
  job_not_found: 'notFound',
  schedule_not_found: 'notFound',
  method_not_allowed: 'usage',
  illegal_transition: 'conflict',
  attempt_expired: 'conflict',
  preview_stale: 'conflict',
  version_conflict: 'conflict',
  payload_too_large: 'usage',
  unsupported_media_type: 'usage',
  idempotency_conflict: 'conflict',
  internal: 'failed',
  overloaded: 'unavailable',
  unavailable: 'unavailable',
  ask_timeout: 'unavailable',
  outcome_unknown: 'unknown',
  storage_failed: 'unavailable',
} as const satisfies Record<ErrorCode, keyof typeof EXIT_CODES>;
