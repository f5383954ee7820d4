import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import { LIMITS } from '../../actors/limits.js';
import type { ListedEntry, TransferTask } from '../engines/engine.js';
import { identityOf, type Identity } from './file-proof.js';
import { FolderWalk } from './folder.js';
import { failed, type LocalSides } from './preflight.js';

export interface SourceFile {
  /** Relative to `SourceList.source`, byte by byte (latin1). */
  path: string;
  /** The same in `SourceList.target`. */
  copyPath: string;
  type: 'file' | 'link';
  bytes: number;
  identity: Identity;
}

/**
 * What the source held before anything was copied: only this may be deleted
 * later. A walk of the source after the copy would find files that came
 * meanwhile, and those that the patterns leave out.
 */
export interface SourceList {
  /** The real folders that the paths are relative to. */
  source: string;
  /** Null on a remote. */
  target: string | null;
  files: SourceFile[];
  /** Each before what is in it. */
  folders: string[];
  /** Entries that no copy is made of: sockets, pipes, devices. */
  special: string[];
}

/** Looks at every entry that the engine will copy, and remembers which file it is. */
export async function listSource(
  task: TransferTask,
  paths: Pick<LocalSides, 'source' | 'target'>,
  entries: AsyncIterable<ListedEntry> | Iterable<ListedEntry>,
): Promise<SourceList> {
  if (paths.source === null) throw failed('invalid_job', 'Nothing is deleted on a remote.', 'Copy, then delete the source yourself.');
  const sides = await sidesOf(task, { source: paths.source, target: paths.target });
  const list: SourceList = { source: sides.source, target: sides.target, files: [], folders: [], special: [] };
  const walk = new FolderWalk(sides.source);
  try {
    for await (const { path: listed, type } of entries) {
      const name = listed.replace(/^\.\//, '').replace(/\/$/, '');
      // The source folder itself stays: a repeated attempt looks for it.
      if (name === '' || name === '.' || (type === 'folder' && name === sides.itself)) continue;
      if (type === 'folder') list.folders.push(name);
      else if (type === 'special') list.special.push(name);
      else await add(list, walk, name, type, sides.rename);
      if (list.files.length > LIMITS.deletionFiles) throw tooMany();
    }
  } finally {
    await walk.close();
  }
  return list;
}

async function add(list: SourceList, walk: FolderWalk, name: string, type: 'file' | 'link', rename: string | null): Promise<void> {
  const { folder, name: last } = await walk.holderOf(name);
  const stats = await lstat(folder.at(last), { bigint: true }).catch(() => null);
  // What is gone, or has become something else, since the engine saw it is not for this job to delete.
  if (!stats || (type === 'file' ? !stats.isFile() : !stats.isSymbolicLink())) return;
  list.files.push({ path: name, copyPath: rename ?? name, type, bytes: Number(stats.size), identity: identityOf(stats) });
}

interface Sides {
  source: string;
  target: string | null;
  /** The name of the copy of a single file, when it has another one. */
  rename: string | null;
  /** What the source is called in the list. */
  itself: string | null;
}

/** "folder/" is copied by what is in it, "folder" and a file by their own name, or by the name that the destination gives. */
async function sidesOf({ source }: TransferTask, paths: Pick<Sides, 'source' | 'target'>): Promise<Sides> {
  if (/\/\.?$/.test(source)) return { source: paths.source, target: paths.target, rename: null, itself: null };
  if ((await lstat(source)).isSymbolicLink()) {
    throw failed(
      'path_not_allowed',
      `The source ${source} is a symbolic link: nothing is deleted through it. Nothing was copied.`,
      'Name what it points to, or its folder with "/" at the end.',
    );
  }
  const latin1 = (text: string) => Buffer.from(text).toString('latin1');
  const itself = latin1(path.basename(source));
  const newName = paths.target === null ? itself : latin1(path.basename(paths.target));
  return {
    source: await realpath(path.dirname(source)),
    target: paths.target === null ? null : path.dirname(paths.target),
    rename: newName === itself ? null : newName,
    itself,
  };
}

const tooMany = () =>
  failed(
    'too_many_files',
    `The source holds more than ${LIMITS.deletionFiles} files: more than one job deletes. Nothing was copied or deleted.`,
    'Make a job for each of its folders.',
  );
