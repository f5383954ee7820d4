import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { transferOptionsSchema, type Progress, type TransferOptions } from '../../actors/job.js';
import type { FileEntry } from '../../src/file-record.js';
import type { LogLine } from '../../src/log-line.js';
import { EngineFailed, type Engine, type Run, type TransferTask } from '../../src/engines/engine.js';
import { findTool, type Tool } from '../../src/tools.js';
import { newFolder } from './trees.js';

let jobs = 0;

export function makeTask(source: string, destination: string, options: Partial<TransferOptions> = {}): TransferTask {
  return {
    jobId: `spec-${process.pid}-${++jobs}`,
    attempt: 1,
    source,
    destination,
    options: { ...transferOptionsSchema.parse({}), ...options },
  };
}

/** A run that remembers all that it is told. */
export class Bench implements Run {
  readonly abort = new AbortController();
  readonly signal: AbortSignal = this.abort.signal;
  readonly progress: Partial<Progress>[] = [];
  readonly lines: { level: LogLine['level']; stream: LogLine['stream']; text: string }[] = [];

  readonly files: FileEntry[] = [];

  onProgress(progress: Partial<Progress>): void {
    this.progress.push(progress);
  }

  log(level: LogLine['level'], stream: LogLine['stream'], text: string): void {
    this.lines.push({ level, stream, text });
  }

  file(entry: FileEntry): void {
    this.files.push(entry);
  }

  roomForFiles(): Promise<void> {
    return Promise.resolve();
  }

  /** All that was told about one number, in order, without what is not known. */
  numbers(name: 'percent' | 'bytesTransferred' | 'filesTransferred'): number[] {
    return this.progress.map((progress) => progress[name]).filter((value) => typeof value === 'number');
  }
}

/** Counts and copies, as a worker does. */
export async function copy(engine: Engine, task: TransferTask, run: Run = new Bench()) {
  return engine.transfer(task, await engine.count(task, run), run);
}

/** The failure that a promise must end with. */
export async function failureOf(promise: Promise<unknown>) {
  const outcome = await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  );
  if (!(outcome instanceof EngineFailed)) throw outcome;
  return outcome.failure;
}

/** A program of the spec's own: a shell script. `"$@"` are the engine's arguments. */
export async function scriptTool(body: string): Promise<Tool> {
  const folder = await newFolder();
  await chmod(folder, 0o755);
  const file = path.join(folder, 'program');
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
  return { path: file, env: {} };
}

/** The same program without the rights of root, which no permission stops. */
export async function withoutRoot(tool: Tool): Promise<Tool> {
  if (process.getuid?.() !== 0) return tool;
  const without = '-dac_override,-dac_read_search';
  return scriptTool(`exec setpriv --bounding-set=${without} --inh-caps=${without} '${tool.path}' "$@"`);
}

/** Until the spec ends, a worker in this process finds an rsync that permissions stop. */
export async function useRsyncWithoutRoot(): Promise<void> {
  const tool = findTool('rsync');
  if (!tool) throw new Error('These specs need rsync: install it.');
  const { path: program } = await withoutRoot(tool);
  const bin = await newFolder();
  await writeFile(path.join(bin, 'rsync'), `#!/bin/sh\nexec '${program}' "$@"\n`);
  await chmod(path.join(bin, 'rsync'), 0o755);
  const { PATH } = process.env;
  process.env['PATH'] = `${bin}:${PATH}`;
  onTestFinished(() => {
    process.env['PATH'] = PATH;
  });
}

/**
 * A folder on a disk of one megabyte, and the tool that sees it. Where no disk
 * can be mounted, a tool that replays what rsync and rclone print on a full one.
 */
export async function smallDisk(tool: Tool, replay: string): Promise<{ folder: string; tool: Tool }> {
  const folder = path.join(await newFolder(), 'disk');
  await mkdir(folder);
  const mounts = (command: string, args: string[]): boolean => {
    try {
      execFileSync(command, args, { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  const mount = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder];
  if (process.getuid?.() === 0 && mounts('mount', mount.slice(1))) {
    onTestFinished(() => void execFileSync('umount', ['-l', folder]));
    return { folder, tool };
  }
  if (mounts('unshare', ['-rm', ...mount])) {
    return {
      folder,
      tool: await scriptTool(`exec unshare -rm sh -c 'mount -t tmpfs -o size=1m tmpfs "${folder}" && exec "$0" "$@"' '${tool.path}' "$@"`),
    };
  }
  return { folder, tool: await scriptTool(`case "$*" in *-an* | *--dry-run*) exec '${tool.path}' "$@";; esac\n${replay}`) };
}
