import { remoteOf } from '../../actors/paths.js';
import { EngineFailed, type TransferTask } from './engine.js';
import type { Arrival } from './rclone-arrival.js';
import { filterRules } from './rclone-patterns.js';
import { inside, type Sides } from './rclone-sides.js';
import { PROBE_PREFIX, STAGING_PREFIX } from './staging.js';

/** One attempt, each line of the log as JSON, no question on stdin. The worker waits between attempts, not rclone. */
export const COMMON = ['--use-json-log', '--log-level', 'INFO', '--retries', '1', '--low-level-retries', '10', '--ask-password=false'];
/** The totals are known before the first byte. */
const STATS = ['--stats', '500ms', '--stats-log-level', 'NOTICE', '--check-first'];
/** Several streams to one file make it as long as it will be at once: it would be taken for whole. */
const ONE_STREAM = ['--multi-thread-streams', '0'];

export const copyArgs = (
  task: TransferTask,
  sides: Sides,
  { into, compareWith }: Pick<Arrival, 'into' | 'compareWith'>,
  dryRun = false,
): string[] => [
  ...(sides.isFile ? ['copyto'] : ['copy', '--create-empty-src-dirs']),
  ...COMMON,
  ...STATS,
  ...ONE_STREAM,
  ...(dryRun ? ['--dry-run'] : bandwidth(task)),
  ...byContent(task, sides),
  ...(compareWith === null ? [] : ['--compare-dest', compareWith]),
  ...(compareWith === null && remoteOf(into) ? backup(task) : []),
  ...(task.only && !sides.isFile ? [...THESE, ...links(sides.source)] : selection(task, sides)),
  '--',
  sides.source,
  into,
];

/** What a mirror, or a copy, would do, without doing it. A line for each deed. */
export const dryRunArgs = (task: TransferTask, sides: Sides): string[] => [
  ...(sides.isFile ? ['copyto'] : [isMirror(task) ? 'sync' : 'copy', '--create-empty-src-dirs']),
  ...COMMON,
  ...STATS,
  '--dry-run',
  ...byContent(task, sides),
  ...selection(task, sides),
  '--',
  sides.source,
  sides.target,
];

/** An attempt that takes given files only deletes nothing. */
export const isMirror = ({ options, only }: TransferTask): boolean => options.deleteExtraneous === true && !only;

/** Where this attempt of a mirror puts what it deletes and replaces; null when it has no trash. */
export function trashOf(task: TransferTask): string | null {
  const { trash } = task.options;
  return isMirror(task) && trash ? inside(trash.replace(/([^:])\/+$/, '$1'), `${task.jobId}-${task.attempt}`) : null;
}

/** Just the files that come by stdin: rclone takes no pattern beside them. */
const THESE = ['--files-from-raw', '-'];

/** Every file of a place that the patterns leave, with `all` also folders. */
export const listArgs = (task: TransferTask, sides: Sides, place: string, what: 'files' | 'all'): string[] => [
  'lsf',
  '--recursive',
  ...(what === 'files' ? ['--files-only'] : []),
  ...COMMON,
  ...selection(task, { ...sides, source: place }),
  '--',
  place,
];

/** Every folder of a place that rclone enters under these rules. */
export const listFoldersArgs = (place: string, rules: string[]): string[] => [
  'lsf',
  '--recursive',
  '--dirs-only',
  ...COMMON,
  ...filters(rules),
  '--',
  place,
];

/** Those of the given files that are there. */
export const listTheseArgs = (place: string): string[] => [
  'lsf',
  '--recursive',
  '--files-only',
  ...COMMON,
  ...THESE,
  ...links(place),
  '--',
  place,
];

/** Deletes just the files that come by stdin, or moves them. */
export const deleteArgs = (place: string): string[] => ['delete', ...COMMON, ...THESE, ...links(place), '--', place];
export const putAsideArgs = (verb: 'move' | 'copy', place: string, trash: string): string[] => [
  verb,
  ...COMMON,
  ...THESE,
  ...links(place),
  '--',
  place,
  trash,
];

/** Removes a folder with those in it, if they are empty. */
export const removeFoldersArgs = (folder: string): string[] => ['rmdirs', ...COMMON, '--', folder];

/** Within a remote, by renaming. "--links": where it is a folder of this machine by another name, links stand there as links. */
export const moveArgs = (task: TransferTask, { isFile, target }: Sides, from: string): string[] => [
  ...(isFile ? ['moveto'] : ['move', '--create-empty-src-dirs', '--delete-empty-src-dirs']),
  ...COMMON,
  '--links',
  ...backup(task),
  '--',
  from,
  target,
];

/** Prints a line for every file of the source: a sign, a blank, the name. */
export const checkArgs = (task: TransferTask, sides: Sides, how: '--size-only' | '--download' | null): string[] => [
  'check',
  ...COMMON,
  // What a mirror left over is a difference too.
  ...(task.options.deleteExtraneous ? [] : ['--one-way']),
  '--combined',
  '-',
  ...(how === null ? [] : [how]),
  ...selection(task, sides),
  '--',
  sides.source,
  sides.target,
];

export const sizeArgs = (task: TransferTask, sides: Sides, place: string): string[] => [
  'size',
  '--json',
  ...COMMON,
  ...selection(task, sides),
  '--',
  place,
];

/** Reads the file through, wherever it is. */
export const hashArgs = (algorithm: string, place: string): string[] => ['hashsum', algorithm, '--download', ...COMMON, '--', place];

/** Size, time and name of the given files that are there. "--links" is for a remote that is a folder of this machine by another name. */
export const lookArgs = (place: string): string[] => ['lsl', ...COMMON, '--links', ...THESE, '--', place];

/** The sums of the given files: those that the remote tells, or of what is read back. */
export const sumsArgs = (place: string, algorithm: string, how: 'told' | 'read'): string[] => [
  'hashsum',
  algorithm,
  ...(how === 'read' ? ['--download', ...STATS.slice(0, 4)] : []),
  ...COMMON,
  '--links',
  ...THESE,
  '--',
  place,
];

export const probeArgs = (file: string): string[] => ['rcat', ...COMMON, '--', file];
/** Every file below a place whose name begins so. */
export const findProbesArgs = (place: string, prefix: string): string[] => [
  'lsf',
  '--recursive',
  '--files-only',
  ...COMMON,
  `--filter=+ ${prefix}*`,
  '--filter=- *',
  '--',
  place,
];

/**
 * Links are copied as links; on a remote they are files `<name>.rclonelink`. Such
 * files of a remote stay files: as links they could lead a copy out of its
 * destination. */
function selection({ options }: TransferTask, { isFile, source }: Sides): string[] {
  if (!isFile) return [...links(source), ...filters(filterRules(options))];
  if (options.includes.length + options.excludes.length === 0) return [];
  throw new EngineFailed({
    code: 'pattern_not_supported',
    message: `The source ${source} is one file: rclone takes no patterns with it.`,
    exitCode: null,
    retriable: false,
    advice: 'Leave the includes and excludes out, or give the folder of the file as source.',
  });
}

/** What a killed attempt left in a folder that is now a source is none of it. */
const filters = (rules: string[]): string[] =>
  [`- ${STAGING_PREFIX}*/**`, `- ${PROBE_PREFIX}*`, ...rules].map((rule) => `--filter=${rule}`);

const links = (place: string): string[] => (remoteOf(place) ? [] : ['--links']);

/** A copy whose size and time deceive stops the deletion of its source: the next attempt puts it right. */
export const comparesContent = ({ attempt, options }: TransferTask): boolean => options.deleteSource.mode !== 'never' && attempt > 1;

const byContent = (task: TransferTask, { hasNoHash }: Sides): string[] => (comparesContent(task) && !hasNoHash ? ['--checksum'] : []);

function backup(task: TransferTask): string[] {
  const trash = trashOf(task);
  return trash === null ? [] : ['--backup-dir', trash];
}

function bandwidth({ options: { bandwidthLimit } }: TransferTask): string[] {
  return bandwidthLimit === 0 ? [] : ['--bwlimit', `${bandwidthLimit}B`];
}
