import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorCode, NatsError, headers as natsHeaders, type MsgHdrs, type NatsConnection } from 'nats';
import { JobError, type ErrorBody } from '../actors/errors.js';
import type { HistoryEntry, Job, JobStatus } from '../actors/job.js';
import { LIMITS } from '../actors/limits.js';
import { isRead, type ALL_REQUESTS, type AnyVerb } from '../actors/requests.js';
import type { z } from 'zod';
import type { Answers } from './answers.js';
import { DEFAULT_PREFIX, HEADERS, INBOX_PREFIX, subjectsOf, type Subjects } from './subjects.js';
import { connectNats, type NatsLogin } from './nats/connection.js';
import { Inbox } from './nats/inbox.js';

/** The body that a caller writes: fields with a default may be left out. */
export type RequestBody<V extends AnyVerb> = z.input<(typeof ALL_REQUESTS)[V]>;

export interface AskOptions {
  /** How long the request may wait and take. Default: the client's `askTimeoutMs`. */
  timeoutMs?: number;
  /** A repeat with the same key and body is the same request. */
  idempotencyKey?: string;
  /** Refused with `version_conflict` when the job has another version by then. */
  ifVersion?: number;
  /** W3C trace context, passed on. */
  traceparent?: string;
}

export interface JobClientOptions {
  prefix?: string;
  /** How long a request may wait and take. Default: as long as the service's own settings say, 5 s of waiting here. */
  askTimeoutMs?: number;
  /** Where answers go: what the connection's own `inboxPrefix` says, if it has one. Default: `_INBOX`. */
  inboxPrefix?: string;
}

/** What the manager's own timeout leaves for the way there and back. */
const WAY_MS = 500;

const ASK_TIMEOUT_MS = 5000;
const DOWN_PAUSE_MS = 100;

/** The typed client of the service: HTTP, WebSocket and CLI are built on it, and other services may be. */
export class JobClient {
  readonly #nc: NatsConnection;
  readonly #inbox: Inbox;
  readonly #subjects: Subjects;
  readonly #askTimeoutMs: number | undefined;
  #connected = true;

  constructor(nc: NatsConnection, options: JobClientOptions = {}) {
    this.#nc = nc;
    this.#inbox = new Inbox(nc, options.inboxPrefix ?? INBOX_PREFIX.client);
    this.#subjects = subjectsOf(options.prefix ?? DEFAULT_PREFIX);
    this.#askTimeoutMs = options.askTimeoutMs;
    void this.#followStatus();
  }

  static async connect(login: NatsLogin, options: JobClientOptions = {}): Promise<JobClient> {
    return new JobClient(await connectNats(login, 'client'), options);
  }

  async close(): Promise<void> {
    if (!this.#nc.isClosed()) await this.#nc.close();
  }

  /** Sends one request and gives the parsed answer. Every failure is a `JobError`; it never hangs. */
  async ask<V extends AnyVerb>(verb: V, body: RequestBody<V>, options: AskOptions = {}): Promise<Answers[V]> {
    return JSON.parse(await this.askText(verb, JSON.stringify(body), options)) as Answers[V];
  }

  /** The same, with the JSON text of body and answer, for front ends that pass them on. */
  async askText(verb: AnyVerb, body: string, options: AskOptions = {}): Promise<string> {
    const askedMs = options.timeoutMs ?? this.#askedMs(verb);
    const timeoutMs = askedMs ?? ASK_TIMEOUT_MS;
    // Refused after a moment, not at once: a caller that tries again without a pause would never let the connection come back.
    if (this.#isDown()) await sleep(Math.min(DOWN_PAUSE_MS, timeoutMs));
    if (this.#isDown()) throw unavailable('The connection to NATS is down.');
    const data = Buffer.from(body);
    const max = this.#nc.info?.max_payload;
    if (max !== undefined && data.length > max) {
      throw new JobError('payload_too_large', `The request has ${data.length} bytes; the NATS server takes ${max}. Send it in parts.`);
    }
    try {
      const msg = await this.#inbox.request(this.#subjects.verb(verb), data, {
        timeoutMs: timeoutMs + WAY_MS,
        headers: headersOf(askedMs, options),
      });
      if (msg.headers?.has(HEADERS.errorCode)) throw errorOf(msg.data, msg.headers);
      return msg.string();
    } catch (error) {
      throw error instanceof JobError ? error : explain(error, verb, timeoutMs);
    }
  }

  create(body: RequestBody<'create'>, options?: AskOptions): Promise<Job> {
    return this.ask('create', body, options);
  }

  get(id: string, options?: AskOptions): Promise<Job> {
    return this.ask('get', { id }, options);
  }

  list(body: RequestBody<'list'> = {}, options?: AskOptions): Promise<Answers['list']> {
    return this.ask('list', body, options);
  }

  async history(id: string, options?: AskOptions): Promise<HistoryEntry[]> {
    return (await this.ask('history', { id }, options)).history;
  }

  /** One of start, pause, resume, cancel and retry, for one job. */
  command(verb: 'start' | 'pause' | 'resume' | 'cancel' | 'retry', id: string, options?: AskOptions): Promise<Job> {
    return this.ask(verb, { id }, options) as Promise<Job>;
  }

  /**
   * Follows jobs as they change: first a `reset` with the jobs as they are
   * (unless `since` is still in the journal), then every change, newest state
   * only. Survives reconnects; ends when `signal` is aborted or the caller leaves the loop.
   */
  async *watch(
    filter: { since?: number; ids?: string[]; status?: JobStatus[]; signal?: AbortSignal } = {},
  ): AsyncGenerator<Answers['changes']> {
    const { signal, ...query } = filter;
    let since = query.since;
    const waitMs = 20_000;
    while (!signal?.aborted) {
      const answer = await this.ask(
        'changes',
        { ...query, ...(since === undefined ? {} : { since }), waitMs },
        { timeoutMs: waitMs + (this.#askTimeoutMs ?? ASK_TIMEOUT_MS) },
      );
      since = answer.seq;
      if (answer.reset || answer.jobs.length > 0 || answer.deleted.length > 0) yield answer;
    }
  }

  /** What a request says of its time; nothing: the service's own settings hold. */
  #askedMs(verb: AnyVerb): number | undefined {
    if (verb === 'preview') return LIMITS.previewMs;
    // A claim that waited longer than we do would take a job for nobody.
    return this.#askTimeoutMs ?? (verb === 'claim' ? ASK_TIMEOUT_MS : undefined);
  }

  #isDown(): boolean {
    return this.#nc.isClosed() || !this.#connected;
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.#nc.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.#connected = false;
      if (status.type === 'reconnect') this.#connected = true;
      if (status.permissionContext?.operation === 'publish') this.#inbox.refuse(status.permissionContext.subject);
    }
  }
}

/** None when there is nothing to say: reading them is a tenth of what a request costs the manager. */
function headersOf(timeoutMs: number | undefined, options: AskOptions): MsgHdrs | undefined {
  const { idempotencyKey, ifVersion, traceparent } = options;
  if ((timeoutMs ?? idempotencyKey ?? ifVersion ?? traceparent) === undefined) return undefined;
  const hdrs = natsHeaders();
  if (timeoutMs !== undefined) hdrs.set(HEADERS.askTimeoutMs, String(timeoutMs));
  if (idempotencyKey !== undefined) hdrs.set(HEADERS.idempotencyKey, idempotencyKey);
  if (ifVersion !== undefined) hdrs.set(HEADERS.ifVersion, String(ifVersion));
  if (traceparent !== undefined) hdrs.set(HEADERS.traceparent, traceparent);
  return hdrs;
}

function errorOf(data: Uint8Array, hdrs: MsgHdrs): JobError {
  try {
    return JobError.fromBody(JSON.parse(new TextDecoder().decode(data)) as Partial<ErrorBody>);
  } catch {
    return new JobError('internal', hdrs.get(HEADERS.error) || 'The service answered with an error.');
  }
}

const unavailable = (why: string, cause?: unknown) =>
  new JobError('unavailable', `${why} Nothing was done. Start the service ("npm start") or try again in a moment.`, {}, { cause });

const whatNow = (verb: AnyVerb): string =>
  isRead(verb)
    ? 'it changes nothing, so ask again.'
    : 'it may have been done or not. Look with "get" or repeat it with the same idempotency key.';

function explain(error: unknown, verb: AnyVerb, timeoutMs: number): JobError {
  const code = error instanceof NatsError ? error.code : '';
  switch (code as ErrorCode) {
    case ErrorCode.NoResponders:
      return unavailable(verb === 'preview' ? 'No worker with a preview answers on NATS.' : 'No job manager answers on NATS.', error);
    case ErrorCode.Timeout:
      return new JobError('outcome_unknown', `No answer to ${verb} came within ${timeoutMs} ms: ${whatNow(verb)}`, {}, { cause: error });
    case ErrorCode.PermissionsViolation:
      return new JobError(
        'forbidden',
        `This NATS user may not use ${verb}, or not hear answers under this client's inboxPrefix.`,
        {},
        { cause: error },
      );
    case ErrorCode.ConnectionClosed:
    case ErrorCode.ConnectionDraining:
    case ErrorCode.Disconnect:
      return new JobError(
        'outcome_unknown',
        `The connection to NATS broke while ${verb} was under way: ${whatNow(verb)}`,
        {},
        { cause: error },
      );
    default:
      return new JobError('internal', `${verb} failed: ${error instanceof Error ? error.message : String(error)}.`, {}, { cause: error });
  }
}
