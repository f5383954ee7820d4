import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { createActor, waitFor } from 'xstate';
import type { ErrorCode } from '../../actors/errors.js';
import { workerMachine, type Claimed, type Update, type Verdict } from '../../actors/worker.js';
import type { ItemResult, ProgressAnswer } from '../answers.js';
import type { Config } from '../config.js';
import type { Engine } from '../engines/engine.js';
import { startKeeper } from '../engines/keeper.js';
import { attemptName, endLeftovers, type Markers } from '../engines/leftovers.js';
import { JobClient } from '../job-client.js';
import { AttemptFiles, type AttemptRecord } from './attempt-files.js';
import type { AttemptTools, LogSink } from './attempt-tools.js';
import { AttemptRun, now } from './attempt-run.js';
import { stepsOf } from './away.js';
import { disksHere } from './mounts.js';
import { startPreviewService } from './preview-service.js';
import { INBOX_PREFIX } from '../subjects.js';

/** A claim waits this long for a job. Short, since a stopping worker waits for its last claim. */
const CLAIM_WAIT_MS = 1000;
const CLAIM_SLACK_MS = 250;
/** A stop takes at most this long; what could not be given back by then is, at the next start. */
const STOP_LIMIT_MS = 20_000;

const NOT_OURS: ReadonlySet<ErrorCode> = new Set(['attempt_expired', 'job_not_found', 'illegal_transition']);

export interface WorkerOptions {
  config: Config;
  /** A connection of the worker role. */
  nc: NatsConnection;
  /** The name that jobs show. Default: `host/pid`. */
  name?: string;
  engines: Engine[];
  /** What the engines mark their children with (`newMarkers`). */
  markers: Markers;
  log: LogSink;
  fileSink: AttemptTools['fileSink'];
  /** Transfers at once. Default: `config.workerSlots`. */
  slots?: number;
}

export interface Worker {
  readonly name: string;
  /** Attempts under way. */
  readonly running: number;
  /** No more claims, transfers stopped so that they go on at the next start. Takes a bounded time. */
  stop(): Promise<void>;
}

/** Starts a worker: first ends and gives back what an earlier one on this data folder left, then claims jobs. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { config, nc, engines, markers, log, fileSink, slots = config.workerSlots } = options;
  const name = options.name ?? `${hostname()}/${process.pid}`;
  const client = new JobClient(nc, { prefix: config.prefix, askTimeoutMs: config.askTimeoutMs, inboxPrefix: INBOX_PREFIX.worker });
  const files = new AttemptFiles(path.join(config.dataDir, 'worker', 'attempts'), markers.owner);
  const leftovers = await endOldChildren(files);
  const keeper = await startKeeper(markers.worker);
  const tools: AttemptTools = {
    name,
    client,
    engines: new Map(engines.map((engine) => [engine.type, engine])),
    roots: config.roots,
    files,
    keeper,
    log,
    fileSink,
    // Short, so that one lost message does not cost the lease.
    renewTimeoutMs: Math.min(config.askTimeoutMs, config.leaseMs / 5),
  };
  const actor = createActor(workerMachine, {
    input: {
      slots,
      leftovers,
      leaseMs: config.leaseMs,
      ports: {
        now,
        claim: () => claim(tools, config.askTimeoutMs),
        progress: (updates) => renew(tools, updates),
        stepsOf: (job) => stepsOf(job, tools),
        stepsOfLeftover: (attempt) => new AttemptRun(attempt, null, tools),
      },
    },
  });
  actor.start();
  const previews = await startPreviewService({
    nc,
    prefix: config.prefix,
    client,
    engines: tools.engines,
    roots: config.roots,
    remotes: config.remotes,
    hosts: config.hosts,
    keeper,
    writeLog: (message, details) => {
      console.error(message, details);
    },
  });

  const stop = async () => {
    actor.send({ type: 'stop' });
    const previewsStopped = previews.stop().catch(() => undefined);
    await waitFor(actor, ({ status }) => status === 'done', { timeout: STOP_LIMIT_MS }).catch(() => undefined);
    actor.stop();
    await previewsStopped;
    await Promise.all([log.flush(), keeper.stop()]);
  };
  let stopped: Promise<void> | null = null;
  return {
    name,
    get running() {
      return Object.keys(actor.getSnapshot().context.attempts).length;
    },
    stop: () => (stopped ??= stop()),
  };
}

async function claim({ client, name, engines, roots }: AttemptTools, askTimeoutMs: number): Promise<Claimed | null> {
  const { job, leaseMs } = await client.ask(
    'claim',
    { worker: name, types: [...engines.keys()], waitMs: CLAIM_WAIT_MS, disks: await disksHere(roots) },
    { timeoutMs: CLAIM_WAIT_MS + askTimeoutMs },
  );
  // When the lease began is not known after a long wait: the attempt renews it before anything runs.
  return job && { job, lease: { sentAt: now(), leaseMs } };
}

async function renew({ client, keeper, renewTimeoutMs }: AttemptTools, updates: Update[]): Promise<Verdict[]> {
  const sentAt = now();
  const answer = await client.ask('progress', { updates }, { timeoutMs: renewTimeoutMs });
  const results = 'results' in answer ? answer.results : [];
  return updates.map(({ id, attempt }, index) => {
    const verdict = verdictOf(results[index], sentAt);
    if (verdict && 'leaseMs' in verdict) keeper.extend(attemptName({ jobId: id, attempt }), verdict.leaseMs - (now() - sentAt));
    return verdict;
  });
}

function verdictOf(result: ItemResult<ProgressAnswer> | undefined, sentAt: number): Verdict {
  if (!result) return null;
  if (!('error' in result)) return { sentAt, leaseMs: result.leaseMs, wanted: result.wanted };
  const { code, message } = result.error;
  return NOT_OURS.has(code) ? { refused: message } : null;
}

/** Processes of a worker that was killed may still write: nothing is given back before they have ended. */
async function endOldChildren(files: AttemptFiles): Promise<AttemptRecord[]> {
  const records = await files.leftovers();
  if (records.length === 0) return [];
  // The last claim of the killed worker may still wait in the manager: a job given back now would go to it.
  const claimOver = delay(CLAIM_WAIT_MS + CLAIM_SLACK_MS);
  const ended = await Promise.all(records.map(({ owner, id, attempt }) => endAttempt(owner, attemptName({ jobId: id, attempt }))));
  await claimOver;
  return records.filter((_, index) => ended[index]);
}

async function endAttempt(owner: string, attempt: string): Promise<boolean> {
  try {
    await endLeftovers({ owner, attempt });
    return true;
  } catch (error) {
    console.error(`Processes of the attempt ${attempt} of an earlier worker still run, so its job is not taken up again yet:`, error);
    return false;
  }
}
