import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Who started a child: `owner` is the data folder's id, `worker` the random id of one worker process. Neither holds blanks. */
export interface Markers {
  owner: string;
  worker: string;
}

/** Which processes are meant; every given field must fit. */
export interface LeftoverMatch {
  owner?: string;
  worker?: string;
  /** `<job id>/<attempt>`. */
  attempt?: string;
  /** Every attempt of this job. */
  job?: string;
  /** One of the copies that run at once for an attempt. */
  part?: number;
}

export interface EndOptions {
  /** How long a process may take to end by itself after SIGTERM. */
  graceMs?: number;
  /** How long it may take after SIGKILL. A process that waits for a lost disk may take for ever. */
  killWaitMs?: number;
}

export const STOP_GRACE_MS = 10_000;
const KILL_WAIT_MS = 10_000;
const LOOK_EVERY_MS = 25;

export const attemptName = (task: { jobId: string; attempt: number }): string => `${task.jobId}/${task.attempt}`;

/**
 * The marker that a child and all its descendants carry in their environment.
 * It is there from the first instruction of the child, and a recycled process
 * id does not have it: that is why no list of process ids is kept.
 */
export const markerEnv = (markers: Markers, task: { jobId: string; attempt: number; part?: number }): Record<string, string> => ({
  TALLYMAN_OWNER: markers.owner,
  TALLYMAN_WORKER: markers.worker,
  TALLYMAN_JOB: task.jobId,
  TALLYMAN_ATTEMPT: attemptName(task),
  ...(task.part === undefined ? {} : { TALLYMAN_PART: String(task.part) }),
});

/** A process did not end even by SIGKILL. */
export class StillRunning extends Error {
  readonly pids: number[];
  constructor(pids: number[]) {
    super(
      `The process ${pids.join(', ')} does not end, not even by SIGKILL: it most likely waits for a disk or network mount that is gone. ` +
        'Bring that back or unmount it by force.',
    );
    this.name = 'StillRunning';
    this.pids = pids;
  }
}

/**
 * Ends every process that carries the marker: SIGTERM, after `graceMs` SIGKILL.
 * Resolves when none is left, with how many there were; rejects with `StillRunning`.
 */
export async function endLeftovers(match: LeftoverMatch, options: EndOptions = {}): Promise<number> {
  const { graceMs = STOP_GRACE_MS, killWaitMs = KILL_WAIT_MS } = options;
  const entries = entriesOf(match);
  const seen = new Set<number>();
  const startedMs = performance.now();
  for (;;) {
    const pids = await findMarked(entries);
    if (pids.length === 0) return seen.size;
    const tookMs = performance.now() - startedMs;
    if (tookMs > graceMs + killWaitMs) throw new StillRunning(pids);
    for (const pid of pids) {
      // SIGTERM once: whoever is putting its partial file aside is left to it.
      if (tookMs >= graceMs) send(pid, 'SIGKILL');
      else if (!seen.has(pid)) send(pid, 'SIGTERM');
      seen.add(pid);
    }
    await delay(LOOK_EVERY_MS);
  }
}

/** The ids of the living processes that carry the marker; zombies have no environment any more and are not among them. */
export function findLeftovers(match: LeftoverMatch): Promise<number[]> {
  return findMarked(entriesOf(match));
}

function entriesOf(match: LeftoverMatch): string[] {
  const { owner, worker, job, attempt, part } = match;
  const wanted = { TALLYMAN_OWNER: owner, TALLYMAN_WORKER: worker, TALLYMAN_JOB: job, TALLYMAN_ATTEMPT: attempt, TALLYMAN_PART: part };
  const entries = Object.entries(wanted)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`);
  if (entries.length === 0) throw new Error('Say which processes are meant: an empty match would mean all of them.');
  return entries;
}

function findMarked(entries: string[]): Promise<number[]> {
  return process.platform === 'linux' ? findInProc(entries) : findByPs(entries);
}

async function findInProc(entries: string[]): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const wanted = entries.map((entry) => `\0${entry}\0`);
  const carries = async (pid: number): Promise<boolean> => {
    // Processes of other users cannot be read, and were not started here either.
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    return wanted.every((entry) => `\0${environment}\0`.includes(entry));
  };
  const found = await Promise.all(pids.map(carries));
  return pids.filter((pid, index) => found[index] && pid !== process.pid);
}

async function findByPs(entries: string[]): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['eww', '-ax', '-o', 'pid=,command='], { maxBuffer: 64 * 1024 * 1024 });
  return stdout
    .split('\n')
    .filter((line) => entries.every((entry) => `${line} `.includes(` ${entry} `)))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid !== process.pid);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
