import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineStopped } from '../engines/engine.js';
import { findLeftovers } from '../engines/leftovers.js';
import { failed } from './preflight.js';

export interface StallLimits {
  /** `<job id>/<attempt>`: whose processes are watched. */
  attempt: string;
  /** So long nothing may move before the attempt is ended; 0: for ever. */
  limitMs: number;
  /** Said once at half of it, and when it moves again. */
  warn(text: string): void;
}

/** Looked at so many times within the limit. */
const LOOKS = 20;

/**
 * Runs `work` with a signal that is also aborted when nothing moves: no
 * process of the attempt has read or written a byte for `limitMs`, by the
 * system's own count. Slow is not stalled, and neither is a long silent
 * comparison. Rejects with `stalled`, which is tried again.
 */
export async function withStallWatch<T>(limits: StallLimits, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  if (limits.limitMs === 0) return work(signal);
  const stalled = new AbortController();
  const over = new AbortController();
  const watching = watch(limits, over.signal, () => {
    stalled.abort();
  });
  try {
    return await work(AbortSignal.any([signal, stalled.signal]));
  } catch (error) {
    if (!(error instanceof EngineStopped) || !stalled.signal.aborted || signal.aborted) throw error;
    throw failed(
      'stalled',
      `No process of this attempt read or wrote a byte for ${Math.round(limits.limitMs / 1000)} s, so it was ended.`,
      'The job is tried again by itself. Check the disks, mounts and the network between both sides.',
      true,
    );
  } finally {
    over.abort();
    await watching;
  }
}

async function watch({ attempt, limitMs, warn }: StallLimits, over: AbortSignal, onStalled: () => void): Promise<void> {
  let [seen, movedAtMs, warned] = ['', performance.now(), false];
  while (await waited(limitMs / LOOKS, over)) {
    const now = await bytesMoved(attempt);
    const stillMs = performance.now() - movedAtMs;
    // Between two processes there is nothing that could be stuck.
    if (now === null || now !== seen) {
      if (warned) warn('It moves again.');
      [seen, movedAtMs, warned] = [now ?? '', performance.now(), false];
    } else if (stillMs >= limitMs) {
      onStalled();
      return;
    } else if (!warned && stillMs >= limitMs / 2) {
      warned = true;
      warn(
        `Nothing has moved for ${Math.round(stillMs / 1000)} s; after ${Math.round(limitMs / 1000)} s the attempt is ended and the job tried again.`,
      );
    }
  }
}

const waited = (ms: number, over: AbortSignal): Promise<boolean> => delay(ms, true, { signal: over, ref: false }).catch(() => false);

/** What the processes have read and written so far, as text to compare; `null` where that cannot be told. */
async function bytesMoved(attempt: string): Promise<string | null> {
  const pids = await findLeftovers({ attempt }).catch(() => []);
  const counts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/io`, 'utf8').catch(() => null)));
  const known = counts.filter((count) => count !== null);
  return known.length === 0 ? null : known.join('\n');
}
