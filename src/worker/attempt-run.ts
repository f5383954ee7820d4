import { setTimeout as delay } from 'node:timers/promises';
import type { AttemptSteps, Copied, Outcome, Renewal, StepRun, Totals } from '../../actors/attempt-steps.js';
import type { Job, JobFailure, Verification } from '../../actors/job.js';
import { runOptions } from '../../actors/run-options.js';
import type { AttemptId } from '../../actors/worker.js';
import { EngineFailed, type Counted, type Engine, type Run, type TransferTask } from '../engines/engine.js';
import { attemptName } from '../engines/leftovers.js';
import type { FileSink } from '../file-record.js';
import type { LogLine } from '../log-line.js';
import type { AttemptTools } from './attempt-tools.js';
import { failedFiles } from './failed-files.js';
import { Manifest } from './manifest.js';
import { number } from './number.js';
import { OutcomeReport, WARNINGS, failureOf, withoutFiles, wordsOf, type Report } from './outcome.js';
import { checkChanges, checkPreview, checkSize } from './guards.js';
import { expectedAfter, lookAtSides, seenAtEnd, type Sides } from './seen.js';
import { withStallWatch } from './stall-watch.js';
import { leftBehind } from './source-past.js';
import { SourceStep, keptWarnings, skippedDeletion } from './source-step.js';
import { Places } from './places.js';
import { failed } from './preflight.js';
import { requireEqual } from './verdict.js';

/** The report does not wait longer for the log: the lease goes on. */
const FLUSH_WAIT_MS = 1000;
/** How long what is to be deleted may take to be stored. */
const STORE_TIMEOUT_MS = 10_000;
const STALL_TIMEOUT_SECONDS = 900;
const WARNING_CHARS = 2048;

/** The clock of leases: it never goes back. */
export const now = (): number => performance.now();

/** Does the steps of one attempt with a real engine, real files and the real manager, and tells of them in the job's log. */
export class AttemptRun implements AttemptSteps {
  readonly now = now;
  readonly #job: Job | null;
  readonly #attempt: AttemptId;
  readonly #name: string;
  readonly #tools: AttemptTools;
  readonly #report: OutcomeReport;
  readonly #files: FileSink;
  #sides: Sides | null = null;
  #counted: Counted | null = null;
  #places: Places | null = null;
  #only: Buffer[] | null = null;
  #source: SourceStep | null = null;
  #verification: Verification | null = null;
  #stepStartedAt = 0;
  #outcome: Outcome | null = null;

  /** `job` is null for an attempt that is only given back. */
  constructor({ id, attempt }: AttemptId, job: Job | null, tools: AttemptTools) {
    this.#attempt = { id, attempt };
    this.#name = attemptName({ jobId: id, attempt });
    this.#job = job;
    this.#tools = tools;
    this.#report = new OutcomeReport(tools.client, this.#attempt);
    this.#files = tools.fileSink(this.#attempt);
  }

  async begin(): Promise<Renewal> {
    const { id, attempt } = this.#attempt;
    const [written, renewal] = await Promise.allSettled([this.#tools.files.write(id, attempt), this.#renew()]);
    if (written.status === 'rejected') throw written.reason;
    if (renewal.status === 'rejected') throw renewal.reason;
    return renewal.value;
  }

  async #renew(): Promise<Renewal> {
    const { client, keeper, renewTimeoutMs } = this.#tools;
    const { id, attempt } = this.#attempt;
    if (this.#job) this.#sides = await lookAtSides(this.#job);
    const seen = this.#sides && expectedAfter(this.#job?.seen ?? null, this.#sides);
    const sentAt = now();
    const { leaseMs, wanted } = await client.ask('heartbeat', { id, attempt, ...(seen && { seen }) }, { timeoutMs: renewTimeoutMs });
    keeper.extend(this.#name, leaseMs - (now() - sentAt));
    return { sentAt, leaseMs, wanted };
  }

  async preflight(run: StepRun): Promise<void> {
    const task = this.#task();
    this.#say('info', `Attempt ${task.attempt}, worker ${this.#tools.name}: from ${task.source} to ${task.destination}.`);
    const probe = await this.#engine().probe();
    if (!probe.found) throw failed('engine_missing', `This worker has no ${this.#job?.type} to copy with.`, probe.advice);
    this.#source = this.#sourceStep(task);
    try {
      this.#places = await Places.check(task, this.#engine(), this.#tools.roots, this.#job?.seen ?? null, this.#runOf(run));
    } catch (error) {
      if (!this.#source) throw error;
      return this.#source.requireMoved(error, this.#engine(), run);
    }
    this.#say('info', `Source and destination are in order; ${this.#job?.type} is version ${probe.version}.`);
    for (const note of probe.notes) this.#say('info', note);
    // Jobs of before this field was there lack it.
    const onlyFailed = this.#job?.onlyFailed ?? null;
    if (!onlyFailed) return;
    this.#only = await failedFiles(this.#tools.client, task.jobId, onlyFailed);
    this.#say('info', `Only the ${number(onlyFailed.files)} files that failed in attempt ${onlyFailed.attempt} are taken.`);
  }

  async count(run: StepRun): Promise<Totals> {
    this.#say('info', 'Counting what is to be copied.');
    const totals = (this.#counted = await this.#watched(run, (watched) => this.#copier().count(this.#task(), this.#runOf(watched))));
    this.#say('info', `To copy: ${number(totals.filesTotal)} files with ${number(totals.bytesTotal)} bytes${this.#took()}`);
    checkPreview(this.#task(), totals.changes, this.#job?.preview ?? null);
    checkChanges(this.#task(), totals.changes);
    if (this.#job) checkSize(this.#task(), totals.source, this.#job);
    await this.#places?.requireSpace(totals.bytesTotal, run.signal);
    if (this.#places) await this.#source?.list(this.#engine(), this.#places.local, run);
    return totals;
  }

  async transfer(totals: Totals, run: StepRun): Promise<Copied> {
    this.#say('info', 'Copying.');
    const copied = await this.#andFiles(
      run,
      this.#watched(run, (watched) => this.#copier().transfer(this.#task(), totals, this.#runOf(watched))),
    );
    this.#say('info', `Copied ${number(copied.filesTransferred)} files with ${number(copied.bytesTransferred)} bytes${this.#took()}`);
    const warnings = copied.warnings.slice(0, WARNINGS).map((text) => text.slice(0, WARNING_CHARS));
    return { ...copied, warnings };
  }

  async verify(run: StepRun): Promise<Verification> {
    const task = this.#task();
    if (task.options.deleteSource.mode === 'after_verify') return this.#andFiles(run, this.#requireSource().proveAll(run));
    const method = task.options.verify === 'size' ? 'size' : 'checksum';
    const manifest = this.#manifest();
    this.#say('info', `Verifying by ${method}.`);
    const compare = (watched: StepRun) => {
      const engineRun = this.#runOf(watched);
      return this.#engine().verify(task, method, manifest?.listening(engineRun) ?? engineRun);
    };
    const verification = await this.#andFiles(run, this.#watched(run, compare));
    this.#verification = verification;
    const counts = requireEqual(task.jobId, verification);
    this.#say('info', `Verified: ${counts}${this.#took()}`);
    if (manifest) this.#say('info', await manifest.write(this.#runOf(run)));
    return verification;
  }

  deleteSource(run: StepRun): Promise<Verification | null> {
    return this.#andFiles(run, this.#requireSource().delete(run));
  }

  explain(error: unknown): JobFailure {
    if (!(error instanceof EngineFailed)) console.error(`A defect in the attempt ${this.#name}:`, error);
    return failureOf(error);
  }

  async report(outcome: Outcome): Promise<void> {
    this.#outcome ??= await this.#lastWords(this.#withFindings(outcome));
    const refusal = await this.#report.send(this.#withSeen(await this.#withDeletion(this.#outcome)));
    if (refusal) this.#say('warning', `The job manager did not take the end of this attempt: ${refusal.message}`);
  }

  /** Whoever sees the job's last status finds what became of every file, and the whole log. */
  async #lastWords(outcome: Outcome): Promise<Outcome> {
    const { log, renewTimeoutMs } = this.#tools;
    const told = (await this.#files.flush(AbortSignal.timeout(renewTimeoutMs))) ? outcome : withoutFiles(outcome);
    const [level, text] = wordsOf(told);
    for (const line of text.split('\n')) this.#say(level, line);
    await Promise.race([log.flush(), delay(FLUSH_WAIT_MS, undefined, { ref: false })]);
    return told;
  }

  async end(lost: string | null): Promise<void> {
    if (lost !== null) this.#say('error', `This attempt was ended without a report: ${lost}`);
    await this.#source?.close();
    this.#tools.keeper.forget(this.#name);
    await this.#tools.files.remove(this.#attempt.id, this.#attempt.attempt);
  }

  /** Runs a step that is ended when nothing moves any more. */
  #watched<T>(run: StepRun, step: (run: StepRun) => Promise<T>): Promise<T> {
    const limits = {
      attempt: this.#name,
      limitMs: (this.#task().options.stallTimeoutSeconds ?? STALL_TIMEOUT_SECONDS) * 1000,
      warn: (text: string) => {
        this.#say('warning', text);
      },
    };
    return withStallWatch(limits, run, step);
  }

  #copier(): Pick<Engine, 'count' | 'transfer'> {
    return this.#source?.copierOf(this.#engine()) ?? this.#engine();
  }

  #sourceStep(task: TransferTask): SourceStep | null {
    if (!this.#job || task.options.deleteSource.mode === 'never') return null;
    const { client, log } = this.#tools;
    return new SourceStep(this.#job, task, {
      say: (level, text) => {
        this.#say(level, text);
      },
      store: async (lines, files) => {
        for (const entry of files) this.#files.write(entry);
        await log.store(lines.map((text) => this.#line('info', 'worker', text)));
        if (!(await this.#files.flush(AbortSignal.timeout(STORE_TIMEOUT_MS)))) throw new Error('the store of files took nothing');
      },
      runOf: (one) => this.#runOf(one),
      watched: (one, step) => this.#watched(one, step),
      client,
    });
  }

  #manifest(): Manifest | null {
    const { manifest } = this.#task().options;
    const paths = this.#places?.paths;
    return manifest && paths ? new Manifest(this.#task(), { manifest, paths, roots: this.#tools.roots }) : null;
  }

  #requireSource(): SourceStep {
    if (this.#source) return this.#source;
    throw new Error('the source was not listed');
  }

  /** A verification that did not pass is told in figures, too. */
  #withFindings(outcome: Outcome): Outcome {
    const verification = this.#verification ?? this.#source?.verification;
    const isOfIt = outcome.verb === 'fail' && outcome.error.code === 'verification_failed';
    return isOfIt && verification ? { ...outcome, verification } : outcome;
  }

  /** What was deleted is told however the attempt ends. */
  async #withDeletion(outcome: Outcome): Promise<Report> {
    const job = this.#job;
    // Of an attempt that is only given back, what its killed worker had deleted; if that cannot be looked up, the next attempt does.
    const deletion = job ? (this.#source?.deletion ?? skippedDeletion(job, outcome)) : await leftBehind(this.#tools.client, this.#attempt);
    if (!deletion) return outcome;
    if (outcome.verb !== 'complete') return { ...outcome, deletion };
    return { ...outcome, warnings: [...outcome.warnings, ...keptWarnings(deletion)].slice(0, WARNINGS), deletion };
  }

  #withSeen(report: Report): Report {
    if (report.verb !== 'complete' || !this.#sides) return report;
    return { ...report, seen: seenAtEnd(this.#job?.seen ?? null, this.#sides, this.#counted?.source) };
  }

  #task(): TransferTask {
    const { id, attempt } = this.#attempt;
    const { source, destination } = this.#job ?? {};
    const options = this.#job && runOptions(this.#job);
    if (!source || !destination || !options || !('verify' in options)) {
      throw failed('invalid_job', 'The job has no source and destination.', 'Create it again with both.');
    }
    const createdAtMs = Date.parse(this.#job.createdAt);
    const task = { jobId: id, attempt, createdAtMs, source, destination, options, ...(this.#only && { only: this.#only }) };
    const { preview } = this.#job;
    if (!preview) return task;
    const maxDelete = Math.min(options.maxDelete ?? 0, preview.delete);
    return { ...task, options: { ...options, maxDelete }, countChanges: true };
  }

  #engine(): Engine {
    const engine = this.#tools.engines.get(this.#job?.type ?? '');
    if (!engine)
      throw failed('engine_missing', `This worker has no engine for ${this.#job?.type}.`, 'Run a worker of a version that has it.');
    return engine;
  }

  #runOf({ signal, onProgress }: StepRun): Run {
    this.#stepStartedAt = now();
    return {
      signal,
      onProgress,
      log: (level, stream, text) => this.#write(level, stream, text),
      file: (entry) => this.#files.write(entry),
      roomForFiles: () => this.#files.room(),
    };
  }

  /** What became of the files is stored within the step: meanwhile the lease goes on being renewed. */
  async #andFiles<T>({ signal }: StepRun, step: Promise<T>): Promise<T> {
    try {
      return await step;
    } finally {
      await this.#files.flush(signal);
    }
  }

  #took(): string {
    return ` in ${((now() - this.#stepStartedAt) / 1000).toFixed(1)} s.`;
  }

  #say(level: LogLine['level'], text: string): void {
    this.#write(level, 'worker', text);
  }

  #write(level: LogLine['level'], stream: LogLine['stream'], text: string): void {
    this.#tools.log.write(this.#line(level, stream, text));
  }

  #line(level: LogLine['level'], stream: LogLine['stream'], text: string): Omit<LogLine, 'seq'> {
    const { id: job, attempt } = this.#attempt;
    return { at: new Date().toISOString(), job, attempt, level, stream, text };
  }
}
