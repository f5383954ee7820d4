/**
 * The one closed list of errors. Every front end maps from here: HTTP takes
 * `status`, NATS the service error headers, WebSocket the JSON-RPC error, the
 * CLI an exit code. `executed` tells whether the request may have been done:
 * `no` is safe to repeat, `unknown` must be repeated with the same key.
 */
export const ERROR_CATALOGUE = {
  invalid_request: { status: 400, executed: 'no' },
  unauthorized: { status: 401, executed: 'no' },
  forbidden: { status: 403, executed: 'no' },
  path_not_allowed: { status: 403, executed: 'no' },
  remote_not_allowed: { status: 403, executed: 'no' },
  not_found: { status: 404, executed: 'no' },
  job_not_found: { status: 404, executed: 'no' },
  schedule_not_found: { status: 404, executed: 'no' },
  method_not_allowed: { status: 405, executed: 'no' },
  illegal_transition: { status: 409, executed: 'no' },
  attempt_expired: { status: 409, executed: 'no' },
  preview_stale: { status: 409, executed: 'no' },
  version_conflict: { status: 412, executed: 'no' },
  payload_too_large: { status: 413, executed: 'no' },
  unsupported_media_type: { status: 415, executed: 'no' },
  idempotency_conflict: { status: 422, executed: 'no' },
  internal: { status: 500, executed: 'unknown' },
  overloaded: { status: 503, executed: 'no' },
  unavailable: { status: 503, executed: 'no' },
  ask_timeout: { status: 504, executed: 'no' },
  outcome_unknown: { status: 504, executed: 'unknown' },
  storage_failed: { status: 507, executed: 'no' },
} as const satisfies Record<string, { status: number; executed: Executed }>;

export type Executed = 'no' | 'unknown';
export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** What a caller gets: the same object over NATS, WebSocket, HTTP and `--json`. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  status: number;
  executed: Executed;
  details: Record<string, unknown>;
}

/** An error of the catalogue. `message` is for people and says what to do. */
export class JobError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly executed: Executed;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JobError';
    this.code = code;
    this.status = ERROR_CATALOGUE[code].status;
    this.executed = ERROR_CATALOGUE[code].executed;
    this.details = details;
  }

  toBody(): ErrorBody {
    const { code, message, status, executed, details } = this;
    return { code, message, status, executed, details };
  }

  /** The reverse of `toBody`, for clients. An unknown code becomes `internal`. */
  static fromBody(body: Partial<ErrorBody>): JobError {
    const code = isErrorCode(body.code) ? body.code : 'internal';
    return new JobError(code, body.message ?? 'The service answered with an error without a message.', body.details ?? {});
  }
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CATALOGUE, code);
}
