import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { hostOf } from '../../actors/host-place.js';
import { latin1 } from './byte-path.js';
import type { TransferTask } from './engine.js';

/** The program at the other end names files by their paths there. */
const pathThere = (place: string): string => hostOf(place)?.path ?? place;
const trimmed = (folder: string): string => path.normalize(folder).replace(/(.)\/$/, '$1');

/** Whether this source is copied as a folder. */
export const isFolder = async (source: string): Promise<boolean> =>
  source.endsWith('/') || (path.isAbsolute(source) && (await lstat(source).catch(() => null))?.isDirectory() === true);

/** A source that is one file, or may be one on another machine, is copied as a whole. */
export async function withFolder(task: TransferTask): Promise<TransferTask> {
  const { only: _only, ...whole } = task;
  return (await isFolder(task.source)) ? task : whole;
}

/** Turns what rsync calls a file into its path relative to the source folder. */
export class RsyncNames {
  /** What stands before every name that is printed. */
  readonly #prefix: string;
  /** Both sides as error messages name them, without a slash at the end. */
  readonly #source: string;
  readonly #target: string;
  /** Set when the source is one file: every name is of it. */
  readonly #file: string | null;

  private constructor({ source, destination, only }: TransferTask, isFolder: boolean) {
    const base = source.endsWith('/') ? '' : path.basename(source);
    this.#file = isFolder ? null : latin1(base);
    this.#prefix = base === '' || !isFolder || only ? '' : latin1(`${base}/`);
    this.#source = latin1(trimmed(pathThere(source)));
    this.#target = latin1(trimmed(path.join(pathThere(destination), base)));
  }

  static async of(task: TransferTask): Promise<RsyncNames> {
    return new RsyncNames(task, hostOf(task.source) !== null || (await isFolder(task.source)));
  }

  /** Of a name as `%n` prints it, a folder's with its slash. */
  ofItem(name: string): string {
    return name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) || './' : name;
  }

  /** Of the absolute path in an error message; `null` when it lies on neither side. */
  ofError(inSource: boolean, absolute: string): string | null {
    if (this.#file !== null) return this.#file;
    const root = inSource ? this.#source : this.#target;
    if (absolute === root || absolute === `${root}/.`) return '.';
    const start = root === '/' ? root : `${root}/`;
    return absolute.startsWith(start) ? absolute.slice(start.length) : null;
  }
}
