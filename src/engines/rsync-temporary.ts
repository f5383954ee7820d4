import type { BigIntStats } from 'node:fs';
import { lstat, mkdir, opendir, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { isRemote } from '../../actors/paths.js';
import { showPath } from '../show-path.js';
import { latin1 } from './byte-path.js';
import { EngineStopped, type Run, type TransferTask } from './engine.js';
import { PARTIAL_DIR } from './rsync-args.js';
import { isFolder } from './rsync-names.js';

/** The name under which rsync writes a file at first: `.name.XXXXXX`, of a hidden one without a second dot. */
const TEMPORARY = /^(\..+)\.[A-Za-z0-9]{6}$/s;
const NAMES_TOLD = 10;

interface Temporary {
  /** In the destination, byte by byte (latin1) as all here. */
  folder: string;
  name: string;
  /** The name of the file that it was to become, and where that is in the source. */
  of: string;
  original: string;
}

/**
 * An rsync that is killed with SIGKILL, or by a loss of power, leaves what it
 * had of a file under a name that it never looks for again. An attempt after
 * the first makes it the partial file that rsync goes on from. Taken is only
 * what cannot be anything else: made since the job was, named after a file of
 * the source, and not in the source itself. rsync proves a file that it goes on
 * with by a checksum of the whole, so what is in it does not matter.
 */
export async function takeUpTemporaries(task: TransferTask, run: Run): Promise<void> {
  const { attempt, createdAtMs } = task;
  if (attempt === 1 || createdAtMs === undefined || isRemote(task.source) || isRemote(task.destination)) return;
  let found = 0;
  for await (const temporary of temporariesOf(task, run.signal)) {
    const told = await takeUp(temporary, createdAtMs);
    if (told !== null && found++ < NAMES_TOLD) run.log('info', 'worker', told);
  }
  if (found > NAMES_TOLD) run.log('info', 'worker', `And ${found - NAMES_TOLD} more such files.`);
}

async function takeUp({ folder, name, of, original }: Temporary, createdAtMs: number): Promise<string | null> {
  const [temporary, copy, inSource] = [at(folder, name), at(folder, of), at(path.dirname(original), name)];
  const [left, wanted, done] = await Promise.all([temporary, original, copy].map(statOf));
  if (!left?.isFile() || !wanted?.isFile() || madeAtMs(left) < createdAtMs || (await statOf(inSource))) return null;
  const partial = at(at(folder, PARTIAL_DIR), of);
  const isOfUse = !(done && isSame(done, wanted)) && left.size > ((await statOf(partial))?.size ?? -1n);
  const words = `An rsync that was killed left ${showPath(at(folder, name))}`;
  try {
    if (!isOfUse) {
      await unlink(bytes(temporary));
      return `${words}, which nothing needs any more: removed.`;
    }
    await mkdir(bytes(at(folder, PARTIAL_DIR)), { recursive: true, mode: 0o700 });
    await rename(bytes(temporary), bytes(partial));
    return `${words}: the copy goes on from it.`;
  } catch (error) {
    return `${words}, which cannot be used (${(error as NodeJS.ErrnoException).code ?? String(error)}). Remove it when the job has ended.`;
  }
}

/** Everything in the destination that is named so. Folders that cannot be read, or are not there, hold none. */
async function* temporariesOf({ source, destination }: TransferTask, signal: AbortSignal): AsyncGenerator<Temporary> {
  const base = source.endsWith('/') ? '' : path.basename(source);
  if (await isFolder(source)) {
    yield* temporariesIn(latin1(path.join(destination, base)), latin1(source), signal);
    return;
  }
  const isInto = destination.endsWith('/') || (await isFolder(destination));
  const [folder, of] = isInto ? [destination, base] : [path.dirname(destination), path.basename(destination)];
  for await (const temporary of temporariesIn(latin1(folder), '', signal, false)) {
    if (temporary.of === latin1(of)) yield { ...temporary, original: latin1(source) };
  }
}

async function* temporariesIn(root: string, sourceRoot: string, signal: AbortSignal, isDeep = true): AsyncGenerator<Temporary> {
  const waiting: [folder: string, source: string][] = [[root, sourceRoot]];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (signal.aborted) throw new EngineStopped();
    const [folder, source] = next;
    for await (const entry of (await opendir(bytes(folder), { encoding: 'latin1' }).catch(() => null)) ?? []) {
      const { name } = entry;
      if (entry.isDirectory() && isDeep && name !== PARTIAL_DIR) waiting.push([at(folder, name), at(source, name)]);
      const [, hidden] = (entry.isFile() && TEMPORARY.exec(name)) || [];
      if (hidden === undefined) continue;
      for (const of of [hidden, hidden.slice(1)]) yield { folder, name, of, original: at(source, of) };
    }
  }
}

const bytes = (file: string): Buffer => Buffer.from(file, 'latin1');
const at = (folder: string, name: string): string => (folder.endsWith('/') ? folder + name : `${folder}/${name}`);
const statOf = (file: string): Promise<BigIntStats | null> => lstat(bytes(file), { bigint: true }).catch(() => null);
const isSame = (one: BigIntStats, other: BigIntStats): boolean => one.size === other.size && one.mtimeMs === other.mtimeMs;
/** Not every file system knows when a file was made. */
const madeAtMs = ({ birthtimeMs, mtimeMs }: BigIntStats): bigint => (birthtimeMs > 0n ? birthtimeMs : mtimeMs);
