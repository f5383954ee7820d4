import type { TransferOptions } from '../../actors/job.js';
import { EngineFailed } from './engine.js';

type Patterns = Pick<TransferOptions, 'includes' | 'excludes'>;

/** An include of every folder: excludes then leave out files only. */
const EVERY_FOLDER = '*/';

/**
 * rclone's filter rules for a job's patterns, which are rsync's. rsync looks at
 * every folder on the way to a file, rclone at the whole path once; so what lies
 * in an excluded folder is ruled out first, and no include brings it back.
 * An include of some folders only cannot be said in rclone's rules.
 */
export function filterRules({ includes, excludes }: Patterns): string[] {
  const folders = includes.filter((pattern) => isOfFolders(pattern) && pattern !== EVERY_FOLDER);
  if (folders.length > 0) {
    throw new EngineFailed({
      code: 'pattern_not_supported',
      message: `The include ${JSON.stringify(folders[0])} is for folders, which rclone cannot tell apart.`,
      exitCode: null,
      retriable: false,
      advice: 'Include files, or every folder with "*/"; or use a job of type rsync.',
    });
  }
  const entersAll = includes.includes(EVERY_FOLDER);
  const contents = entersAll ? [] : contentsOf(excludes);
  const files = (sign: string, patterns: readonly string[]) =>
    patterns.filter((pattern) => !isOfFolders(pattern)).map((pattern) => `${sign} ${globOf(pattern)}`);
  return [...contents, ...files('+', includes), ...files('-', excludes.map(withContents))];
}

/**
 * Rules under which rclone lists every folder that it enters, and those under which it also lists the folders that an
 * exclude fits and an include fits before: rsync enters them, and rclone's rules have no way to say that. Null where there can be none.
 */
export function folderRules({ includes, excludes }: Patterns): { entered: string[]; toEnter: string[] } | null {
  if (includes.length === 0 || excludes.length === 0 || includes.includes(EVERY_FOLDER)) return null;
  const entered = contentsOf(excludes);
  return { entered, toEnter: [...includes.map((pattern) => `+ ${globOf(pattern)}/`), ...entered] };
}

/** The include and the exclude cannot both be kept in that folder. */
export const unclearFolder = (folder: string): EngineFailed =>
  new EngineFailed({
    code: 'pattern_not_supported',
    message: `An include and an exclude both fit the folder ${JSON.stringify(folder)}: rclone cannot look for files in it.`,
    exitCode: null,
    retriable: false,
    advice: 'Include every folder with "*/" or use patterns that fit files only; or use a job of type rsync.',
  });

const contentsOf = (excludes: readonly string[]): string[] => excludes.map((pattern) => `- ${globOf(pattern)}/**`);

/** `cache/` and `cache/***`; `cache/*` is of what is in it. */
const isOfFolders = (pattern: string): boolean => /\/(?:\*{3})?$/.test(pattern);

/** `cache/***` is of the folder and of all that is in it: where the folder is entered all the same, the rest holds. */
const withContents = (pattern: string): string => pattern.replace(/\/\*{3}$/, '/**');

/** `{}` mean something to rclone only; a backslash escapes only where rsync sees a wildcard; `***` is not known to rclone. */
function globOf(pattern: string): string {
  // "In any folder" is what a pattern without a slash at its beginning says anyway; rclone would not take it for the top one.
  const plain = pattern.replace(/\/(?:\*{3})?$/, '').replace(/^(?:\*{2,}\/)+/, '');
  const escaped = /[*?[]/.test(plain) ? plain.replace(/\[!/g, '[^') : plain.replaceAll('\\', '\\\\');
  return escaped.replace(/[{}]/g, '\\$&').replace(/\*{3,}/g, '**');
}
