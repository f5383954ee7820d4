import { JobError } from './errors.js';

/** Refuses what is not an absolute path within `roots`. Links are looked at by the worker, on the disk. */
export function checkPath(field: string, path: string, roots: readonly string[]): void {
  if (path.includes('\0')) throw new JobError('invalid_request', `${field}: a path cannot hold a NUL character.`, { field });
  if (!path.startsWith('/')) {
    if (/^[^/]*:/.test(path)) {
      throw new JobError(
        'remote_not_allowed',
        `${field}: ${JSON.stringify(path)} names a remote, and none is allowed here. Give an absolute path, as /home/me/photos.`,
        { field },
      );
    }
    throw new JobError('path_not_allowed', `${field}: ${JSON.stringify(path)} is not an absolute path. Begin it with "/".`, { field });
  }
  if (path.split('/').includes('..')) {
    throw new JobError('path_not_allowed', `${field}: ".." is not taken in a path. Give the path without it.`, { field });
  }
  if (!roots.some((root) => isWithin(path, root))) {
    throw new JobError(
      'path_not_allowed',
      `${field}: ${JSON.stringify(path)} is not within a folder that jobs may use (${roots.join(', ')}). Allow it with TALLYMAN_ROOTS.`,
      { field, roots },
    );
  }
}

/** Whether `path` is `folder` or lies in it. Both absolute, without "..". */
export function isWithin(path: string, folder: string): boolean {
  const inner = plain(path);
  const outer = plain(folder);
  return outer === '/' || inner === outer || inner.startsWith(`${outer}/`);
}

/** Whether one of two folders is or holds the other. */
export const overlaps = (a: string, b: string): boolean => isWithin(a, b) || isWithin(b, a);

const plain = (path: string): string => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return `/${parts.join('/')}`;
};
