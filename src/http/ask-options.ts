import type { IncomingHttpHeaders } from 'node:http';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import { parseJson } from '../../actors/parse-request.js';
import { isRead, type AnyVerb } from '../../actors/requests.js';
import type { AskOptions } from '../job-client.js';

/** Verbs whose answer may be waited for: their `waitMs` comes on top of the ask timeout. */
const WAITING_VERBS: ReadonlySet<AnyVerb> = new Set(['claim', 'changes', 'logs']);

/** The request headers that go along with an ask. Throws `invalid_request` naming the header. */
export function askOptionsOf(headers: IncomingHttpHeaders, verb: AnyVerb): AskOptions {
  const timeout = headers['ask-timeout-ms'];
  const key = headers['idempotency-key'];
  // A condition on a change; reading changes nothing.
  const match = isRead(verb) ? undefined : headers['if-match'];
  const { traceparent } = headers;
  return {
    ...(timeout === undefined ? {} : { timeoutMs: timeoutOf(String(timeout)) }),
    ...(key === undefined ? {} : { idempotencyKey: keyOf(String(key)) }),
    ...(match === undefined || match === '*' ? {} : { ifVersion: versionOf(match) }),
    // One that is not well-formed is left out, as W3C Trace Context asks for.
    ...(typeof traceparent === 'string' && /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(traceparent) ? { traceparent } : {}),
  };
}

/** `options` with a timeout that leaves room for the `waitMs` of a long poll. */
export function withWait(verb: AnyVerb, body: string, options: AskOptions, askTimeoutMs: number): AskOptions {
  if (!WAITING_VERBS.has(verb)) return options;
  const { waitMs } = (parseJson(body) ?? {}) as { waitMs?: unknown };
  if (typeof waitMs !== 'number' || waitMs < 0 || waitMs > LIMITS.waitMsMax) return options;
  return { ...options, timeoutMs: (options.timeoutMs ?? askTimeoutMs) + Math.ceil(waitMs) };
}

/** `"7"` for a job at version 7. */
export const etagOf = (version: number): string => `"${version}"`;

/** Whether an `If-None-Match` header names this version. */
export function noneMatches(header: string | undefined, version: number): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etagOf(version));
}

function versionOf(match: string): number {
  const version = Number(/^"?(\d{1,15})"?$/.exec(match)?.[1]);
  if (version >= 1) return version;
  throw new JobError('invalid_request', 'The header If-Match takes one ETag as the service gave it, like "7", or *.', {
    header: 'If-Match',
  });
}

function timeoutOf(text: string): number {
  const timeoutMs = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (timeoutMs >= 1 && timeoutMs <= LIMITS.askTimeoutMsMax) return timeoutMs;
  throw new JobError('invalid_request', `The header Ask-Timeout-Ms takes a whole number from 1 to ${LIMITS.askTimeoutMsMax}.`, {
    header: 'Ask-Timeout-Ms',
  });
}

function keyOf(text: string): string {
  if (/^[\x21-\x7e]{1,200}$/.test(text)) return text;
  throw new JobError('invalid_request', 'The header Idempotency-Key takes 1 to 200 visible ASCII characters.', {
    header: 'Idempotency-Key',
  });
}
