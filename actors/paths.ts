import { JobError } from './errors.js';
import { checkHost, hostOf, machineOf, type SameHosts } from './host-place.js';

/** What jobs may read and write. */
export interface Allowed {
  /** Folders of the worker's machine. */
  roots: readonly string[];
  /** Names in the configuration of rclone. */
  remotes: readonly string[];
  /** Other machines, as jobs of type rsync name them. */
  hosts: readonly string[];
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

/** Whether a place is not on this machine. */
export const isRemote = (place: string): boolean => !place.startsWith('/');

/** Refuses what is neither an absolute path within the roots nor a place on an allowed remote or host. Links are looked at by the worker, on the disk. */
export function checkPlace(field: string, place: string, type: string, { roots, remotes, hosts }: Allowed): void {
  if (place.includes('\0')) throw new JobError('invalid_request', `${field}: a path cannot hold a NUL character.`, { field });
  const isLocal = !isRemote(place);
  if (!isLocal && /^[^/]*:/.test(place)) {
    if (type === 'rclone') checkRemote(field, place, remotes);
    else checkHost(field, place, hosts);
  } else if (!isLocal)
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

function checkRemote(field: string, place: string, remotes: readonly string[]): void {
  const refused = (why: string) => new JobError('remote_not_allowed', `${field}: ${JSON.stringify(place)} ${why}`, { field, remotes });
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

/** Whether one place is or holds the other. Places on two machines do not, whatever their paths are. */
export const overlaps = (a: string, b: string, same?: SameHosts): boolean => isIn(a, b, same) || isIn(b, a, same);

/** Whether a place is another one or lies in it. */
export function isIn(place: string, holder: string, same?: SameHosts): boolean {
  const [inner, outer] = [whereIs(place, same), whereIs(holder, same)];
  return inner.name === outer.name && isWithin(inner.path, outer.path);
}

/** Whether two places are on this machine both, or on the same other one. */
export const onOneMachine = (a: string, b: string): boolean => whereIs(a).name === whereIs(b).name;

/** Of another machine, or a remote; "" for this one. */
export const machineNameOf = (place: string, same: SameHosts): string => whereIs(place, same).name;

const NO_OTHER_NAMES: SameHosts = new Map();

function whereIs(place: string, same = NO_OTHER_NAMES): RemotePlace {
  const host = hostOf(place);
  return host ? { name: machineOf(host, same), path: host.path } : (remoteOf(place) ?? { name: '', path: place });
}

const plain = (path: string): string => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return `/${parts.join('/')}`;
};
