import { STATUS_CODES } from 'node:http';
import { JobError, type ErrorBody } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import { toJobError as traced, type WriteLog } from '../nats/respond.js';

export const PROBLEM_TYPE = 'application/problem+json';

/** RFC 9457, with the error's body beside its own members. */
export interface Problem extends ErrorBody {
  type: string;
  title: string;
  detail: string;
}

export function problemOf(error: JobError): Problem {
  const body = error.toBody();
  const words = body.code.replaceAll('_', ' ');
  return { type: `urn:tallyman:error:${body.code}`, title: words.charAt(0).toUpperCase() + words.slice(1), detail: body.message, ...body };
}

/** Headers that go with an error's status. */
export function problemHeaders(error: JobError): Record<string, string> {
  return {
    'content-type': PROBLEM_TYPE,
    ...(error.status === 401 ? { 'www-authenticate': 'Bearer realm="tallyman"' } : {}),
    ...(error.status === 503 ? { 'retry-after': '1' } : {}),
  };
}

/** A whole HTTP answer as text, for a socket that no request handler owns. */
export function rawProblem(error: JobError): string {
  const body = JSON.stringify(problemOf(error));
  const headers = { ...problemHeaders(error), 'content-length': String(Buffer.byteLength(body)), connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}`, ...lines, '', body].join('\r\n');
}

/** What was thrown, as an error of the catalogue. A defect gets an id, and its stack goes to the log. */
export function toJobError(thrown: unknown, writeLog: WriteLog): JobError {
  const untraced = thrown instanceof JobError && thrown.code === 'internal' && thrown.details['id'] === undefined;
  return fromFramework(thrown) ?? traced(untraced ? new Error(thrown.message, { cause: thrown }) : thrown, writeLog);
}

function fromFramework(thrown: unknown): JobError | null {
  if (!(thrown instanceof Error)) return null;
  const { code, statusCode } = thrown as { code?: unknown; statusCode?: unknown };
  if (code === 'ECONNRESET' && thrown.message === 'aborted')
    return new JobError('invalid_request', 'The client left before it had sent all.');
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new JobError('payload_too_large', `The request body has more than ${LIMITS.requestBytes} bytes. Send it in parts.`, {
      limit: LIMITS.requestBytes,
    });
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new JobError('unsupported_media_type', 'Send the body as JSON with the header "Content-Type: application/json".');
  }
  if (typeof code === 'string' && code.startsWith('FST_') && typeof statusCode === 'number' && statusCode < 500) {
    return new JobError('invalid_request', `The HTTP request cannot be read: ${thrown.message}.`);
  }
  return null;
}

/** What Node's HTTP parser refused, before there was a request. */
export function malformed(code: string | undefined): JobError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new JobError('payload_too_large', 'The address and headers of the request are too long together (16 KiB at most).');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new JobError('invalid_request', 'The request was not sent to its end in time.');
    default:
      return new JobError('invalid_request', 'This is not an HTTP/1.1 request.');
  }
}
