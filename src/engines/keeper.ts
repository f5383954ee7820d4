import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../package-root.js';
import type { KeeperMessage } from './keeper-child.js';

/** The keeper runs by itself, so it is always the compiled one. */
const PROGRAM = path.join(packageRoot, 'dist/src/engines/keeper-child.js');
const START_WAIT_MS = 20_000;
const RESTART_AFTER_MS = 200;

/** Monotonic, and the same clock in every process of this machine. */
export const machineClockMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/**
 * A small process beside a worker that outlives it: when the worker ends,
 * however it ends, the keeper ends every child that carries the worker's id.
 * The same for one attempt whose lease passes, for a worker that hangs.
 */
export class Keeper {
  readonly #workerId: string;
  readonly #leases = new Map<string, KeeperMessage>();
  #child: ChildProcess | null = null;
  #stopped = false;

  constructor(workerId: string) {
    this.#workerId = workerId;
  }

  /** The process id, or null while a new one is started. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Starts the process, and a new one whenever it ends by itself. Rejects when it cannot be started. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, this.#workerId], { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    // Without it a message to a keeper that just ended would be an unhandled error; its end is seen by `exit`.
    child.on('error', () => undefined);
    const ready = once(child, 'message', { signal: AbortSignal.timeout(START_WAIT_MS) });
    try {
      await Promise.race([ready, once(child, 'exit').then(() => Promise.reject(new Error('it ended at once')))]);
    } catch (error) {
      child.kill('SIGKILL');
      throw new Error(
        `The keeper (${PROGRAM}), which ends transfers whose worker is gone, does not start. Build the package with "npm run build".`,
        {
          cause: error,
        },
      );
    }
    child.once('exit', () => void this.#restart());
    this.#child = child;
    // A worker that forgets to stop its keeper shall not be kept alive by it.
    child.unref();
    child.channel?.unref();
    for (const message of this.#leases.values()) this.#tell(message);
    if (this.#stopped) await this.stop();
  }

  /**
   * The attempt (`<job id>/<attempt>`) may run for `leaseMs` from now. When no
   * further call comes, the keeper ends its processes so that nothing of them
   * runs when the lease is over: politely at three quarters of it, then hard.
   */
  extend(attempt: string, leaseMs: number): void {
    const message: KeeperMessage = { attempt, endAtMs: machineClockMs() + leaseMs * 0.75, graceMs: leaseMs * 0.125 };
    this.#leases.set(attempt, message);
    this.#tell(message);
  }

  /** The attempt is over. */
  forget(attempt: string): void {
    if (this.#leases.delete(attempt)) this.#tell({ attempt, endAtMs: null, graceMs: 0 });
  }

  /** Ends the keeper, and with it every child of the worker that still runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const exited = once(child, 'exit');
    if (child.connected) child.disconnect();
    await exited;
  }

  #tell(message: KeeperMessage): void {
    if (this.#child?.connected) this.#child.send(message);
  }

  async #restart(): Promise<void> {
    this.#child = null;
    while (!this.#stopped && this.pid === null) {
      await delay(RESTART_AFTER_MS);
      await this.start().catch(() => undefined);
    }
  }
}

/** Starts a keeper for the worker with this random id. */
export async function startKeeper(workerId: string): Promise<Keeper> {
  const keeper = new Keeper(workerId);
  await keeper.start();
  return keeper;
}
