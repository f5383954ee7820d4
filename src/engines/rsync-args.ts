import path from 'node:path';
import { hostOf } from '../../actors/host-place.js';
import { EngineFailed, type TransferTask } from './engine.js';
import { metadataArgs } from './rsync-metadata.js';
import { mostParts, type Part } from './rsync-split.js';

/** Where rsync puts the part of a file that it had when it was stopped; a folder of this name in a source is not copied. */
export const PARTIAL_DIR = '.tallyman-partial';

/** The format of a line for each file: how it differs, its size, its name with control characters as `\#` and three octal digits. */
const FILE_LINE = '--out-format=%i|%l|%n';
/** The same with the checksum. */
const CHECKSUM_LINE = '--out-format=%i|%l|%C|%n';
/** Plain digits, names as they are, makes missing parents of the destination. */
const COMMON = ['--no-h', '-8', '--mkpath', '--outbuf=L'];

/** What would be moved, without moving it. */
export const countArgs = (task: TransferTask): string[] => [
  '-an',
  ...COMMON,
  '--no-i-r',
  '--stats',
  `--partial-dir=${PARTIAL_DIR}`,
  ...metadataArgs(task.options),
  ...(isMirror(task) ? [DELETE] : []),
  ...(tellsChanges(task) || mostParts(task) > 1 ? [FILE_LINE] : []),
  ...onlyThese(task),
  ...filters(task),
  ...paths(task),
];

/** Every entry of the source that the patterns leave, equal on both sides (`-ii`) or not. */
export const listArgs = (task: TransferTask): string[] => [
  '-rlDnii',
  '--size-only',
  ...COMMON,
  '--no-i-r',
  FILE_LINE,
  `--partial-dir=${PARTIAL_DIR}`,
  ...filters(task),
  ...paths(task),
];

export const tellsChanges = ({ options, countChanges }: TransferTask): boolean =>
  options.deleteExtraneous === true || countChanges === true;

/** The same with a line for each file that a pattern leaves out. */
export const previewArgs = (task: TransferTask): string[] => ['--debug=filter1', ...countArgs({ ...task, countChanges: true })];

const COPY = ['-a', ...COMMON, '--no-i-r', '--info=progress2,name0,stats2', FILE_LINE, `--partial-dir=${PARTIAL_DIR}`, '--no-whole-file'];

/** The copy itself. `--no-whole-file`: between local paths the partial file would not be used without it. */
export const transferArgs = (task: TransferTask): string[] => [
  ...COPY,
  ...metadataArgs(task.options),
  ...byContent(task),
  ...bandwidth(task.options.bandwidthLimit),
  ...mirror(task),
  // Of given files every one is printed: one that is not is not there any more.
  ...(task.only || task.options.listUnchanged ? ['-ii'] : []),
  ...onlyThese(task),
  ...filters(task),
  ...paths(task),
];

/** The folder at the destination alone: parts that all made it at once would fail. */
export const rootArgs = (task: TransferTask): string[] => [
  '-a',
  '--no-r',
  '--dirs',
  ...COMMON,
  '--filter=- *',
  '--',
  ...asFolders(task.source, task.destination),
];

/** One of several copies of a job. It deletes nothing: that is for the last run. */
export const partArgs = (task: Part): string[] => [
  ...COPY,
  ...metadataArgs(task.options),
  ...bandwidth(task.options.bandwidthLimit / task.parts),
  // Without -r: a folder in the list is taken with what is in it, and not with what is in its folders.
  '--files-from=-',
  '--from0',
  '--ignore-missing-args',
  ...filters(task),
  ...paths(task),
];

/** Compares both sides in full and prints a line for every entry, equal (`-ii`) or not. */
export const verifyArgs = (task: TransferTask, method: 'size' | 'checksum'): string[] => [
  '-rlDnii',
  ...(method === 'checksum' ? ['--checksum', '--debug=nstr'] : ['--size-only']),
  ...COMMON,
  '--stats',
  method === 'checksum' ? CHECKSUM_LINE : FILE_LINE,
  `--partial-dir=${PARTIAL_DIR}`,
  // What a mirror left over is a difference too; nothing is deleted, since `n` stands above.
  ...(task.options.deleteExtraneous ? [DELETE] : []),
  ...filters(task),
  ...paths(task),
];

/** A line for every entry whose copy has not got the metadata that these flags are for. */
export const lostArgs = (task: TransferTask, flags: readonly string[]): string[] => [
  '-rlDni',
  ...flags,
  '--size-only',
  ...COMMON,
  '--no-i-r',
  FILE_LINE,
  `--partial-dir=${PARTIAL_DIR}`,
  ...filters(task),
  ...paths(task),
];

/** A copy whose size and time deceive stops the deletion of its source: the next attempt puts it right. */
function byContent({ attempt, options }: TransferTask): string[] {
  return options.deleteSource.mode !== 'never' && attempt > 1 ? ['--checksum'] : [];
}

/** Deletes after the copy, what was found before it; never what an exclude names, and nothing at all when the source could not be read. */
const DELETE = '--delete-delay';

/** An attempt that takes given files only deletes nothing. */
const isMirror = ({ options, only }: TransferTask): boolean => options.deleteExtraneous === true && !only;

function mirror(task: TransferTask): string[] {
  if (!isMirror(task)) return [];
  const { jobId, attempt } = task;
  const { maxDelete, trash } = task.options;
  const backup = trash ? ['--backup', `--backup-dir=${path.join(trash, `${jobId}-${attempt}`)}`] : [];
  return [DELETE, `--max-delete=${maxDelete ?? 0}`, ...backup];
}

/** rsync counts in KiB a second and takes no less than one: rounded down, so that the limit holds. */
function bandwidth(bytesPerSecond: number): string[] {
  return bytesPerSecond === 0 ? [] : [`--bwlimit=${Math.max(1, Math.floor(bytesPerSecond / 1024))}`];
}

/**
 * Includes before excludes, since the first rule that matches wins. Given as
 * `--filter` rules: `--exclude` would take a pattern that starts with `+ ` for
 * an include and `- !` for an order to forget the other patterns.
 */
function filters({ options }: TransferTask): string[] {
  return [
    ...kept(options),
    ...options.includes.map((pattern) => `--filter=+ ${pattern}`),
    ...options.excludes.map((pattern) => `--filter=- ${pattern}`),
  ];
}

/** A mirror deletes neither the marker of its destination nor partial files, whatever the patterns say. */
function kept({ deleteExtraneous, marker }: TransferTask['options']): string[] {
  if (!deleteExtraneous) return [];
  return [`--filter=P ${PARTIAL_DIR}/`, ...(marker?.destination ? [`--filter=P /${marker.destination}`] : [])];
}

/** Just the files that come by stdin, and what is in the folders of them. */
function onlyThese({ only }: TransferTask): string[] {
  return only ? ['-r', '--files-from=-', '--from0', '--ignore-missing-args'] : [];
}

/** The list for `--files-from=-`. `./` keeps a name from being taken for a comment. */
export const listOf = (names: readonly (Buffer | string)[]): Buffer =>
  Buffer.concat(
    names.flatMap((name) => [Buffer.from('./'), typeof name === 'string' ? Buffer.from(name, 'latin1') : name, Buffer.from([0])]),
  );

/** One place as it is, without what is in it: whether it can be reached and is there. */
export const lookArgs = (place: string): string[] => [
  '--list-only',
  ...COMMON,
  // Of "folder/" the folder itself is listed, and nothing in it.
  ...(place.endsWith('/') ? ['--exclude=/*'] : []),
  '--',
  place,
];

/** Neither an absolute path nor a place on a host can be taken for an option, and a path for no host. */
function paths({ source, destination, only }: TransferTask): string[] {
  for (const [what, text] of [
    ['source', source],
    ['destination', destination],
  ] as const) {
    if ((path.isAbsolute(text) || hostOf(text)) && !text.includes('\0')) continue;
    throw new EngineFailed({
      code: 'invalid_path',
      message: `The ${what} ${JSON.stringify(text)} is not an absolute path.`,
      exitCode: null,
      retriable: false,
      advice: 'Give a path that starts with "/".',
    });
  }
  return ['--', ...(only ? asFolders(source, destination) : [source, destination])];
}

/** The names of a list are relative to the source: then a source without a slash is not copied as a folder by itself. */
export const asFolders = (source: string, destination: string): [string, string] =>
  source.endsWith('/') ? [source, destination] : [`${source}/`, `${destination.replace(/\/*$/, '/')}${path.basename(source)}/`];
