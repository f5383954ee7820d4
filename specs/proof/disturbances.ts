import { randomUUID } from 'node:crypto';
import { appendFile, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { PHASES, type Job } from '../../actors/job.js';
import { findLeftovers } from '../../src/engines/leftovers.js';
import type { TestService } from '../support/service.js';
import { at, fileOf, snapshot } from './tree.js';
import { WorkerProcess } from './worker-process.js';

const ACTIONS = [
  'pause',
  'stop the worker',
  'kill the worker',
  'kill the engine',
  'kill one process of the engine',
  'lose the lease',
  'change a file',
  'remove a file',
  'add a file',
] as const;
const CHANGE = Buffer.from('changed meanwhile');
type Action = (typeof ACTIONS)[number];

/** When: with the n-th change of the job, with a phase, with the n-th line of its log. Never after a time. */
type Moment = { change: number } | { phase: (typeof PHASES)[number] } | { line: number };

export interface Disturbance {
  when: Moment;
  what: Action;
  /** Which file, of those that are there then. */
  which: number;
}

export const disturbances: fc.Arbitrary<Disturbance[]> = fc.array(
  fc.record({
    when: fc.oneof(
      fc.record({ change: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ phase: fc.constantFrom(...PHASES) }),
      fc.record({ line: fc.integer({ min: 1, max: 90 }) }),
    ),
    what: fc.constantFrom(...ACTIONS),
    which: fc.nat(20),
  }),
  { maxLength: 3 },
);

/** The worker of a case, and what befalls it. */
export class Disturber {
  readonly source: string;
  readonly #service: TestService;
  readonly #pending: Disturbance[];
  readonly #under: Promise<void>[] = [];
  worker: WorkerProcess;
  /** Of each path that was changed or added, what it may be since. */
  readonly changed = new Map<string, string[]>();
  readonly removed = new Set<string>();
  hardKills = 0;
  #changes = 0;
  #lines = 0;
  job: Job | null = null;
  #onAttempt: (() => void)[] = [];

  constructor(service: TestService, worker: WorkerProcess, source: string, plan: readonly Disturbance[]) {
    [this.#service, this.worker, this.source, this.#pending] = [service, worker, source, [...plan]];
  }

  onJob(job: Job): void {
    this.#changes++;
    const newAttempt = this.job !== null && (job.attempt > this.job.attempt || job.finishedAt !== null);
    const newPhase = job.phase !== this.job?.phase;
    this.job = job;
    if (newAttempt) for (const wake of this.#onAttempt.splice(0)) wake();
    this.#fire((when) => ('change' in when && when.change <= this.#changes) || ('phase' in when && newPhase && when.phase === job.phase));
  }

  onLines(count: number): void {
    this.#lines += count;
    this.#fire((when) => 'line' in when && when.line <= this.#lines);
  }

  /** Resolves when nothing befalls it any more. */
  async settled(): Promise<void> {
    while (this.#under.length > 0) await Promise.all(this.#under.splice(0));
  }

  #fire(isNow: (when: Moment) => boolean): void {
    for (const one of this.#pending.filter(({ when }) => isNow(when))) {
      this.#pending.splice(this.#pending.indexOf(one), 1);
      // One after the other: two cannot restart the worker at once.
      const before = this.#under.at(-1) ?? Promise.resolve();
      this.#under.push(before.then(() => this.#do(one)));
    }
  }

  async #do({ what, which }: Disturbance): Promise<void> {
    const id = this.job?.id ?? '';
    switch (what) {
      case 'pause':
        await this.#service.client.command('pause', id).catch(() => undefined);
        return;
      case 'stop the worker':
        await this.worker.stop();
        this.worker = await this.#startWorker();
        return;
      case 'kill the worker':
        this.hardKills++;
        await this.worker.kill();
        this.worker = await this.#startWorker();
        return;
      case 'kill the engine':
      case 'kill one process of the engine': {
        this.hardKills++;
        const pids = await findLeftovers({ job: id });
        for (const pid of what === 'kill the engine' ? pids : pids.slice(which % Math.max(1, pids.length)).slice(0, 1)) kill(pid);
        return;
      }
      case 'lose the lease': {
        if (this.job?.status !== 'running') return;
        this.hardKills++;
        const lost = this.worker;
        const next = new Promise<void>((resolve) => this.#onAttempt.push(resolve));
        lost.suspend();
        this.worker = await this.#startWorker({ TALLYMAN_DATA: path.join(this.#service.nats.dir, `worker ${randomUUID()}`) });
        await next;
        lost.wake();
        await lost.stop();
        return;
      }
      default:
        return this.#changeSource(what, which);
    }
  }

  #startWorker(settings: Record<string, string> = {}): Promise<WorkerProcess> {
    return WorkerProcess.start({ nats: this.#service.nats, settings });
  }

  async #changeSource(what: 'change a file' | 'remove a file' | 'add a file', which: number): Promise<void> {
    const files = [...(await snapshot(this.source))].filter(([, kind]) => kind.startsWith('file ')).map(([file]) => file);
    const file = what === 'add a file' ? `added ${which}` : files[which % Math.max(1, files.length)];
    if (file === undefined) return;
    if (what === 'remove a file') {
      this.removed.add(file);
      await rm(at(this.source, file), { force: true });
    } else {
      const before = await readFile(at(this.source, file)).catch(() => Buffer.alloc(0));
      await appendFile(at(this.source, file), CHANGE);
      // The job may have deleted it just before.
      this.changed.set(file, [...(this.changed.get(file) ?? []), fileOf(Buffer.concat([before, CHANGE])), fileOf(CHANGE)]);
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
