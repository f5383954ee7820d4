import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../actors/limits.js';
import type { Tool } from '../tools.js';
import { EngineFailed, EngineStopped } from './engine.js';
import { STOP_GRACE_MS, StillRunning, attemptName, endLeftovers, markerEnv, type Markers } from './leftovers.js';
import { LineSplitter } from './lines.js';

export interface ChildTask {
  tool: Tool;
  args: string[];
  markers: Markers;
  /**
   * The attempt that the child works for. Whatever still runs of the same job is
   * ended before the start; not where it is one of several parts of the attempt.
   */
  task: { jobId: string; attempt: number; part?: number };
  /** Aborted to stop the child. */
  signal: AbortSignal;
  /** What the child reads; without it its stdin is closed. */
  stdin?: Buffer;
  /** Lines without their end, at most `LIMITS.logLineBytes` long. */
  onStdout: (line: Buffer) => void;
  onStderr: (line: Buffer) => void;
  /** How long the child may take to end by itself when it is stopped. Default 10 000. */
  graceMs?: number;
}

export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Runs one child to its end: in a process group of its own, without a shell,
 * with an environment of our own, stdin closed or given, both outputs on pipes of their
 * own. When it settles nothing of the child runs any more.
 *
 * Rejects with `EngineStopped` when it was stopped by `signal`, and with
 * `EngineFailed` when the program cannot be started or does not end.
 */
export async function runChild(options: ChildTask): Promise<ChildExit> {
  const { tool, args, markers, task, signal, graceMs = STOP_GRACE_MS } = options;
  try {
    // Of a first attempt nothing can have been left.
    if (task.attempt > 1 && task.part === undefined) await endLeftovers({ owner: markers.owner, job: task.jobId }, { graceMs });
    if (signal.aborted) throw new EngineStopped();
    const child = spawn(tool.path, args, {
      detached: true,
      env: { ...ownEnvironment(), ...tool.env, ...markerEnv(markers, task) },
      stdio: 'pipe',
    });
    // A child that ends before it has read all closes the pipe: its exit tells more.
    child.stdin.on('error', () => undefined).end(options.stdin);
    readLines(child.stdout, options.onStdout);
    readLines(child.stderr, options.onStderr);
    const mine = { owner: markers.owner, attempt: attemptName(task), ...(task.part !== undefined && { part: task.part }) };
    return await endOf(child, options, () => endLeftovers(mine, { graceMs }));
  } catch (error) {
    throw explain(error, tool);
  }
}

async function endOf(child: ChildProcess, options: ChildTask, endAll: () => Promise<number>): Promise<ChildExit> {
  const { signal, graceMs = STOP_GRACE_MS } = options;
  const exited = exitOf(child, graceMs);
  const { promise: stopped, reject } = rejectable();
  const stop = () => {
    endAll()
      .then(() => exited)
      .then(() => reject(new EngineStopped()), reject);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const exit = await Promise.race([exited, stopped]);
    if (signal.aborted) await stopped;
    if (groupLives(child.pid)) await endAll();
    return exit;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Whether anything may still run of the group that the child led: far cheaper to ask than who carries the marker. */
function groupLives(leader: number | undefined): boolean {
  if (leader === undefined) return false;
  try {
    return process.kill(-leader, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

async function exitOf(child: ChildProcess, graceMs: number): Promise<ChildExit> {
  const closed = once(child, 'close').catch(() => undefined);
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  // A descendant that outlives the child keeps the pipes open; it is ended next.
  const waited = new AbortController();
  await Promise.race([closed, delay(graceMs, undefined, { signal: waited.signal }).catch(() => undefined)]);
  waited.abort();
  return { code, signal };
}

function rejectable(): { promise: Promise<never>; reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<never>((_, no) => (reject = no));
  // It may be that nobody waits for it any more.
  promise.catch(() => undefined);
  return { promise, reject };
}

function readLines(stream: Readable, onLine: (line: Buffer) => void): void {
  const splitter = new LineSplitter(LIMITS.logLineBytes, onLine);
  stream.on('data', (chunk: Buffer) => splitter.push(chunk));
  stream.on('close', () => splitter.end());
}

/** Nothing is passed on but what every program needs: variables like RSYNC_RSH would change what runs. */
function ownEnvironment(): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: process.env['HOME'] ?? '/',
    LC_ALL: 'C.UTF-8',
  };
}

function explain(error: unknown, tool: Tool): unknown {
  if (error instanceof StillRunning) {
    return new EngineFailed(
      {
        code: 'stalled',
        message: error.message,
        exitCode: null,
        retriable: false,
        advice: 'Look at the mounts of source and destination.',
      },
      { cause: error },
    );
  }
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (!syscall?.startsWith('spawn')) return error;
  return new EngineFailed(
    {
      code: code === 'EAGAIN' || code === 'ENOMEM' ? 'out_of_memory' : 'engine_missing',
      message: `${tool.path} cannot be started (${code ?? 'unknown error'}).`,
      exitCode: null,
      retriable: code === 'EAGAIN' || code === 'ENOMEM',
      advice: 'Run "tallyman doctor" to see what is missing.',
    },
    { cause: error },
  );
}
