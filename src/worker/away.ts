import type { AttemptSteps, StepRun } from '../../actors/attempt-steps.js';
import type { Job } from '../../actors/job.js';
import { runOptions } from '../../actors/run-options.js';
import { EngineFailed, EngineStopped, type Run, type TransferTask } from '../engines/engine.js';
import type { LogLine } from '../log-line.js';
import { AttemptRun } from './attempt-run.js';
import type { AttemptTools, LogSink } from './attempt-tools.js';
import { missingDisk } from './guards.js';
import { Places } from './places.js';

const ADVICE = 'The job waits until it is back and looks again by itself, at least once a minute. "retry" looks now, "cancel" gives up.';

/** The steps of one attempt of a job, which may have been asked to wait while a side is away. */
export function stepsOf(job: Job, tools: AttemptTools): AttemptSteps {
  const options = runOptions(job);
  const { source, destination } = job;
  if (!('whenAway' in options) || options.whenAway !== 'wait' || source === null || destination === null)
    return new AttemptRun(job, job, tools);
  const log = new HeldLog(tools.log, job.awaySince !== undefined);
  return new WaitingSteps(new AttemptRun(job, job, { ...tools, log }), job, { source, destination, options }, { ...tools, log });
}

type TwoSides = Pick<TransferTask, 'source' | 'destination' | 'options'>;

/** A failure that is only that a side is away is told as that. A look at what is away already says nothing in the log until it is back. */
class WaitingSteps implements AttemptSteps {
  readonly #steps: AttemptSteps;
  readonly #job: Job;
  readonly #sides: TwoSides;
  readonly #tools: AttemptTools & { log: HeldLog };

  constructor(steps: AttemptSteps, job: Job, sides: TwoSides, tools: AttemptTools & { log: HeldLog }) {
    [this.#steps, this.#job, this.#sides, this.#tools] = [steps, job, sides, tools];
  }

  now: AttemptSteps['now'] = () => this.#steps.now();
  begin: AttemptSteps['begin'] = () => this.#steps.begin();
  explain: AttemptSteps['explain'] = (error) => this.#steps.explain(error);
  report: AttemptSteps['report'] = (outcome) => this.#steps.report(outcome);
  end: AttemptSteps['end'] = (lost) => this.#steps.end(lost);

  async preflight(run: StepRun): Promise<void> {
    // What it finds is as fresh as another look.
    await this.#orAway(this.#steps.preflight(run), (error) => Promise.reject(error));
    this.#tools.log.open();
  }

  count: AttemptSteps['count'] = (run) => this.#orAway(this.#steps.count(run), () => this.#look(run));
  transfer: AttemptSteps['transfer'] = (totals, run) => this.#orAway(this.#steps.transfer(totals, run), () => this.#look(run));
  verify: AttemptSteps['verify'] = (run) => this.#orAway(this.#steps.verify(run), () => this.#look(run));
  deleteSource: AttemptSteps['deleteSource'] = (run) => this.#orAway(this.#steps.deleteSource(run), () => this.#look(run));

  /** `look` rejects with what it finds wrong now. */
  async #orAway<T>(step: Promise<T>, look: (error: Error) => Promise<void>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      if (error instanceof EngineStopped) throw error;
      const found = (await missingDisk(this.#sides, this.#job.seen)) ?? missingMarker(error) ?? (await lostNetwork(error, look));
      if (found) throw new EngineFailed({ ...found.failure, retriable: true, advice: ADVICE, away: true });
      this.#tools.log.open();
      throw error;
    }
  }

  async #look({ signal }: StepRun): Promise<void> {
    const { id: jobId, attempt, type, seen } = this.#job;
    const engine = this.#tools.engines.get(type);
    const nothing = () => undefined;
    const run: Run = { signal, onProgress: nothing, log: nothing, file: nothing, roomForFiles: () => Promise.resolve() };
    if (engine) await Places.check({ jobId, attempt, ...this.#sides }, engine, this.#tools.roots, seen, run);
  }
}

/** Of another machine: it is there, and its disk is not. */
const missingMarker = (error: unknown): EngineFailed | null =>
  error instanceof EngineFailed && error.failure.code === 'marker_missing' ? error : null;

/** A broken connection is a failed attempt, unless the other side cannot be reached now either. */
async function lostNetwork(error: unknown, look: (error: Error) => Promise<void>): Promise<EngineFailed | null> {
  if (!isNetwork(error)) return null;
  const found: unknown = await look(error).then(
    () => null,
    (now: unknown) => now,
  );
  if (found instanceof EngineStopped) throw found;
  return isNetwork(found) ? found : null;
}

const isNetwork = (error: unknown): error is EngineFailed => error instanceof EngineFailed && error.failure.code === 'network';

/** Keeps lines back while it is closed; what was never let out is not stored. */
class HeldLog implements LogSink {
  readonly #log: LogSink;
  #held: Omit<LogLine, 'seq'>[] | null;

  constructor(log: LogSink, isClosed: boolean) {
    this.#log = log;
    this.#held = isClosed ? [] : null;
  }

  open(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const line of held) this.#log.write(line);
  }

  write(line: Omit<LogLine, 'seq'>): void {
    if (this.#held) this.#held.push(line);
    else this.#log.write(line);
  }

  store(lines: Omit<LogLine, 'seq'>[]): Promise<void> {
    return this.#log.store(lines);
  }

  flush(): Promise<void> {
    return this.#log.flush();
  }
}
