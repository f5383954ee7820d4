import { randomUUID } from 'node:crypto';
import type { NatsConnection, ServiceMsg } from 'nats';
import { JobError } from '../../actors/errors.js';
import type { JobFailure } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { parseJson, parseRequest } from '../../actors/parse-request.js';
import { PREVIEW_MS, makePreviewId } from '../../actors/preview-id.js';
import { previewSchemaFor } from '../../actors/requests.js';
import { checkTransfer, type Transfer } from '../../actors/transfer-rules.js';
import type { Preview } from '../answers.js';
import { sha256 } from '../digest.js';
import { EngineFailed, EngineStopped, type Engine, type EnginePreview, type Run, type TransferTask } from '../engines/engine.js';
import type { Keeper } from '../engines/keeper.js';
import { attemptName } from '../engines/leftovers.js';
import type { JobClient } from '../job-client.js';
import { monitorOf } from '../nats/connection-monitor.js';
import { respondError, type WriteLog } from '../nats/respond.js';
import { packageVersion } from '../package-root.js';
import { shellText } from '../shell-text.js';
import { HEADERS, subjectsOf } from '../subjects.js';
import { checkChanges, checkGuards, previewLimitsOf } from './guards.js';
import { Places } from './places.js';
import { checkTrash } from './preflight.js';

export interface PreviewServiceOptions {
  nc: NatsConnection;
  prefix: string;
  client: Pick<JobClient, 'get'>;
  engines: ReadonlyMap<string, Engine>;
  roots: readonly string[];
  remotes: readonly string[];
  /** Other machines, as jobs of type rsync name them. */
  hosts: readonly string[];
  keeper: Pick<Keeper, 'extend' | 'forget'>;
  writeLog: WriteLog;
}

/** Answers `preview` over NATS, as the micro service `tallyman-worker`. Any number of workers share the requests. */
export async function startPreviewService(options: PreviewServiceOptions): Promise<{ stop(): Promise<void> }> {
  const { nc, prefix, writeLog } = options;
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();

  const serve = async (msg: ServiceMsg): Promise<void> => {
    try {
      if (running.size >= LIMITS.previewsAtOnce)
        throw new JobError('overloaded', `${LIMITS.previewsAtOnce} previews are being made already. Try again later.`);
      const deadline = AbortSignal.timeout(timeoutOf(msg));
      const signal = AbortSignal.any([deadline, stopping.signal]);
      const preview = makePreview(msg, signal, options);
      running.add(preview);
      preview.catch(() => undefined).finally(() => running.delete(preview));
      // The answer does not wait until rsync has ended; the next preview does.
      msg.respond(JSON.stringify(await Promise.race([preview, refusalAt(signal)])));
    } catch (error) {
      if (!nc.isClosed()) respondError(msg, explain(error), writeLog);
    }
  };

  const service = await nc.services.add({ name: `${prefix}-worker`, version: packageVersion, description: 'Previews transfers.' });
  service.addEndpoint('preview', {
    subject: subjectsOf(prefix).verb('preview'),
    handler: (error, msg) => {
      if (error) writeLog('a subscription ended', { verb: 'preview', error: error.message });
      else void serve(msg);
    },
  });
  // From here on the server knows of the subscription.
  if (monitorOf(nc).connected) await nc.flush();
  return {
    async stop() {
      stopping.abort();
      await Promise.allSettled(running);
      // The library drains its subscriptions, which needs a connection.
      if (!nc.isClosed() && monitorOf(nc).connected) await service.stop();
    },
  };
}

async function makePreview(msg: ServiceMsg, signal: AbortSignal, options: PreviewServiceOptions): Promise<Preview> {
  const { engines, roots, remotes, hosts, keeper } = options;
  const transfer = await transferOf(parseJson(msg.string()), options);
  const engine = engines.get(transfer.type);
  if (!engine?.preview) {
    throw new JobError('invalid_request', `type: there are no previews of jobs of type ${transfer.type}.`, { field: 'type' });
  }
  checkTransfer({ roots, remotes, hosts }, transfer);
  const probe = await engine.probe();
  if (!probe.found) throw new JobError('unavailable', `This worker has no ${transfer.type}. ${probe.advice}`);
  const { source, destination } = transfer;
  const task: TransferTask = { jobId: `preview-${randomUUID()}`, attempt: 1, source, destination, options: transfer.options };
  const name = attemptName(task);
  // Should this worker hang, its keeper ends the child, a good while after the longest that it may take.
  keeper.extend(name, 2 * LIMITS.askTimeoutMsMax);
  try {
    const places = await Places.look(task, engine, roots, runOf(signal));
    const found = await engine.preview(task, runOf(signal));
    const { changes, failure, ...shown } = found;
    const bytes = changes.create.bytes + changes.change.bytes;
    const findings = await findingsOf([
      () => (failure ? Promise.reject(new EngineFailed(failure)) : Promise.resolve()),
      () => checkTrash(task, places.local, roots),
      () => checkGuards(task, places.local, null),
      () => checkChanges(task, changes),
      () => places.requireSpace(bytes, signal),
    ]);
    return { ...idOf(transfer, found), ...shown, commandText: shellText(shown.command), findings };
  } finally {
    keeper.forget(name);
  }
}

async function transferOf(body: unknown, { client }: PreviewServiceOptions): Promise<Transfer> {
  const request = parseRequest(previewSchemaFor(body), body);
  if (!('id' in request)) return request;
  const { type, source, destination, options } = await client.get(request.id);
  if (source !== null && destination !== null && 'excludes' in options) return { type, source, destination, options } as Transfer;
  throw new JobError('invalid_request', `Job ${request.id} is of type ${type}: there is a preview only of transfers.`, { field: 'id' });
}

function idOf(transfer: Transfer, { changes }: EnginePreview): Pick<Preview, 'previewId' | 'expiresAt'> {
  const expiresAtMs = Date.now() + PREVIEW_MS;
  const previewId = makePreviewId(transfer, { expiresAtMs, ...previewLimitsOf(changes) }, sha256);
  return { previewId, expiresAt: new Date(expiresAtMs).toISOString() };
}

async function findingsOf(checks: (() => unknown)[]): Promise<Preview['findings']> {
  const findings: JobFailure[] = [];
  for (const check of checks) {
    try {
      await check();
    } catch (error) {
      if (!(error instanceof EngineFailed)) throw error;
      findings.push(error.failure);
    }
  }
  return findings.map(({ code, message, advice }) => ({ code, message, advice }));
}

/** Nobody follows a preview: only its end counts. */
const runOf = (signal: AbortSignal): Run => ({
  signal,
  onProgress: () => undefined,
  log: () => undefined,
  file: () => undefined,
  roomForFiles: () => Promise.resolve(),
});

function timeoutOf(msg: ServiceMsg): number {
  const text = msg.headers?.get(HEADERS.askTimeoutMs) ?? '';
  const timeoutMs = text === '' ? LIMITS.previewMs : Number(text);
  if (Number.isInteger(timeoutMs) && timeoutMs > 0 && timeoutMs <= LIMITS.askTimeoutMsMax) return timeoutMs;
  throw new JobError('invalid_request', `${HEADERS.askTimeoutMs}: expected a whole number from 1 to ${LIMITS.askTimeoutMsMax}.`);
}

const refusalAt = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const refuse = (): void => reject(new EngineStopped());
    if (signal.aborted) refuse();
    signal.addEventListener('abort', refuse, { once: true });
  });

function explain(error: unknown): unknown {
  if (error instanceof EngineStopped) {
    return new JobError(
      'ask_timeout',
      `The preview was ended before it was ready: its time was over, or the worker stops. Nothing was changed. Give it longer with ${HEADERS.askTimeoutMs}.`,
    );
  }
  if (!(error instanceof EngineFailed)) return error;
  const { code, message, advice, retriable } = error.failure;
  const isRefusal = code === 'path_not_allowed' || code === 'remote_not_allowed';
  return new JobError(isRefusal ? code : retriable ? 'unavailable' : 'invalid_request', `${message} ${advice ?? ''}`.trim(), {
    reason: code,
  });
}
