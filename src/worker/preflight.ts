import { constants, type Stats } from 'node:fs';
import { access, lstat, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { JobFailure } from '../../actors/job.js';
import { isRemote, isWithin, overlaps } from '../../actors/paths.js';
import { EngineFailed, type TransferTask } from '../engines/engine.js';
import { CAUSE_OF_ERRNO } from '../engines/failure-causes.js';

/** Where a transfer really reads and writes: every symbolic link resolved. */
export interface RealPaths {
  source: string;
  /** What the copy becomes: for a source without a slash at its end that is an entry in the destination. */
  target: string;
  /** The folder of the destination that exists already. */
  existing: string;
}

/** The same of a transfer of which a side is on another machine; null there. */
export type LocalSides = { [Path in keyof RealPaths]: RealPaths[Path] | null };

/** Looks at both sides before anything runs. Rejects with `EngineFailed` that names what is wrong and what to do. */
export async function checkPaths(
  { source, destination }: Pick<TransferTask, 'source' | 'destination'>,
  roots: readonly string[],
  doing: 'read' | 'write' = 'write',
): Promise<RealPaths> {
  const from = await checkSource(source, roots);
  const to = await checkDestination(destination, roots, doing);
  if (to.isFile && from.isFolder) {
    throw failed(
      'destination_invalid',
      `The source ${source} is a folder and the destination ${destination} is a file.`,
      'Choose a folder as destination.',
    );
  }
  const intoFolder = from.isFolder ? !source.endsWith('/') : destination.endsWith('/') || (to.isThere && !to.isFile);
  const target = intoFolder ? path.join(to.real, path.basename(source)) : to.real;
  refuseOverlap({ source: from.real, target });
  return { source: from.real, target, existing: to.existing };
}

/** That the source is there, allowed and readable. */
export async function checkSource(source: string, roots: readonly string[]): Promise<{ real: string; isFolder: boolean }> {
  refuseOddPath(source);
  const stats = await statSource(source);
  const real = await realpath(source);
  requireRoot(source, real, await realRootsOf(roots));
  const isFolder = stats.isDirectory();
  await requireAccess(source, isFolder ? constants.R_OK | constants.X_OK : constants.R_OK, 'read');
  return { real, isFolder };
}

export interface CheckedDestination {
  real: string;
  /** The nearest folder that exists. */
  existing: string;
  isThere: boolean;
  isFile: boolean;
}

/** That the destination is allowed and can be made or written. */
export async function checkDestination(
  destination: string,
  roots: readonly string[],
  doing: 'read' | 'write',
): Promise<CheckedDestination> {
  refuseOddPath(destination);
  const { folder, rest, isFile } = await resolveDestination(destination);
  const real = path.join(folder, rest);
  requireRoot(destination, real, await realRootsOf(roots));
  await requireAccess(folder, (doing === 'write' ? constants.W_OK : constants.R_OK) | constants.X_OK, doing);
  return { real, existing: folder, isThere: rest === '' || isFile, isFile };
}

/** The folder for what a mirror deletes, links resolved: within the roots, and apart from both sides. */
export async function checkTrash({ options }: Pick<TransferTask, 'options'>, paths: LocalSides, roots: readonly string[]): Promise<void> {
  const { trash } = options;
  if (!options.deleteExtraneous || !trash || isRemote(trash)) return;
  refuseOddPath(trash);
  const { folder, rest } = await resolveDestination(`${trash}/`);
  const real = path.join(folder, rest);
  requireRoot(trash, real, await realRootsOf(roots));
  await requireAccess(folder, constants.W_OK | constants.X_OK, 'write');
  const side = [paths.source, paths.target].find((other) => other !== null && overlaps(real, other));
  if (typeof side === 'string')
    throw failed('path_not_allowed', `The trash ${trash} holds ${side} or lies in it.`, 'Choose a folder beside source and destination.');
}

const realRootsOf = (roots: readonly string[]): Promise<string[]> =>
  Promise.all(roots.map((root) => realpath(root).catch(() => path.normalize(root))));

function refuseOddPath(given: string): void {
  if (!path.isAbsolute(given)) throw failed('path_not_allowed', `The path ${given} is not absolute.`, 'Give the whole path, from "/" on.');
  if (given.split('/').includes('..')) throw failed('path_not_allowed', `The path ${given} holds "..".`, 'Give the path without "..".');
}

function requireRoot(given: string, real: string, realRoots: readonly string[]): void {
  if (realRoots.some((root) => isWithin(real, root))) return;
  const shown = real === path.normalize(given).replace(/(.)\/$/, '$1') ? given : `${given} (really ${real})`;
  throw failed(
    'path_not_allowed',
    `${shown} is outside of the folders that jobs may read and write: ${realRoots.join(', ') || 'none'}.`,
    'Choose a path in one of these folders, or start the worker with the folder added to TALLYMAN_ROOTS.',
  );
}

async function statSource(source: string): Promise<Stats> {
  try {
    return await stat(source);
  } catch (error) {
    throw explainAccess(error, source, 'read') ?? sourceMissing(source);
  }
}

const sourceMissing = (source: string) =>
  failed(
    'source_missing',
    `The source ${source} does not exist.`,
    'Check the path of the source and that its disk is mounted, then retry the job.',
  );

interface ResolvedDestination {
  /** Real path of the nearest folder that exists. */
  folder: string;
  /** The part of the destination below it; '' when the destination is that folder. */
  rest: string;
  /** The destination exists and is a file. */
  isFile: boolean;
}

async function resolveDestination(destination: string): Promise<ResolvedDestination> {
  let existing = destination.replace(/(.)\/+$/, '$1');
  const missing: string[] = [];
  for (;;) {
    const stats = await statOrNull(existing);
    if (stats?.isDirectory()) return { folder: await realpath(existing), rest: missing.join('/'), isFile: false };
    if (stats !== null) return fileAt(existing, missing.length > 0, destination);
    missing.unshift(path.basename(existing));
    existing = path.dirname(existing);
  }
}

async function fileAt(existing: string, isParent: boolean, destination: string): Promise<ResolvedDestination> {
  if (isParent || destination.endsWith('/')) {
    throw failed(
      'destination_invalid',
      `The destination ${destination} needs a folder where the file ${existing} is.`,
      'Choose another destination.',
    );
  }
  const real = await realpath(existing);
  return { folder: path.dirname(real), rest: path.basename(real), isFile: true };
}

async function statOrNull(file: string): Promise<Stats | null> {
  try {
    return await stat(file);
  } catch (error) {
    const refusal = explainAccess(error, file, 'write');
    if (refusal) throw refusal;
    if (await lstat(file).catch(() => null)) {
      throw failed(
        'path_not_allowed',
        `The destination leads over ${file}, a symbolic link to nothing.`,
        'Remove the link or mount what it points to.',
      );
    }
    return null;
  }
}

async function requireAccess(file: string, mode: number, doing: 'read' | 'write'): Promise<void> {
  try {
    await access(file, mode);
  } catch (error) {
    throw explainAccess(error, file, doing) ?? error;
  }
}

function explainAccess(error: unknown, file: string, doing: 'read' | 'write'): EngineFailed | null {
  const { code = '' } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return failed(
        'permission_denied',
        `The worker may not ${doing} ${file}.`,
        `Give the user that runs the worker the right to ${doing} it, then retry the job.`,
      );
    case 'EROFS':
      return failed(
        'destination_read_only',
        `${file} is on a file system that is mounted read-only.`,
        'Mount it writable, then retry the job.',
      );
    case 'ELOOP':
      return failed('path_not_allowed', `${file} leads over a circle of symbolic links.`, 'Correct the links or choose another path.');
    case 'ENAMETOOLONG':
      return failed('path_not_allowed', `A name in ${file} is too long for its file system.`, 'Choose a shorter path.');
    case 'EIO':
      return failed(
        'io_error',
        `${file} cannot be looked at: its disk does not answer rightly.`,
        'Check the disk and its cable. The job is tried again by itself.',
        true,
      );
    default:
      if (CAUSE_OF_ERRNO[code] !== 'network') return null;
      return failed(
        'network',
        `${file} cannot be looked at: its network mount does not answer (${code}).`,
        'Check the mount and the network. The job is tried again by itself.',
        true,
      );
  }
}

/** A copy over itself, into itself, or over the folder that it comes from. */
function refuseOverlap({ source, target }: { source: string; target: string }): void {
  if (source === target)
    throw failed('source_is_destination', `Source and destination are the same: ${source}.`, 'Choose another destination.');
  if (isWithin(target, source)) {
    throw failed(
      'destination_in_source',
      `The destination ${target} lies in the source ${source}: the copy would copy itself.`,
      'Choose a destination outside of the source.',
    );
  }
  if (isWithin(source, target)) {
    throw failed(
      'source_in_destination',
      `The source ${source} lies in the destination ${target}: the copy could overwrite what it copies from.`,
      'Choose a destination that does not hold the source.',
    );
  }
}

/** A failure with a cause that this worker found by itself. */
export function failed(code: string, message: string, advice: string, retriable = false): EngineFailed {
  return new EngineFailed({ code, message, exitCode: null, retriable, advice } satisfies JobFailure);
}
