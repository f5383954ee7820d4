import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Verification } from '../../actors/job.js';
import { findTool, type Tool } from '../tools.js';
import { BoundedRun } from './bounded-run.js';
import {
  EngineFailed,
  type EnginePreview,
  type Counted,
  type Engine,
  type EngineProbe,
  type ListedEntry,
  type Run,
  type TransferTask,
  type Transferred,
} from './engine.js';
import type { Markers } from './leftovers.js';
import { runChild, type ChildExit } from './process.js';
import { requireTool, sayCommand } from './program.js';
import { countArgs, previewArgs, tellsChanges, listArgs, transferArgs, verifyArgs } from './rsync-args.js';
import { RsyncErrors } from './rsync-failures.js';
import { parseLine, type RsyncLine, type StatLine } from './rsync-output.js';
import { ChangesFound, PreviewFound } from './rsync-preview.js';
import { RsyncProgress } from './rsync-progress.js';

export interface RsyncOptions {
  /** What the children carry, so that they are found when their worker is gone. */
  markers: Markers;
  /** How long rsync may take to put its partial file aside when it is stopped. Default 10 000. */
  graceMs?: number;
  /** Finds the program. Default: `findTool('rsync')`. */
  findRsync?: () => Tool | null;
}

/** The first version that makes missing parents of a destination (`--mkpath`). */
const OLDEST = [3, 2, 3] as const;
const INSTALL = `Install rsync ${OLDEST.join('.')} or newer: "apt install rsync", "dnf install rsync" or "brew install rsync".`;
const VANISHED = 24;

/** The engine that runs rsync between two local paths. */
export function createRsyncEngine(options: RsyncOptions): Engine {
  return new RsyncEngine(options);
}

interface Outcome {
  exit: ChildExit;
  errors: RsyncErrors;
  stats: Map<string, StatLine>;
}

class RsyncEngine implements Engine {
  readonly type = 'rsync';
  readonly #options: RsyncOptions;

  constructor(options: RsyncOptions) {
    this.#options = options;
  }

  async probe(): Promise<EngineProbe> {
    const tool = this.#find();
    if (!tool) return { found: false, advice: INSTALL };
    const text = await promisify(execFile)(tool.path, ['--version'], { env: tool.env, timeout: 10_000 }).then(
      ({ stdout }) => stdout,
      (error: unknown) => String(error),
    );
    const first = text.split('\n', 1)[0] ?? '';
    const version = /^rsync +version v?(\d+)\.(\d+)\.(\d+)/.exec(first);
    if (!version)
      return {
        found: false,
        advice: `${tool.path} is not the rsync of samba.org (it says ${JSON.stringify(first.slice(0, 200))}). ${INSTALL}`,
      };
    const [, major, minor, patch] = version;
    const name = `${major}.${minor}.${patch}`;
    if (isOlder([Number(major), Number(minor), Number(patch)]))
      return { found: false, advice: `${tool.path} is version ${name}. ${INSTALL}` };
    return { found: true, program: tool.path, version: name, notes: [] };
  }

  async count(task: TransferTask, run: Run): Promise<Counted> {
    const found = new ChangesFound();
    const outcome = await this.#run(countArgs(task), task, run, (line, text) => {
      if (line.kind === 'file') found.add(line);
      else run.log('debug', 'stdout', text);
    });
    // What vanishes now is not there to be copied either.
    if (outcome.exit.code !== VANISHED) mustBeZero(outcome);
    return {
      ...(tellsChanges(task) ? { changes: found.changes(totalOf(outcome, FILES)) } : {}),
      filesTotal: totalOf(outcome, FILES_TRANSFERRED).value,
      bytesTotal: totalOf(outcome, BYTES_TRANSFERRED).value,
    };
  }

  async preview(task: TransferTask, run: Run): Promise<EnginePreview> {
    const found = new PreviewFound(task.options);
    const outcome = await this.#run(previewArgs(task), task, run, (line, text) => {
      if (line.kind === 'file') found.addFile(line);
      else found.addText(text);
    });
    const { exit, errors } = outcome;
    const failure = exit.code === 0 || exit.code === VANISHED ? null : errors.failure(exit);
    if (failure && !outcome.stats.has(FILES)) throw new EngineFailed(failure);
    await found.lookUpSizes(task.destination);
    const command = [this.#find()?.path ?? 'rsync', ...transferArgs({ ...task, jobId: 'JOB', attempt: 1 })];
    return { ...found.preview(totalOf(outcome, FILES)), command, failure };
  }

  async transfer(task: TransferTask, counted: Counted, run: Run): Promise<Transferred> {
    const bounded = new BoundedRun(run);
    try {
      const progress = new RsyncProgress(counted);
      bounded.onProgress(progress.start());
      const outcomes = [await this.#copy(task, progress, bounded)];
      if (outcomes[0]?.exit.code === VANISHED) {
        bounded.log('warning', 'worker', 'Files of the source vanished meanwhile: running rsync once more.');
        const maxDelete = Math.max(0, (task.options.maxDelete ?? 0) - (outcomes[0].stats.get(FILES_DELETED)?.value ?? 0));
        outcomes.push(await this.#copy({ ...task, options: { ...task.options, maxDelete } }, progress, bounded));
      }
      const sum = (key: string) => outcomes.reduce((total, outcome) => total + totalOf(outcome, key).value, 0);
      const [filesTransferred, bytesTransferred] = [sum(FILES_TRANSFERRED), sum(BYTES_TRANSFERRED)];
      bounded.onProgress(progress.end(filesTransferred, bytesTransferred));
      return { filesTransferred, bytesTransferred, warnings: warningsOf(outcomes.at(-1)) };
    } finally {
      bounded.flush();
    }
  }

  async verify(task: TransferTask, method: 'size' | 'checksum', run: Run): Promise<Verification> {
    const bounded = new BoundedRun(run);
    try {
      const compared = new Compared();
      bounded.onProgress(compared.progress(null));
      const outcome = await this.#run(verifyArgs(task, method), task, bounded, (line, text) => {
        if (line.kind === 'file') {
          const equal = compared.add(line.change, line.type, line.bytes);
          if (!equal) bounded.log('warning', 'stdout', text);
          bounded.onProgress(compared.progress(line.name));
        } else {
          compared.algorithm ??= /negotiated checksum: (\S+)/.exec(text)?.[1] ?? null;
          bounded.log('debug', 'stdout', text);
        }
      });
      mustBeZero(outcome);
      return compared.verdict(method, totalOf(outcome, FILES));
    } finally {
      bounded.flush();
    }
  }

  async list(task: TransferTask, run: Run): Promise<ListedEntry[]> {
    const entries: ListedEntry[] = [];
    const outcome = await this.#run(listArgs(task), task, run, (line) => {
      if (line.kind === 'file' && line.change !== '*') entries.push({ path: line.rawName, type: ENTRY_TYPES[line.type] ?? 'special' });
    });
    // What vanishes now is not there to be deleted either.
    if (outcome.exit.code !== VANISHED) mustBeZero(outcome);
    return entries;
  }

  async #copy(task: TransferTask, progress: RsyncProgress, run: Run): Promise<Outcome> {
    const onLine = (line: RsyncLine, text: string) => {
      if (line.kind === 'progress') run.onProgress(progress.onProgress(line));
      else run.log(line.kind === 'file' && line.change !== '*' ? 'debug' : 'info', 'stdout', text);
      if (line.kind === 'file') run.onProgress(progress.onFile(line));
    };
    const onError = (errors: RsyncErrors) => run.onProgress(progress.onFailed(errors.failedFiles));
    const outcome = await this.#run(transferArgs(task), task, run, onLine, onError);
    if (outcome.exit.code !== VANISHED) mustBeZero(outcome);
    return outcome;
  }

  async #run(
    args: string[],
    task: TransferTask,
    run: Run,
    onLine: (line: RsyncLine, text: string) => void,
    onError: (errors: RsyncErrors) => void = () => undefined,
  ): Promise<Outcome> {
    const tool = requireTool(this.#find(), 'rsync', INSTALL);
    sayCommand(run, tool, args);
    const errors = new RsyncErrors();
    const stats = new Map<string, StatLine>();
    const { markers, graceMs } = this.#options;
    const exit = await runChild({
      tool,
      args,
      markers,
      task,
      signal: run.signal,
      ...(graceMs === undefined ? {} : { graceMs }),
      onStdout: (bytes) => {
        const line = parseLine(bytes);
        if (line.kind === 'stat') stats.set(line.key, line);
        onLine(line, bytes.toString('utf8'));
      },
      onStderr: (bytes) => {
        const text = bytes.toString('utf8');
        errors.add(text);
        onError(errors);
        run.log(/^(?:rsync: |rsync error: |ERROR)/.test(text) ? 'error' : 'warning', 'stderr', text);
      },
    });
    return { exit, errors, stats };
  }

  #find(): Tool | null {
    return (this.#options.findRsync ?? (() => findTool('rsync')))();
  }
}

const ENTRY_TYPES: Record<string, ListedEntry['type']> = { f: 'file', L: 'link', d: 'folder' };
const FILES = 'Number of files';
const FILES_TRANSFERRED = 'Number of regular files transferred';
const FILES_DELETED = 'Number of deleted files';
const BYTES_TRANSFERRED = 'Total transferred file size';

/** What a comparison of both sides has seen so far. */
class Compared {
  algorithm: string | null = null;
  #filesEqual = 0;
  #different = 0;
  #bytes = 0;

  /** Tells whether the entry is the same on both sides. Only `.` says so: a push to another machine prints `<` where others print `>`. */
  add(change: string, type: string, bytes: number): boolean {
    const equal = change === '.';
    this.#bytes += bytes;
    if (!equal) this.#different++;
    else if (type !== 'd') this.#filesEqual++;
    return equal;
  }

  progress(currentFile: string | null) {
    return {
      percent: null,
      bytesTransferred: this.#bytes,
      bytesTotal: null,
      bytesPerSecond: null,
      etaSeconds: null,
      filesTransferred: this.#filesEqual,
      filesTotal: null,
      currentFile: currentFile?.slice(0, 8192) ?? null,
    };
  }

  /** A file that was expected and not looked at is a mismatch too. Links and special files are files here. */
  verdict(method: 'size' | 'checksum', files: StatLine): Verification {
    const filesExpected = files.value - (files.byType['dir'] ?? 0);
    const mismatches = Math.max(this.#different, filesExpected - this.#filesEqual);
    return { method, algorithm: this.algorithm, filesExpected, filesEqual: this.#filesEqual, mismatches };
  }
}

function mustBeZero({ exit, errors }: Outcome): void {
  if (exit.code !== 0) throw new EngineFailed(errors.failure(exit));
}

function totalOf({ exit, stats }: Outcome, key: string): StatLine {
  const stat = stats.get(key);
  if (stat) return stat;
  throw new EngineFailed({
    code: 'engine_error',
    message: `rsync ended with exit code ${exit.code}, but did not say the total ${JSON.stringify(key)}.`,
    exitCode: exit.code,
    retriable: false,
    advice: 'Run "tallyman doctor": this may be a version of rsync that prints other words.',
  });
}

function warningsOf(outcome: Outcome | undefined): string[] {
  if (!outcome || outcome.exit.code !== VANISHED) return [];
  const { vanishedFiles, firstVanished } = outcome.errors;
  return [`${vanishedFiles} of the source's files vanished before they could be copied (the first: ${firstVanished ?? 'unknown'}).`];
}

function isOlder(version: readonly number[]): boolean {
  const at = OLDEST.findIndex((part, index) => part !== version[index]);
  return at !== -1 && (version[at] ?? 0) < (OLDEST[at] ?? 0);
}
