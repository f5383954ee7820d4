import { setTimeout as delay } from 'node:timers/promises';
import type { StepRun } from '../../actors/attempt-steps.js';
import { EngineStopped } from '../engines/engine.js';
import { findLeftovers } from '../engines/leftovers.js';
import { activityHere, type Activity } from './activity.js';
import { failed } from './preflight.js';

export interface StallLimits {
  /** `<job id>/<attempt>`: whose processes are watched. */
  attempt: string;
  /** So long nothing may move before the attempt is ended; 0: for ever. */
  limitMs: number;
  /** Said once at half of it, and when it moves again. */
  warn(text: string): void;
  /** Where it is told whether processes do anything. Default: what there is on this machine. */
  activity?: Activity | null;
}

/** Looked at so many times within the limit. */
const LOOKS = 20;
/** Who waits wakes up now and then: less of the processor than this is no work. */
const BUSY = 0.01;

/**
 * Runs `work` with a signal that is also aborted when nothing moves for
 * `limitMs`: no process of the attempt has read or written a byte, or used the
 * processor where bytes are not told, and the engine tells no progress. Slow is
 * not stalled, and neither is a long silent comparison. Rejects with `stalled`,
 * which is tried again.
 */
export async function withStallWatch<T>(limits: StallLimits, run: StepRun, work: (run: StepRun) => Promise<T>): Promise<T> {
  const { activity = await activityHere() } = limits;
  if (limits.limitMs === 0 || activity === null) return work(run);
  const { signal } = run;
  const stalled = new AbortController();
  const over = new AbortController();
  const told = new ToldProgress();
  const watching = watch(limits, activity, told, over.signal, () => {
    stalled.abort();
  });
  const onProgress: StepRun['onProgress'] = (progress) => {
    told.add(progress);
    run.onProgress(progress);
  };
  try {
    return await work({ ...run, onProgress, signal: AbortSignal.any([signal, stalled.signal]) });
  } catch (error) {
    if (!(error instanceof EngineStopped) || !stalled.signal.aborted || signal.aborted) throw error;
    throw failed(
      'stalled',
      `No process of this attempt ${activity.unit === 'bytes' ? 'read or wrote a byte' : 'did anything'} for ${Math.round(limits.limitMs / 1000)} s, so it was ended.`,
      'The job is tried again by itself. Check the disks, mounts and the network between both sides.',
      true,
    );
  } finally {
    over.abort();
    await watching;
  }
}

/** What the engine has told of bytes and files; a speed that is told anew is no news. */
class ToldProgress {
  #last = '';
  isNew = false;

  add({ bytesTransferred, filesTransferred, currentFile }: Parameters<StepRun['onProgress']>[0]): void {
    const told = `${bytesTransferred} ${filesTransferred} ${currentFile}`;
    if (told !== this.#last) this.isNew = true;
    this.#last = told;
  }
}

async function watch(
  { attempt, limitMs, warn }: StallLimits,
  activity: Activity,
  told: ToldProgress,
  over: AbortSignal,
  onStalled: () => void,
): Promise<void> {
  let [seen, movedAtMs, warned]: [number | null, number, boolean] = [null, performance.now(), false];
  while (await waited(limitMs / LOOKS, over)) {
    const now = await activity.read(await findLeftovers({ attempt }).catch(() => []));
    const stillMs = performance.now() - movedAtMs;
    if (told.isNew || hasMoved(activity, seen, now, stillMs)) {
      told.isNew = false;
      if (warned) warn('It moves again.');
      [seen, movedAtMs, warned] = [now, performance.now(), false];
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

/** Between two processes there is nothing that could be stuck; where the sum falls, one of several has ended. */
function hasMoved({ unit }: Activity, seen: number | null, now: number | null, stillMs: number): boolean {
  if (seen === null || now === null || now < seen) return true;
  return unit === 'bytes' ? now > seen : now - seen > stillMs * BUSY;
}

const waited = (ms: number, over: AbortSignal): Promise<boolean> => delay(ms, true, { signal: over, ref: false }).catch(() => false);
