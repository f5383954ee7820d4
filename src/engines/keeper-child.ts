import { setTimeout as delay } from 'node:timers/promises';
import { machineClockMs } from './keeper.js';
import { endLeftovers } from './leftovers.js';

/** What a worker tells its keeper about one attempt; `endAtMs` null forgets it. */
export interface KeeperMessage {
  attempt: string;
  endAtMs: number | null;
  graceMs: number;
}

const WORKER_GRACE_MS = 5_000;
/** A child that was just being started carries the marker a moment later. */
const LOOK_AGAIN_MS = 500;
const WATCH_EVERY_MS = 1_000;

function keep(worker: string): void {
  const timers = new Map<string, NodeJS.Timeout>();
  const set = (attempt: string, waitMs: number, graceMs: number) => {
    const timer = setTimeout(() => {
      void endLeftovers({ worker, attempt }, { graceMs })
        .catch(() => undefined)
        .then(() => {
          // A worker that hung may go on with its next child: watched until it gives up the attempt or gets a new lease.
          if (timers.get(attempt) === timer) set(attempt, WATCH_EVERY_MS, graceMs);
        });
    }, waitMs);
    timers.set(attempt, timer);
  };
  process.on('message', ({ attempt, endAtMs, graceMs }: KeeperMessage) => {
    clearTimeout(timers.get(attempt));
    timers.delete(attempt);
    if (endAtMs !== null) set(attempt, Math.max(0, endAtMs - machineClockMs()), graceMs);
  });
  process.once('disconnect', () => void endAll(worker));
  process.send?.('ready');
}

async function endAll(worker: string): Promise<void> {
  const end = () => endLeftovers({ worker }, { graceMs: WORKER_GRACE_MS }).catch(() => undefined);
  await end();
  await delay(LOOK_AGAIN_MS);
  await end();
  process.exit(0);
}

// The worker's end is told by the channel alone; Ctrl-C and a closed terminal are meant for the worker.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
keep(process.argv[2] ?? '');
