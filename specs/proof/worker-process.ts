import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/package-root.js';
import type { TestNats } from '../support/nats-server.js';

const built = path.join(packageRoot, 'dist/src');
if (!existsSync(built)) throw new Error('These specs need the built package: run "npm run build".');
const url = (file: string) => JSON.stringify(pathToFileURL(path.join(built, file)).href);
const STARTED = 'started';
/** The rights of root that make no file unreadable. */
const RIGHTS = '-dac_override,-dac_read_search';

/** None outlives the specs, however they end. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The worker in a process of its own, to be stopped, suspended and killed. What root may read it may not: so files can be closed to it. */
export class WorkerProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it claims jobs. `diesReporting`: by kill -9, in the moment in which it would tell that an attempt is complete. */
  static async start(options: { nats: TestNats; settings?: Record<string, string>; diesReporting?: boolean }): Promise<WorkerProcess> {
    const { nats, settings = {}, diesReporting = false } = options;
    const program = `
      import { readConfig } from ${url('config.js')};
      import { JobClient } from ${url('job-client.js')};
      import { startWorkerRole } from ${url('roles/worker-role.js')};
      const { ask } = JobClient.prototype;
      JobClient.prototype.ask = function (verb, ...rest) {
        if (${diesReporting} && verb === 'complete') process.kill(process.pid, 'SIGKILL');
        return ask.call(this, verb, ...rest);
      };
      const worker = await startWorkerRole(readConfig(), ${JSON.stringify(nats.logins.worker)});
      process.once('SIGTERM', async () => { await worker.stop(); process.exit(); });
      console.log('${STARTED}');
    `;
    const node = [process.execPath, '--input-type=module', '-e', program];
    const [command = '', ...args] =
      process.getuid?.() === 0 ? ['setpriv', `--bounding-set=${RIGHTS}`, `--inh-caps=${RIGHTS}`, ...node] : node;
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'], TALLYMAN_DATA: nats.dir, TALLYMAN_ROOTS: '/', ...settings },
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    for await (const line of createInterface({ input: child.stdout })) if (line === STARTED) return new WorkerProcess(child);
    throw new Error('the worker did not start');
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  suspend(): void {
    this.#child.kill('SIGSTOP');
  }

  wake(): void {
    this.#child.kill('SIGCONT');
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** As a person ends it. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<void> {
    if (this.isRunning) await once(this.#child, 'exit');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }
}
