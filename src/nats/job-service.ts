import type { Msg, NatsConnection, ServiceMsg } from 'nats';
import { JobError } from '../../actors/errors.js';
import type { Command } from '../../actors/execute.js';
import { LIMITS } from '../../actors/limits.js';
import type { Ask } from '../../actors/mailbox.js';
import { parseJson, parseRequest } from '../../actors/parse-request.js';
import { REQUESTS, VERBS, createSchemaFor, type Verb } from '../../actors/requests.js';
import { packageVersion } from '../package-root.js';
import { HEADERS, subjectsOf } from '../subjects.js';
import { respondError, type WriteLog } from './respond.js';

export interface JobServiceOptions {
  nc: NatsConnection;
  prefix: string;
  askTimeoutMs: number;
  /** Hands a request to the JobManager's mailbox. */
  send(ask: Ask): void;
  writeLog: WriteLog;
}

const QUEUE = 'job-manager';

/** The NATS micro service `tallyman`: an endpoint a verb, each of which puts the request in the mailbox. */
export async function startJobService(options: JobServiceOptions): Promise<{ stop(): Promise<void> }> {
  const { nc, prefix, writeLog } = options;
  const subjects = subjectsOf(prefix);
  const service = await nc.services.add({
    name: prefix,
    version: packageVersion,
    description: 'Creates, runs and watches jobs.',
    queue: QUEUE,
  });
  for (const verb of VERBS) {
    service.addEndpoint(verb, {
      subject: subjects.verb(verb),
      handler: (error, msg) => {
        if (error) return;
        try {
          options.send(askOf(verb, msg, options));
        } catch (caught) {
          respondError(msg, caught, writeLog);
        }
      },
    });
  }
  await nc.flush();
  return {
    async stop() {
      if (!nc.isClosed()) await service.stop();
    },
  };
}

/** Reads a message. Throws `invalid_request`, `payload_too_large`. */
function askOf(verb: Verb, msg: ServiceMsg, { askTimeoutMs, writeLog }: JobServiceOptions): Ask {
  if (msg.data.length > LIMITS.requestBytes) {
    throw new JobError(
      'payload_too_large',
      `The request has ${msg.data.length} bytes; at most ${LIMITS.requestBytes} are taken. Send it in parts.`,
    );
  }
  const headers = headersOf(msg.headers);
  const body = withHeaders(verb, parseJson(textOf(msg)), headers);
  const schema = verb === 'create' ? createSchemaFor(body) : REQUESTS[verb];
  const command = { verb, body: parseRequest<unknown>(schema, body) } as Command;
  const waitMs = command.verb === 'claim' ? command.body.waitMs : 0;
  const timeoutMs = headers.askTimeoutMs ?? askTimeoutMs + waitMs;
  return {
    command,
    bytes: msg.data.length,
    deadlineMs: performance.now() + timeoutMs,
    resolve: (answer) => {
      respond(msg, answer, writeLog);
    },
    reject: (error) => {
      respondError(msg, error, writeLog);
    },
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function textOf(msg: ServiceMsg): string {
  try {
    return decoder.decode(msg.data);
  } catch {
    throw new JobError('invalid_request', 'The request body is not UTF-8.');
  }
}

function respond(msg: ServiceMsg, answer: string, writeLog: WriteLog): void {
  try {
    msg.respond(Buffer.from(answer)); // quicker than the TextEncoder that a string would go through
  } catch (error) {
    respondError(msg, error, writeLog);
  }
}

interface OurHeaders {
  askTimeoutMs?: number;
  idempotencyKey?: string;
  ifVersion?: number;
}

const NO_HEADERS: OurHeaders = {};

/** In one pass: the library's `get` looks through all of them each time. */
function headersOf(headers: Msg['headers']): OurHeaders {
  if (!headers) return NO_HEADERS;
  const ours: OurHeaders = {};
  for (const [name, [text]] of headers) {
    if (!text) continue;
    if (name === HEADERS.askTimeoutMs) ours.askTimeoutMs = wholeNumber(name, text, LIMITS.askTimeoutMsMax);
    else if (name === HEADERS.ifVersion) ours.ifVersion = wholeNumber(name, text, Number.MAX_SAFE_INTEGER);
    else if (name === HEADERS.idempotencyKey) ours.idempotencyKey = text;
  }
  return ours;
}

const KEYED_VERBS: ReadonlySet<Verb> = new Set(['create', 'create_many', 'duplicate', 'verify', 'schedule_create', 'schedule_run']);

/** Headers say the same as fields of the body, for those who cannot touch the body. */
function withHeaders(verb: Verb, body: unknown, { idempotencyKey, ifVersion }: OurHeaders): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const key = KEYED_VERBS.has(verb) ? idempotencyKey : undefined;
  if (key === undefined && ifVersion === undefined) return body;
  return { ...body, ...(key === undefined ? {} : { idempotencyKey: key }), ...(ifVersion === undefined ? {} : { ifVersion }) };
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= max) return value;
  throw new JobError('invalid_request', `${name}: expected a whole number from 1 to ${max}.`, { field: name });
}
