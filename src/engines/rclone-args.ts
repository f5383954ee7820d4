import { remoteOf } from '../../actors/paths.js';
import { EngineFailed, type TransferTask } from './engine.js';
import type { Arrival } from './rclone-arrival.js';
import { filterRules } from './rclone-patterns.js';
import type { Sides } from './rclone-sides.js';
import { STAGING_PREFIX } from './staging.js';

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
  ...(compareWith === null ? [] : ['--compare-dest', compareWith]),
  ...selection(task, sides),
  '--',
  sides.source,
  into,
];

/** Within a remote, by renaming. */
export const moveArgs = ({ isFile, target }: Sides, from: string): string[] => [
  ...(isFile ? ['moveto'] : ['move', '--create-empty-src-dirs', '--delete-empty-src-dirs']),
  ...COMMON,
  '--',
  from,
  target,
];

export const removeEmptyArgs = (folder: string): string[] => ['rmdirs', ...COMMON, '--', folder];

/** Prints a line for every file of the source: a sign, a blank, the name. */
export const checkArgs = (task: TransferTask, sides: Sides, how: '--size-only' | '--download' | null): string[] => [
  'check',
  ...COMMON,
  '--one-way',
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

/**
 * Links are copied as links; on a remote they are files `<name>.rclonelink`. Such
 * files of a remote stay files: as links they could lead a copy out of its
 * destination. What the patterns leave out, and what a killed attempt left in a folder that is now a source. */
function selection({ options }: TransferTask, { isFile, source }: Sides): string[] {
  const { includes, excludes } = options;
  if (!isFile) {
    const rules = [`- ${STAGING_PREFIX}*/**`, ...filterRules(includes, excludes)];
    return [...(remoteOf(source) ? [] : ['--links']), ...rules.map((rule) => `--filter=${rule}`)];
  }
  if (includes.length + excludes.length === 0) return [];
  throw new EngineFailed({
    code: 'pattern_not_supported',
    message: `The source ${source} is one file: rclone takes no patterns with it.`,
    exitCode: null,
    retriable: false,
    advice: 'Leave the includes and excludes out, or give the folder of the file as source.',
  });
}

function bandwidth({ options: { bandwidthLimit } }: TransferTask): string[] {
  return bandwidthLimit === 0 ? [] : ['--bwlimit', `${bandwidthLimit}B`];
}
