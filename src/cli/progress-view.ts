import { FINISHED_STATUSES, type Job } from '../../actors/job.js';
import { amount, fileCount, progressWords, shortId, statusStyles, statusWords } from './job-view.js';
import { duration, percent, speed } from './format.js';
import { clipStart, safeText } from './safe-text.js';
import type { Piece, Terminal } from './terminal.js';

const TICK_MS = 500;
const BAR_COLUMNS_MIN = 10;
const BAR_COLUMNS_MAX = 40;

/** One job on its way: a bar that moves on a terminal, a line per step elsewhere. */
export class ProgressView {
  readonly #terminal: Terminal;
  readonly #steps = new ProgressSteps();
  readonly #startedMs = Date.now();
  #job: Job | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    if (!terminal.interactive) return;
    this.#timer = setInterval(() => this.#draw(), TICK_MS);
    terminal.onResize(() => this.#draw());
  }

  show(job: Job): void {
    this.#job = job;
    if (this.#terminal.interactive) return this.#draw();
    const step = this.#steps.next(job);
    if (step !== null && !isFinished(job)) this.#terminal.say(step);
  }

  end(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    this.#terminal.endLive('wipe');
  }

  #draw(): void {
    if (!this.#job || !this.#timer) return;
    this.#terminal.live(progressLines(this.#job, this.#terminal, Date.now(), Math.floor((Date.now() - this.#startedMs) / 1000)));
  }
}

export const isFinished = (job: Job): boolean => (FINISHED_STATUSES as readonly string[]).includes(job.status);

/** Name and state, the bar with its numbers, the file at hand. */
function progressLines(job: Job, terminal: Terminal, now: number, elapsedSeconds: number): Piece[][] {
  const { progress } = job;
  const head: Piece[] = [[job.name, 'bold'], '  ', [statusWords(job, now), ...statusStyles(job)], [`  ${duration(elapsedSeconds)}`, 'dim']];
  if (job.status !== 'running' || job.awaySince !== undefined) return [head, [waitWords(job)]];
  const words = [
    progress.bytesPerSecond === null ? null : speed(progress.bytesPerSecond),
    progress.etaSeconds === null ? null : `${duration(progress.etaSeconds)} left`,
    amount(progress),
    fileCount(progress),
  ].filter((word) => word !== null);
  const numbers = `${progress.percent === null ? '' : ` ${percent(progress.percent).padStart(7)}`}  ${words.join('  ')}`;
  const columns = Math.max(BAR_COLUMNS_MIN, Math.min(BAR_COLUMNS_MAX, terminal.columns - 1 - numbers.length));
  const file = clipStart(safeText(progress.currentFile ?? ''), terminal.columns - 1);
  return [head, [...bar(progress.percent, columns, terminal.utf8), numbers], [[file, 'dim']]];
}

function bar(done: number | null, columns: number, utf8: boolean): Piece[] {
  const full = Math.floor(((done ?? 0) / 100) * columns);
  return [
    [(utf8 ? '━' : '#').repeat(full), 'green'],
    [(utf8 ? '━' : '-').repeat(columns - full), 'dim'],
  ];
}

/** What a job that does not run waits for. */
function waitWords(job: Job): string {
  if (job.status === 'paused') return `"tallyman resume ${shortId(job.id)}" goes on with it.`;
  if (job.status === 'pending') return `"tallyman start ${shortId(job.id)}" starts it.`;
  if (job.awaySince !== undefined && job.error !== null) return `Waits until it is back: ${job.error.message}`;
  if (job.error !== null) return `Attempt ${job.attempt} failed: ${job.error.message}`;
  return job.status === 'queued' && job.runAt === null
    ? 'waits for a worker that is free, or for another job to leave the destination'
    : '';
}

/** The steps worth a line of their own where nothing can be redrawn: another state or phase, ten percent more. */
export class ProgressSteps {
  readonly #last = new Map<string, string>();

  /** The line for this change, or `null` when it is no step. */
  next(job: Job): string | null {
    const tens = job.progress.percent === null ? 0 : Math.floor(job.progress.percent / 10);
    // However often it looks, it is one step.
    const step =
      job.awaySince !== undefined
        ? `away ${job.awaySince}`
        : `${job.status} ${job.wanted} ${job.phase} ${job.attempt} ${job.retryAt} ${job.status === 'running' ? tens : ''}`;
    if (this.#last.get(job.id) === step) return null;
    this.#last.set(job.id, step);
    const words = job.status === 'running' && job.awaySince === undefined ? progressWords(job) : waitWords(job);
    return words === '' ? statusWords(job, Date.now()) : `${statusWords(job, Date.now())}: ${words}`;
  }

  forget(id: string): void {
    this.#last.delete(id);
  }
}
