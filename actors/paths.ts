import { JobError } from './errors.js';

/** What jobs may read and write. */
export interface Allowed {
  /** Folders of the worker's machine. */
  roots: readonly string[];
  /** Names in the configuration of rclone. */
  remotes: readonly string[];
}

/** `name:path`, of a remote that rclone has in its configuration. */
export interface RemotePlace {
  name: string;
  path: string;
}

/** Nothing else may stand before the colon: rclone would take `name,option=value:` and `:backend:` for settings, even for commands. */
export function remoteOf(place: string): RemotePlace | null {
  const [, name, path] = /^([A-Za-z0-9_][A-Za-z0-9_.-]{0,63}):([^]*)$/.exec(place) ?? [];
  return name === undefined || path === undefined ? null : { name, path };
}

/** Refuses what is neither an absolute path within the roots nor, for rclone, a place on an allowed remote. Links are looked at by the worker, on the disk. */
export function checkPlace(field: string, place: string, type: string, { roots, remotes }: Allowed): void {
  if (place.includes('\0')) throw new JobError('invalid_request', `${field}: a path cannot hold a NUL character.`, { field });
  const isLocal = place.startsWith('/');
  if (!isLocal && /^[^/]*:/.test(place)) checkRemote(field, place, type, remotes);
  else if (!isLocal)
    throw new JobError('path_not_allowed', `${field}: ${JSON.stringify(place)} is not an absolute path. Begin it with "/".`, { field });
  if (
    place
      .replace(/^[^/]*:/, '')
      .split('/')
      .includes('..')
  ) {
    throw new JobError('path_not_allowed', `${field}: ".." is not taken in a path. Give the path without it.`, { field });
  }
  if (isLocal && !roots.some((root) => isWithin(place, root))) {
    throw new JobError(
      'path_not_allowed',
      `${field}: ${JSON.stringify(place)} is not within a folder that jobs may use (${roots.join(', ')}). Allow it with TALLYMAN_ROOTS.`,
      { field, roots },
    );
  }
}

function checkRemote(field: string, place: string, type: string, remotes: readonly string[]): void {
  const refused = (why: string) => new JobError('remote_not_allowed', `${field}: ${JSON.stringify(place)} ${why}`, { field, remotes });
  if (type !== 'rclone')
    throw refused(`names a remote, and jobs of type ${type} take none. Give an absolute path, as /home/me/photos, or use type "rclone".`);
  const remote = remoteOf(place);
  if (!remote) throw refused('is not taken: give a remote as name:path, with a name out of the configuration of rclone and nothing else.');
  if (remotes.includes(remote.name)) return;
  throw refused(`names the remote ${remote.name}, and jobs may use ${remotes.join(', ') || 'none'}. Allow it with TALLYMAN_REMOTES.`);
}

/** Whether `path` is `folder` or lies in it. Both absolute, without "..". */
export function isWithin(path: string, folder: string): boolean {
  const inner = plain(path);
  const outer = plain(folder);
  return outer === '/' || inner === outer || inner.startsWith(`${outer}/`);
}

/** Whether one place is or holds the other. Places on two remotes do not, nor do one on a remote and a path. */
export const overlaps = (a: string, b: string): boolean => isIn(a, b) || isIn(b, a);

/** Whether a place is another one or lies in it. */
export function isIn(place: string, holder: string): boolean {
  const [inner, outer] = [remoteOf(place), remoteOf(holder)];
  return inner?.name === outer?.name && isWithin(inner?.path ?? place, outer?.path ?? holder);
}

const plain = (path: string): string => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return `/${parts.join('/')}`;
};
