import type { Job, JobStatus } from '../../../actors/job.js';
import type { Answers } from '../../answers.js';
import { CLIENT_OPTIONS, STATUS_OPTION } from '../args.js';
import type { Command } from '../command.js';
import type { Context } from '../context.js';
import { EXIT_CODES, exitCodeOfJob } from '../exit-codes.js';
import { follow, type Filter } from '../follow.js';
import { localTime } from '../format.js';
import { resolveIds } from '../ids.js';
import { jobTable, shortId } from '../job-view.js';
import { ProgressSteps, isFinished } from '../progress-view.js';
import type { Piece, Terminal } from '../terminal.js';

const REDRAW_MS = 500;

export const watch: Command = {
  name: 'watch',
  group: 'look',
  args: '[ID…]',
  minArgs: 0,
  maxArgs: Infinity,
  completes: 'ids',
  summary: 'jobs as they change: a live table, or a line per step where nothing can be redrawn',
  details: 'With ids it ends when all of them have finished, with the exit code of the job. With --json every change is one line.',
  options: [STATUS_OPTION, ...CLIENT_OPTIONS],
  examples: [
    ['tallyman watch', 'everything that is under way'],
    ['tallyman watch 8KX2M4QT', 'one job to its end'],
    ['tallyman watch --json | jq -c "{id, status}"', 'for scripts'],
  ],
  async run(context, args) {
    const ids = args.positionals.length === 0 ? [] : await resolveIds(context.service, args.positionals);
    const status = args.words('status') as JobStatus[];
    const view = viewFor(context, ids);
    const jobs = new Map<string, Job>();
    try {
      for await (const answer of follow(context.service, filterOf(ids, status), context.say)) {
        merge(jobs, answer);
        view.show(answer, jobs);
        if (ids.length > 0 && ids.every((id) => !jobs.has(id) || isFinished(jobs.get(id) as Job))) return exitCodeOf(ids, jobs);
      }
      return EXIT_CODES.ok.code;
    } finally {
      view.end();
    }
  },
};

const filterOf = (ids: string[], status: JobStatus[]): Filter => ({
  ...(ids.length > 0 ? { ids } : {}),
  ...(status.length > 0 ? { status } : {}),
});

function merge(jobs: Map<string, Job>, { jobs: changed, deleted, reset }: Answers['changes']): void {
  if (reset) jobs.clear();
  for (const job of changed) jobs.set(job.id, job);
  for (const id of deleted) jobs.delete(id);
}

function exitCodeOf(ids: readonly string[], jobs: ReadonlyMap<string, Job>): number {
  const codes = ids.map((id) => {
    const job = jobs.get(id);
    return job ? exitCodeOfJob(job) : EXIT_CODES.notFound.code;
  });
  return codes.length === 1
    ? (codes[0] ?? EXIT_CODES.ok.code)
    : codes.every((code) => code === 0)
      ? EXIT_CODES.ok.code
      : EXIT_CODES.failed.code;
}

interface View {
  show(answer: Answers['changes'], jobs: ReadonlyMap<string, Job>): void;
  end(): void;
}

function viewFor({ terminal, json }: Context, ids: readonly string[]): View {
  if (json) return { show: (answer) => printJson(answer, terminal), end: () => undefined };
  return terminal.interactive ? liveTable(terminal, ids) : stepLines(terminal, ids);
}

function printJson({ jobs, deleted, reset, seq }: Answers['changes'], terminal: Terminal): void {
  if (reset) terminal.json({ reset: true, seq });
  for (const job of jobs) terminal.json(job);
  for (const id of deleted) terminal.json({ id, deleted: true, seq });
}

/** A line when a job takes a step. What had finished before is left out, unless it was asked for. */
function stepLines(terminal: Terminal, ids: readonly string[]): View {
  const steps = new ProgressSteps();
  let first = true;
  return {
    show({ jobs, deleted }) {
      for (const job of jobs) {
        const step = steps.next(job);
        if (step !== null && !(first && isFinished(job) && ids.length === 0))
          terminal.print(`${localTime(job.updatedAt)} ${job.id} ${job.name}: ${step}`);
      }
      for (const id of deleted) {
        steps.forget(id);
        terminal.print(`${localTime(new Date().toISOString())} ${id} deleted`);
      }
      first = false;
    },
    end: () => undefined,
  };
}

/** The jobs that are under way, and below them the others, the last changed first. */
function liveTable(terminal: Terminal, ids: readonly string[]): View {
  let shown: ReadonlyMap<string, Job> = new Map();
  const draw = (): void => terminal.live(tableOf(shown, terminal, ids.length === 0));
  const timer = setInterval(draw, REDRAW_MS);
  terminal.onResize(draw);
  return {
    show(_answer, jobs) {
      shown = jobs;
    },
    end() {
      clearInterval(timer);
      if (shown.size > 0) draw();
      terminal.endLive('keep');
    },
  };
}

function tableOf(jobs: ReadonlyMap<string, Job>, terminal: Terminal, hints: boolean): Piece[][] {
  if (jobs.size === 0) return [['No jobs. Make one: tallyman copy SRC DEST']];
  const ordered = [...jobs.values()].sort((a, b) => rank(a) - rank(b) || (a.updatedAt < b.updatedAt ? 1 : -1));
  const fitting = ordered.slice(0, Math.max(1, terminal.rows - 4));
  const lines = jobTable(fitting, terminal, Date.now());
  const current = fitting.find((job) => job.status === 'running' && job.progress.currentFile !== null);
  if (fitting.length < ordered.length) lines.push([[`and ${ordered.length - fitting.length} more: tallyman list`, 'dim']]);
  else if (hints && current) lines.push([[`tallyman watch ${shortId(current.id)} follows one, Ctrl-C ends`, 'dim']]);
  return lines;
}

const RANKS: Record<JobStatus, number> = { running: 0, queued: 1, paused: 2, pending: 3, failed: 4, completed: 5, cancelled: 5 };
const rank = (job: Job): number => RANKS[job.status];
