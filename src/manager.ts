import { randomFillSync, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicFactory } from 'ulid';
import { createActor } from 'xstate';
import { deferred, type NatsConnection } from 'nats';
import { cleanupTimer } from '../actors/cleanup-timer.js';
import { JobError } from '../actors/errors.js';
import { jobManager } from '../actors/job-manager.js';
import type { Journal } from '../actors/journal.js';
import { LIMITS } from '../actors/limits.js';
import { notServing } from '../actors/refusals.js';
import type { ManagerInput } from '../actors/manager-input.js';
import type { Ask } from '../actors/mailbox.js';
import type { Config } from './config.js';
import { nextTime } from './cron.js';
import { sha256 } from './digest.js';
import { JobClient } from './job-client.js';
import { startJobService } from './nats/job-service.js';
import { INBOX_PREFIX } from './subjects.js';

export interface ManagerOptions {
  config: Pick<
    Config,
    | 'prefix'
    | 'askTimeoutMs'
    | 'leaseMs'
    | 'roots'
    | 'remotes'
    | 'hosts'
    | 'sameHosts'
    | 'limits'
    | 'bandwidth'
    | 'cleanupAfterSeconds'
    | 'cleanupEveryMs'
  >;
  /** The manager's connection: it answers requests there. */
  nc: NatsConnection;
  journal: Journal;
  /** Jobs are gone: their logs can go too. */
  onDeleted?: (ids: readonly string[]) => void;
  log?: (message: string) => void;
  settings?: Partial<ManagerInput['settings']>;
  stopLimitMs?: number;
}

export interface RunningManager {
  /** Resolves, to the reason, when it serves no more: fenced, failed, or stopped (`null`). */
  ended: Promise<string | null>;
  /** The journal was out of reach: proves its leadership anew before it answers. */
  doubt(): void;
  /** Finishes what waits, closes its epoch and ends. */
  stop(): Promise<void>;
}

const JOURNAL_SHARE = 0.5;
/** A stop waits so long for a journal that does not answer. */
const STOP_LIMIT_MS = 10_000;

/** Starts the JobManager: resolves when it serves, rejects when it cannot (the journal cannot be read, another one leads). */
export async function startManager(options: ManagerOptions): Promise<RunningManager> {
  const { config, nc, log = () => undefined } = options;
  const serving = deferred<undefined>();
  // It may fail before anybody waits for it.
  serving.catch(() => undefined);
  const ended = deferred<string | null>();
  const input: ManagerInput = {
    ...managerInput(options, log),
    onServing: () => {
      serving.resolve(undefined);
    },
    onEnded: (reason) => {
      serving.reject(new JobError('unavailable', `The job manager cannot serve: ${reason ?? 'it was stopped'}.`));
      ended.resolve(reason);
    },
  };
  const actor = createActor(jobManager, { input });
  const isActive = () => actor.getSnapshot().status === 'active';
  actor.start();
  const service = await startJobService({
    nc,
    prefix: config.prefix,
    askTimeoutMs: config.askTimeoutMs,
    send: together((asks) => {
      if (isActive()) actor.send({ type: 'asks', asks });
      else for (const ask of asks) ask.reject(notServing(null));
    }),
    writeLog: (message, details) => {
      log(`${message} ${JSON.stringify(details)}`);
    },
  });
  await serving.catch(async (error: unknown) => {
    await service.stop();
    actor.stop();
    throw error;
  });
  const cleanup = startCleanup(config, nc, log);
  return {
    ended,
    doubt: () => {
      actor.send({ type: 'doubt' });
    },
    async stop() {
      cleanup.stop();
      if (isActive()) actor.send({ type: 'drain' });
      const patience = setTimeout(() => {
        if (isActive()) actor.send({ type: 'abandon' });
      }, options.stopLimitMs ?? STOP_LIMIT_MS);
      await ended;
      clearTimeout(patience);
      await service.stop();
      actor.stop();
    },
  };
}

function managerInput(
  { config, nc, journal, onDeleted, settings }: ManagerOptions,
  log: (message: string) => void,
): Omit<ManagerInput, 'onServing' | 'onEnded'> {
  const maxPayload = nc.info?.max_payload ?? 1024 * 1024;
  const random = pooledRandom();
  return {
    journal,
    clock: {
      nowMs: Date.now,
      monotonicMs: () => performance.now(),
      every: (periodMs, tick) => {
        const timer = setInterval(tick, periodMs);
        return () => {
          clearInterval(timer);
        };
      },
      delay: async (ms) => {
        await sleep(ms);
      },
    },
    newId: monotonicFactory(random),
    newCommitId: randomUUID,
    random,
    digest: sha256,
    nextTime,
    nextTurn: () =>
      new Promise((resolve) => {
        setImmediate(resolve);
      }),
    onDeleted: onDeleted ?? (() => undefined),
    log,
    settings: {
      leaseMs: config.leaseMs,
      roots: config.roots,
      limits: config.limits,
      bandwidth: config.bandwidth,
      remotes: config.remotes,
      hosts: config.hosts,
      sameHosts: config.sameHosts,
      leadLeaseMs: 1000,
      tickMs: 50,
      recordBytesMax: Math.min(LIMITS.recordBytes, maxPayload * JOURNAL_SHARE),
      carryMinBytes: 64 * 1024 * 1024,
      ...settings,
    },
  };
}

/** 0 to below 1, unpredictable. Asks the system for many bytes at once: an id takes sixteen numbers. */
function pooledRandom(): () => number {
  const pool = new Uint32Array(1024);
  let next = pool.length;
  return () => {
    if (next === pool.length) {
      randomFillSync(pool);
      next = 0;
    }
    return (pool[next++] as number) / 2 ** 32;
  };
}

/** Hands over in one event what was read from the socket at once, in its order. */
function together(send: (asks: Ask[]) => void): (ask: Ask) => void {
  let asks: Ask[] = [];
  return (ask) => {
    if (asks.push(ask) > 1) return;
    queueMicrotask(() => {
      const arrived = asks;
      asks = [];
      send(arrived);
    });
  };
}

/** The cleanup timer is a client like any other: it asks over NATS. */
function startCleanup(config: ManagerOptions['config'], nc: NatsConnection, log: (message: string) => void): { stop(): void } {
  if (config.cleanupAfterSeconds === 0) return { stop: () => undefined };
  const client = new JobClient(nc, { prefix: config.prefix, askTimeoutMs: config.askTimeoutMs, inboxPrefix: INBOX_PREFIX.manager });
  const timer = createActor(cleanupTimer, {
    input: {
      everyMs: config.cleanupEveryMs,
      cleanup: async () => (await client.ask('cleanup', { olderThanSeconds: config.cleanupAfterSeconds })).remaining > 0,
      log,
    },
  });
  timer.start();
  return {
    stop() {
      timer.stop();
    },
  };
}
