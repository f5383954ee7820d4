import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { remoteOf } from '../../actors/paths.js';
import { findTool, type Tool } from '../tools.js';
import { EngineFailed, type EngineProbe, type Run, type TransferTask } from './engine.js';
import type { Markers } from './leftovers.js';
import { runChild, type ChildExit } from './process.js';
import { requireTool, sayCommand } from './program.js';
import { RcloneErrors } from './rclone-failures.js';
import { parseLine, type RcloneMessage, type RcloneStats } from './rclone-output.js';

export interface RcloneOptions {
  /** What the children carry, so that they are found when their worker is gone. */
  markers: Markers;
  /** Its configuration file, read for jobs with a remote. */
  configFile: string;
  /** Names in that file that jobs may use. */
  remotes: readonly string[];
  /** How long rclone may take to end when it is stopped. Default 10 000. */
  graceMs?: number;
  /** Finds the program. Default: `findTool('rclone')`. */
  findRclone?: () => Tool | null;
}

/** What a run is given and asked for. */
interface Told {
  stdin?: Buffer | undefined;
  stats?: (stats: RcloneStats) => void;
  message?: (message: RcloneMessage) => void;
  stdout?: (line: Buffer) => void;
}

export interface Outcome {
  exit: ChildExit;
  errors: RcloneErrors;
  /** The last ones that it told. */
  stats: RcloneStats | null;
}

/** Of a job whose places are both on this machine no configuration is read: a fault in it does no harm. */
const NO_CONFIG = '/dev/null';
const LINES_ASKED_FOR = 1000;
/** The first version with everything that is asked of it. */
const OLDEST = '1.58.0';
/** From here on rclone itself writes a file under another name first. */
const RENAMES_FROM = '1.63.0';
const INSTALL = `Install rclone ${OLDEST} or newer: "apt install rclone", "dnf install rclone" or "brew install rclone".`;

/** Runs rclone, one child at a time, and reads what it prints. */
export class RcloneProgram {
  readonly #options: RcloneOptions;

  constructor(options: RcloneOptions) {
    this.#options = options;
  }

  async probe(): Promise<EngineProbe> {
    const tool = this.#find();
    if (!tool) return { found: false, advice: INSTALL };
    const text = await promisify(execFile)(tool.path, ['version'], { env: tool.env, timeout: 10_000 }).then(
      ({ stdout }) => stdout,
      (error: unknown) => String(error),
    );
    const version = /^rclone v(\d+\.\d+\.\d+)/.exec(text)?.[1];
    if (version === undefined) return { found: false, advice: `${tool.path} is not rclone. ${INSTALL}` };
    if (isOlder(version, OLDEST)) return { found: false, advice: `${tool.path} is version ${version}. ${INSTALL}` };
    const notes = isOlder(version, RENAMES_FROM)
      ? [
          `rclone ${version} writes files under their final names. Tallyman lets it copy into a folder beside them and moves whole files in.`,
        ]
      : [];
    return { found: true, program: tool.path, version, notes };
  }

  /** Whether this version writes a file of a remote under its final name while it is still coming. */
  async writesInPlace(): Promise<boolean> {
    const probe = await this.probe();
    return !probe.found || isOlder(probe.version, RENAMES_FROM);
  }

  /** Runs it to its end, whatever its exit code is. */
  async run(args: string[], task: TransferTask, run: Run, { stdin, ...told }: Told = {}): Promise<Outcome> {
    this.#requireAllowed(task);
    const tool = requireTool(this.#find(), 'rclone', INSTALL);
    const withConfig = this.#withConfig(args, task);
    sayCommand(run, tool, withConfig);
    const errors = new RcloneErrors();
    let stats: RcloneStats | null = null;
    const { markers, graceMs } = this.#options;
    const exit = await runChild({
      tool,
      args: withConfig,
      markers,
      task,
      signal: run.signal,
      ...(stdin === undefined ? {} : { stdin }),
      ...(graceMs === undefined ? {} : { graceMs }),
      onStdout: (bytes) => told.stdout?.(bytes),
      onStderr: (bytes) => {
        const line = parseLine(bytes);
        if (line.kind === 'stats') {
          stats = line.stats;
          told.stats?.(line.stats);
        } else {
          errors.add(line);
          told.message?.(line);
          run.log(line.file !== null && line.level === 'info' ? 'debug' : line.level, 'stderr', line.text);
        }
      },
    });
    return { exit, errors, stats };
  }

  /** The whole command, for show. */
  command(args: string[], task: TransferTask): string[] {
    return [this.#find()?.path ?? 'rclone', ...this.#withConfig(args, task)];
  }

  /** Every file of a place as rclone calls it, byte by byte (latin1); folders end with "/". None of a place that is not there. */
  async list(args: string[], task: TransferTask, run: Run, stdin?: Buffer): Promise<string[]> {
    const { names, outcome } = await this.#listed(args, task, run, stdin);
    if (outcome.exit.code !== 0 && outcome.errors.failure(outcome.exit).code !== 'source_missing') mustBeZero(outcome);
    return names;
  }

  /** The same of what can be read: for where the rest has been told of already. */
  async listReadable(args: string[], task: TransferTask, run: Run): Promise<string[]> {
    return (await this.#listed(args, task, run)).names;
  }

  async #listed(args: string[], task: TransferTask, run: Run, stdin?: Buffer): Promise<{ names: string[]; outcome: Outcome }> {
    const names: string[] = [];
    const outcome = await this.run(args, task, run, { stdin, stdout: (line) => names.push(line.toString('latin1')) });
    return { names, outcome };
  }

  #withConfig(args: string[], task: TransferTask): string[] {
    return ['--config', hasRemote(task) ? this.#options.configFile : NO_CONFIG, ...args];
  }

  /** Runs it for what it prints on stdout. Rejects unless it exited 0. */
  async ask(args: string[], task: TransferTask, run: Run): Promise<string> {
    const lines: string[] = [];
    const outcome = await this.run(args, task, run, {
      stdout: (line) => {
        if (lines.length < LINES_ASKED_FOR) lines.push(line.toString('utf8'));
      },
    });
    mustBeZero(outcome);
    return lines.join('\n');
  }

  /** The manager that took the job may allow other remotes than this worker. */
  #requireAllowed({ source, destination }: TransferTask): void {
    for (const place of [source, destination]) {
      const name = remoteOf(place)?.name;
      if (name === undefined || this.#options.remotes.includes(name)) continue;
      throw new EngineFailed({
        code: 'remote_not_allowed',
        message: `This worker may not use the remote ${name}.`,
        exitCode: null,
        retriable: false,
        advice: 'Start the worker with the remote named in TALLYMAN_REMOTES.',
      });
    }
  }

  #find(): Tool | null {
    return (this.#options.findRclone ?? (() => findTool('rclone')))();
  }
}

/** Rejects unless it exited 0. */
export function mustBeZero({ exit, errors }: Outcome): void {
  if (exit.code !== 0) throw new EngineFailed(errors.failure(exit));
}

export function requireStats({ stats }: Outcome): RcloneStats {
  if (stats) return stats;
  throw notSaid('the totals');
}

/** rclone ended well, but without something that it always says. */
export const notSaid = (what: string): EngineFailed =>
  new EngineFailed({
    code: 'engine_error',
    message: `rclone ended with exit code 0, but did not say ${what}.`,
    exitCode: 0,
    retriable: false,
    advice: 'Run "tallyman doctor": this may be a version of rclone that prints other words.',
  });

const hasRemote = ({ source, destination }: TransferTask): boolean => [source, destination].some((place) => remoteOf(place) !== null);

const isOlder = (version: string, other: string): boolean => version.localeCompare(other, 'en', { numeric: true }) < 0;
