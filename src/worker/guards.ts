import { opendir, realpath, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import type { Job, PreviewLimits, Seen } from '../../actors/job.js';
import { remoteOf } from '../../actors/paths.js';
import type { Changes, TransferTask } from '../engines/engine.js';
import { failed, type RealPaths } from './preflight.js';

/** On a Mac all that may be written is on a volume of its own, which is always there. */
const SYSTEM_FOLDERS = ['/', '/System/Volumes/Data'];
const MOUNT_ADVICE =
  'Mount the disk, then retry the job. If the files are meant to be there without a mount, make a new job without this guard.';

/** Looks whether the two sides are the disks that are meant. Rejects with `EngineFailed` before anything is touched. Answers what to say of it. */
export async function checkGuards(task: TransferTask, paths: RealPaths, before: Seen | null): Promise<string[]> {
  const { requireMount, marker, deleteExtraneous } = task.options;
  const said: string[] = [];
  const sides = { source: paths.source, destination: paths.existing };
  for (const side of ['source', 'destination'] as const) {
    const mount = await mountOf(sides[side]);
    if (mount !== null) said.push(`The ${side} is on the disk that is mounted at ${mount}.`);
    else if (requireMount === side || requireMount === 'both') throw notMounted(side, task[side], 'requireMount asks for that');
    else if (before?.host === hostname() && before[`${side}Mounted`]) throw notMounted(side, task[side], 'it was in an earlier attempt');
    const name = marker?.[side];
    if (name) await requireMarker(side, await rootOf(task, side), name);
  }
  if (deleteExtraneous && (await isEmptyFolder(paths.source))) throw sourceEmpty(task.source);
  return said;
}

/** What this attempt sees beyond what earlier ones saw on this machine, together with that; null when it is nothing new. */
export async function lookAtSides({ source, destination, seen }: Pick<Job, 'source' | 'destination' | 'seen'>): Promise<Seen | null> {
  if (source === null || destination === null) return null;
  const host = hostname();
  const before = seen?.host === host ? seen : { sourceMounted: false, destinationMounted: false };
  const now = { sourceMounted: await isMounted(source), destinationMounted: await isMounted(destination) };
  const isNew = (now.sourceMounted && !before.sourceMounted) || (now.destinationMounted && !before.destinationMounted);
  if (!isNew) return null;
  return {
    host,
    sourceMounted: before.sourceMounted || now.sourceMounted,
    destinationMounted: before.destinationMounted || now.destinationMounted,
  };
}

/** A side that cannot be looked at is on no disk: preflight says what is wrong with it. */
async function isMounted(side: string): Promise<boolean> {
  if (remoteOf(side) !== null) return false;
  return (await mountOf(await nearest(side)).catch(() => null)) !== null;
}

/** The source has no file at all, and what is in the destination would go. */
const sourceEmpty = (source: string) =>
  failed(
    'source_empty',
    `The source ${source} is empty, and everything in the destination would be deleted.`,
    'Check that the disk of the source is mounted, then retry the job. To empty the destination, delete its files yourself.',
  );

const notMounted = (side: 'source' | 'destination', given: string, why: string) =>
  failed(
    side === 'source' ? 'source_not_mounted' : 'destination_not_mounted',
    `The ${side} ${given} is on the disk of the system, not on a mounted one: ${why}.`,
    MOUNT_ADVICE,
  );

async function requireMarker(side: 'source' | 'destination', folder: string, name: string): Promise<void> {
  const stats = await stat(path.join(folder, name)).catch(() => null);
  if (stats?.isFile()) return;
  throw failed(
    'marker_missing',
    `The file ${name} is not in the ${side} ${folder}: this is not the disk that is meant, or it is not mounted.`,
    'Mount the right disk, then retry the job. On a new disk, make the file yourself.',
  );
}

/** The folder that a marker is looked for in: where one file is copied, the one that holds it. */
async function rootOf({ source, destination }: TransferTask, side: 'source' | 'destination'): Promise<string> {
  const isFolder = async (file: string) => (await stat(file).catch(() => null))?.isDirectory() ?? false;
  if (side === 'source') return (await isFolder(source)) ? source : path.dirname(source);
  const isNewName = !destination.endsWith('/') && !(await isFolder(source)) && !(await isFolder(destination));
  return isNewName ? path.dirname(destination) : destination;
}

/** Where the disk of this folder is mounted; null when it is the one of the system. */
async function mountOf(folder: string): Promise<string | null> {
  const systems = await Promise.all(SYSTEM_FOLDERS.map((system) => stat(system).catch(() => null)));
  const { dev } = await stat(folder);
  if (systems.some((system) => system?.dev === dev)) return null;
  let mount = folder;
  while (mount !== '/' && (await stat(path.dirname(mount))).dev === dev) mount = path.dirname(mount);
  return mount;
}

/** The real path of what is there of `given`, or of the nearest folder above. */
async function nearest(given: string): Promise<string> {
  for (let at = given; ; at = path.dirname(at)) {
    const real = await realpath(at).catch(() => null);
    if (real !== null) return real;
  }
}

async function isEmptyFolder(folder: string): Promise<boolean> {
  if (!(await stat(folder)).isDirectory()) return false;
  const entries = await opendir(folder);
  try {
    return (await entries.read()) === null;
  } finally {
    await entries.close();
  }
}

/** Looks at what a mirror would do, before it does any of it. */
export function checkChanges({ source, options }: TransferTask, changes: Changes | undefined): void {
  if (!changes || !options.deleteExtraneous) return;
  const { create, change, equal } = changes;
  const deletions = changes.delete.files + changes.delete.folders;
  if (deletions > 0 && create.files + change.files + equal === 0) throw sourceEmpty(source);
  const maxDelete = options.maxDelete ?? 0;
  if (deletions <= maxDelete) return;
  throw failed(
    'delete_limit',
    `${deletions} files and folders of the destination would be deleted, and options.maxDelete allows ${maxDelete}. Nothing was copied or deleted.`,
    'Look at a preview of the job. If all of that may go, make a new job with a greater maxDelete; if not, check the source.',
  );
}

/** Refuses to do more than the preview showed that the job was created from. */
export function checkPreview({ attempt }: Pick<TransferTask, 'attempt'>, changes: Changes | undefined, shown: PreviewLimits | null): void {
  if (!shown) return;
  const now = previewLimitsOf(changes ?? NOTHING);
  const isMore = now.create > shown.create || now.change > shown.change || now.delete > shown.delete;
  // What an earlier attempt deleted is not there to be deleted any more.
  const areOthers = (attempt === 1 || now.delete === shown.delete) && now.deletions !== shown.deletions;
  if (changes && !isMore && !areOthers) return;
  const words = ({ create, change, delete: deleted }: PreviewLimits) => `${create} made, ${change} changed, ${deleted} deleted`;
  throw failed(
    'preview_stale',
    `By now other files would be touched than the preview showed: ${words(now)}; it showed ${words(shown)}. Nothing was copied or deleted.`,
    'Make a new preview, look at it, and create a new job from it.',
  );
}

const NOTHING: Changes = {
  create: { files: 0, folders: 0, bytes: 0 },
  change: { files: 0, folders: 0, bytes: 0 },
  delete: { files: 0, folders: 0, bytes: 0 },
  equal: 0,
  deletions: '',
};

/** The numbers that count: a folder whose time changes is no change. */
export const previewLimitsOf = ({ create, change, delete: deleted, deletions }: Changes): PreviewLimits => ({
  create: create.files + create.folders,
  change: change.files,
  delete: deleted.files + deleted.folders,
  deletions,
});
