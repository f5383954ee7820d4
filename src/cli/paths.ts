import { lstatSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { JobError } from '../../actors/errors.js';
import { hostOf } from '../../actors/host-place.js';
import { remoteOf } from '../../actors/paths.js';

/**
 * A path of the command line as the service takes it: absolute, without "..",
 * and with the trailing slash that means "what is in it" to rsync. Throws
 * `remote_not_allowed` for `host:path`.
 */
export function absolutePath(typed: string, cwd: string): string {
  if (/^[^/]*:/.test(typed)) {
    throw new JobError(
      'remote_not_allowed',
      `${JSON.stringify(typed)} names a remote in a form that is not taken: give user@host:/a/path or rsync://host/module/a/path, or name:path with --type rclone. A local name with ":" in it is written ./${typed}.`,
    );
  }
  const whole = path.isAbsolute(typed) ? typed : `${cwd}/${typed}`;
  const contents = /(^|\/)(\.{0,2})$/.test(typed);
  const resolved = typed.split('/').includes('..') ? withoutParentSteps(whole) : path.resolve(whole);
  return contents && resolved !== '/' ? `${resolved}/` : resolved;
}

/** A place of a job: also on a host, or for rclone on a remote. The service says whether it is allowed. */
export const placeOf = (typed: string, cwd: string, type: string): string =>
  (type === 'rclone' ? remoteOf(typed) : hostOf(typed)) ? typed : absolutePath(typed, cwd);

/** After a link ".." leads elsewhere than the text says: the disk is asked, as rsync would. */
function withoutParentSteps(whole: string): string {
  try {
    const base = path.basename(whole);
    if (base === '..' || base === '.') return realpathSync.native(whole);
    return path.join(realpathSync.native(path.dirname(whole)), base);
  } catch {
    return path.resolve(whole);
  }
}

/** Throws `invalid_request` when there is no such source on this machine. What only this user may not see is left to the service. */
export function requireSource(source: string): void {
  try {
    lstatSync(source);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') return;
    throw new JobError(
      'invalid_request',
      `The source ${JSON.stringify(source)} does not exist. Nothing was done.`,
      { field: 'source' },
      { cause },
    );
  }
}
