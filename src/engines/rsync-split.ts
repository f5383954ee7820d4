import { isRemote } from '../../actors/paths.js';
import { LIMITS } from '../../actors/limits.js';
import type { TransferTask } from './engine.js';
import type { FileLine } from './rsync-output.js';

/** Making a small file costs about as much as copying so many bytes. */
const FILE_BYTES = 64 * 1024;
/** A list that weighs less is not worth an rsync of its own: some 250 small files. */
const LEAST_WEIGHT = 16 * 1024 * 1024;

/** One of several copies that run at once for a job: the files of a list. */
export interface Part extends TransferTask {
  /** From 1 on; 0 is the whole. */
  part: number;
  /** How many there are. */
  parts: number;
  /** Names below the source folder, byte by byte (latin1); with a slash at the end the files in that folder. */
  list: readonly string[];
}

/**
 * How many rsyncs may copy at once. rsync takes no limit below one KiB a second:
 * with less for each there are fewer of them. What one alone can tell is left to
 * one: which names are one file, what a trash took up, what was equal before.
 * Another machine is asked by one, too: it may take so many logins at once and no more.
 */
export function mostParts({ source, destination, options, only }: TransferTask): number {
  const { parallel = 1, bandwidthLimit, trash, metadata, listUnchanged } = options;
  if (isRemote(source) || isRemote(destination)) return 1;
  if (only || trash || metadata?.hardLinks || listUnchanged) return 1;
  return bandwidthLimit === 0 ? parallel : Math.min(parallel, Math.max(1, Math.floor(bandwidthLimit / 1024)));
}

/** A file that has to be copied; the name is relative to the source folder, byte by byte (latin1). */
interface Listed {
  name: string;
  bytes: number;
}

/** What a dry run says is to be copied, and how that is shared out among several rsyncs. */
export class FilesToCopy {
  readonly #files: Listed[] = [];

  /** Folders, deletions and hard links are for the one rsync at the end. Past the limit files are left to it, too. */
  add(line: FileLine, name: string): void {
    if (line.type === 'd' || !'<>c.'.includes(line.change) || this.#files.length >= LIMITS.filesPerAttempt) return;
    this.#files.push({ name, bytes: line.type === 'f' && line.change !== '.' ? line.bytes : 0 });
  }

  /**
   * At most `most` lists of about the same weight, in which files and bytes
   * count; none when one rsync would do as well. A folder that falls into one
   * list stands there by itself (`name/`: the files in it, not in its folders),
   * since rsync reads a folder faster than the names of its files.
   */
  lists(most: number, leastWeight = LEAST_WEIGHT): string[][] {
    const total = this.#files.reduce((sum, file) => sum + weightOf(file), 0);
    const count = Math.min(most, Math.floor(total / leastWeight));
    if (count < 2) return [];
    const lists = Array.from({ length: count }, (): string[] => []);
    let before = 0;
    const listAt = (weight: number) => Math.min(count - 1, Math.floor((weight * count) / total));
    for (const [folder, files] of this.#folders()) {
      const weight = files.reduce((sum, file) => sum + weightOf(file), 0);
      const isInOne = listAt(before) === listAt(before + weight - 1) || weight * count <= total / 2;
      if (isInOne) lists[listAt(before + weight / 2)]?.push(folder);
      else this.#share(files, before, (file, at) => lists[listAt(at)]?.push(file.name));
      before += weight;
    }
    return lists.filter((list) => list.length > 0);
  }

  #share(files: readonly Listed[], before: number, put: (file: Listed, at: number) => void): void {
    let at = before;
    for (const file of files) {
      put(file, at + weightOf(file) / 2);
      at += weightOf(file);
    }
  }

  #folders(): Map<string, Listed[]> {
    const folders = new Map<string, Listed[]>();
    for (const file of this.#files) {
      const folder = file.name.slice(0, file.name.lastIndexOf('/') + 1);
      const known = folders.get(folder);
      if (known) known.push(file);
      else folders.set(folder, [file]);
    }
    return folders;
  }
}

const weightOf = ({ bytes }: Listed): number => bytes + FILE_BYTES;
