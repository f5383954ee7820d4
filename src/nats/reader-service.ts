import { deferred, type NatsConnection, type ServiceMsg } from 'nats';
import { setMaxListeners } from 'node:events';
import type { z } from 'zod';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import { parseJson, parseRequest } from '../../actors/parse-request.js';
import { READER_REQUESTS, READER_VERBS, type ReaderRequests, type ReaderVerb } from '../../actors/requests.js';
import type { Answers } from '../answers.js';
import { packageVersion } from '../package-root.js';
import { HEADERS, subjectsOf } from '../subjects.js';
import { monitorOf } from './connection-monitor.js';
import type { FileReader } from './file-reader.js';
import type { LogReader } from './log-reader.js';
import { respondError, type WriteLog } from './respond.js';
import type { WatchEvent, WatchHub } from './watch-hub.js';

export interface ReaderServiceOptions {
  nc: NatsConnection;
  prefix: string;
  hub: Pick<WatchHub, 'watch'>;
  logs: Pick<LogReader, 'read'>;
  files: Pick<FileReader, 'read'>;
  writeLog: WriteLog;
}

/** Answers `changes`, `logs` and `files` over NATS, as the micro service `tallyman-gateway`. Any number of gateways share the requests. */
export async function startReaderService(options: ReaderServiceOptions): Promise<{ stop(): Promise<void> }> {
  const { nc, prefix, hub, logs, files, writeLog } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  setMaxListeners(0, signal);
  let parked = 0;

  const park = async <T extends { waitMs: number }>(request: T, answer: (request: T) => Promise<object>): Promise<object> => {
    if (request.waitMs === 0) return await answer(request);
    if (parked >= LIMITS.parkedPolls)
      throw new JobError('overloaded', `${LIMITS.parkedPolls} requests wait for news already. Try again later.`);
    parked++;
    try {
      return await answer(request);
    } finally {
      parked--;
    }
  };
  const answers: Record<ReaderVerb, (msg: ServiceMsg) => Promise<object>> = {
    changes: (msg) => park(requestOf(READER_REQUESTS.changes, msg), (request) => answerChanges(hub, request, signal)),
    logs: (msg) => park(requestOf(READER_REQUESTS.logs, msg), (request) => logs.read(request, signal)),
    files: (msg) => files.read(parseRequest(READER_REQUESTS.files, parseJson(msg.string()))),
  };
  const serve = async (verb: ReaderVerb, msg: ServiceMsg): Promise<void> => {
    try {
      msg.respond(JSON.stringify(await answers[verb](msg)));
    } catch (error) {
      if (!nc.isClosed()) respondError(msg, error, writeLog);
    }
  };

  const service = await nc.services.add({
    name: `${prefix}-gateway`,
    version: packageVersion,
    description: 'Reads the journal, the logs and the files for watchers.',
  });
  for (const verb of READER_VERBS) {
    service.addEndpoint(verb, {
      subject: subjectsOf(prefix).verb(verb),
      handler: (error, msg) => {
        if (error) writeLog('a subscription ended', { verb, error: error.message });
        else void serve(verb, msg);
      },
    });
  }
  return {
    async stop() {
      stopping.abort();
      // The library drains its subscriptions, which needs a connection.
      if (!nc.isClosed() && monitorOf(nc).connected) await service.stop();
    },
  };
}

function requestOf<T extends { waitMs: number }>(schema: z.ZodType<T>, msg: ServiceMsg): T {
  const request = parseRequest(schema, parseJson(msg.string()));
  // An answer after the caller's time is of no use to it.
  const askTimeoutMs = Number(msg.headers?.get(HEADERS.askTimeoutMs) || NaN);
  return askTimeoutMs >= 0 ? { ...request, waitMs: Math.min(request.waitMs, askTimeoutMs) } : request;
}

/** The first event that says something, or after `waitMs` an empty answer that brings the caller further. */
async function answerChanges(
  hub: Pick<WatchHub, 'watch'>,
  request: ReaderRequests['changes'],
  signal: AbortSignal,
): Promise<Answers['changes']> {
  const { ids, status, since, waitMs } = request;
  const next = deferred<WatchEvent | null>();
  const watch = await hub.watch({ ...(ids && { ids }), ...(status && { status }) }, since, next.resolve);
  const leave = (): void => next.resolve(null);
  const timer = setTimeout(leave, waitMs);
  signal.addEventListener('abort', leave);
  try {
    const { first } = watch;
    const isNews = first.kind !== 'changed' || first.jobs.length > 0 || first.deleted.length > 0;
    const event = isNews || waitMs === 0 || signal.aborted ? first : await next;
    if (!event) return { seq: watch.seq, jobs: [], deleted: [], reset: false };
    const { kind, seq, jobs, deleted, total } = event;
    return { seq, jobs, deleted, reset: kind !== 'changed', ...(total !== undefined && { total }) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
    watch.stop();
  }
}
