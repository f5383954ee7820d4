import { opendir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Job, PreviewLimits } from '../../actors/job.js';
import { isRemote } from '../../actors/paths.js';
import type { Agreed, Seen } from '../../actors/seen.js';
import { EngineFailed, type Amount, type Changes, type TransferTask } from '../engines/engine.js';
import { answers } from './disk-answers.js';
import { markerMissing } from '../engines/marker-missing.js';
import { SYSTEM, diskOf, diskWords, isSameDisk } from './disk.js';
import { number } from './number.js';
import { failed, type LocalSides } from './preflight.js';
import { SIDES, nearest, seenHere, type Side } from './seen.js';

const MOUNT_ADVICE =
  'Mount the disk, then retry the job. If the files are meant to be there without a mount, make a new job without this guard.';

/** Looks whether the two sides are the disks that are meant. Rejects with `EngineFailed` before anything is touched. Answers what to say of it. */
export async function checkGuards(task: TransferTask, paths: LocalSides, seen: Seen | null): Promise<string[]> {
  const { requireMount, marker, deleteExtraneous, compareOnly } = task.options;
  const said: string[] = [];
  const others: OtherDisk[] = [];
  const sides = { source: paths.source, destination: paths.existing };
  for (const side of SIDES) {
    const there = sides[side];
    if (there === null) continue;
    const { mount, id: now } = await diskOf(there);
    if (mount !== null) said.push(`The ${side} is on the disk that is mounted at ${mount}.`);
    else if (requireMount === side || requireMount === 'both') throw notMounted(side, task[side]);
    const before = seenHere(seen)?.[side];
    if (before && !isSameDisk(before, now) && seen?.agreed?.[side] !== now) others.push({ side, before, now });
    const name = marker?.[side];
    if (name) await requireMarker(side, await rootOf(task, side), name);
  }
  if (others.length > 0 && task.options.otherDisk !== 'allow') throw otherDisk(task, others);
  if (deleteExtraneous && !compareOnly && paths.source !== null && (await isEmptyFolder(paths.source))) throw sourceEmpty(task.source);
  return said;
}

/** A side whose disk is not mounted, as far as a guard or the last run tells; `null` when none is. However else a job failed: this is why. */
export async function missingDisk(
  task: Pick<TransferTask, 'source' | 'destination' | 'options'>,
  seen: Seen | null,
): Promise<EngineFailed | null> {
  const { requireMount, marker, otherDisk } = task.options;
  for (const side of SIDES) {
    if (isRemote(task[side]) || !(await answers(task[side]))) continue;
    const { mount } = await diskOf(await nearest(task[side]));
    if (mount === null && (requireMount === side || requireMount === 'both')) return notMounted(side, task[side]);
    const before = seenHere(seen)?.[side];
    const isMeant = otherDisk === 'allow' || seen?.agreed?.[side] === SYSTEM;
    if (mount === null && before && before !== SYSTEM && !isMeant) return wasMounted(side, task[side], before);
    const name = marker?.[side];
    const missing = name ? await requireMarker(side, await rootOf(task, side), name).catch((error: unknown) => error) : null;
    if (missing instanceof EngineFailed) return missing;
  }
  return null;
}

const wasMounted = (side: Side, given: string, before: string) =>
  failed(`${side}_not_mounted`, `The ${side} ${given} was on ${diskWords(before)}, which is not mounted.`, MOUNT_ADVICE);

interface OtherDisk {
  side: Side;
  before: string;
  now: string;
}

function otherDisk(task: TransferTask, found: readonly OtherDisk[]): EngineFailed {
  const isGone = found.find(({ now }) => now === SYSTEM);
  const words = found.map(
    ({ side, before, now }) => `The ${side} ${task[side]} was on ${diskWords(before)} and is now on ${diskWords(now)}.`,
  );
  return asking(
    isGone ? `${isGone.side}_not_mounted` : 'other_disk',
    `${words.join(' ')} Nothing was copied or deleted.`,
    'Mount the right disk, then resume the job. If what is there now is meant, resume it as it is: that is a yes for this job. options.otherDisk "allow" does not ask.',
    Object.fromEntries(found.map(({ side, now }) => [side, now])),
  );
}

/** Looks whether the source has about as much as at the last run. What a preview showed was agreed to already. */
export function checkSize(
  { source, options }: TransferTask,
  now: Pick<Amount, 'files' | 'bytes'> | undefined,
  { seen, preview }: Pick<Job, 'seen' | 'preview'>,
): void {
  const { sourceFiles = 0, sourceBytes = 0, agreed } = seenHere(seen) ?? {};
  const percent = options.minSourcePercent ?? (options.deleteExtraneous && !preview ? MIRROR_PERCENT : 0);
  if (!now || (now.files * 100 >= sourceFiles * percent && now.bytes * 100 >= sourceBytes * percent)) return;
  if (now.files >= (agreed?.sourceFiles ?? Infinity) && now.bytes >= (agreed?.sourceBytes ?? Infinity)) return;
  const words = (files: number, bytes: number) => `${number(files)} files with ${number(bytes)} bytes`;
  throw asking(
    'source_smaller',
    `The source ${source} has ${words(now.files, now.bytes)}, and had ${words(sourceFiles, sourceBytes)} at the last run: less than ${percent} %. Nothing was copied or deleted.`,
    'Check the disk of the source. If so much is meant to be gone, resume the job: that is a yes for this job. options.minSourcePercent says how much has to be left.',
    { sourceFiles: now.files, sourceBytes: now.bytes },
  );
}

const MIRROR_PERCENT = 50;

/** A failure that is a question: the job is paused, and `resume` is the yes. */
const asking = (code: string, message: string, advice: string, asks: Agreed): EngineFailed =>
  new EngineFailed({ code, message, exitCode: null, retriable: false, advice, asks });

/** The source has no file at all, and what is in the destination would go. */
const sourceEmpty = (source: string) =>
  failed(
    'source_empty',
    `The source ${source} is empty, and everything in the destination would be deleted.`,
    'Check that the disk of the source is mounted, then retry the job. To empty the destination, delete its files yourself.',
  );

const notMounted = (side: Side, given: string) =>
  failed(
    side === 'source' ? 'source_not_mounted' : 'destination_not_mounted',
    `The ${side} ${given} is on the disk of the system, not on a mounted one, which requireMount asks for.`,
    MOUNT_ADVICE,
  );

async function requireMarker(side: Side, folder: string, name: string): Promise<void> {
  const stats = await stat(path.join(folder, name)).catch(() => null);
  if (!stats?.isFile()) throw markerMissing(side, folder, name);
}

/** The folder that a marker is looked for in: where one file is copied, the one that holds it. */
async function rootOf({ source, destination }: Pick<TransferTask, Side>, side: Side): Promise<string> {
  const isFolder = async (file: string) => (isRemote(file) || (await stat(file).catch(() => null))?.isDirectory()) ?? false;
  if (side === 'source') return (await isFolder(source)) ? source : path.dirname(source);
  const isNewName = !destination.endsWith('/') && !(await isFolder(source)) && !(await isFolder(destination));
  return isNewName ? path.dirname(destination) : destination;
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
