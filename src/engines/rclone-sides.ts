import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { remoteOf } from '../../actors/paths.js';
import { EngineFailed, type TransferTask } from './engine.js';

/** What the places of a job are to rclone. */
export interface Sides {
  source: string;
  /** The source is one file and no folder. */
  isFile: boolean;
  /** What the copy becomes. */
  target: string;
  /** The remote at the destination has no hash: rclone would compare sizes alone where it is asked to compare by content. */
  hasNoHash?: boolean;
}

export type Kind = 'file' | 'folder' | 'missing';

/** Reads a job's places as rsync does: `photos/` is what is in the folder, `photos` the folder itself. `missingIs`: what a source was that is not there any more. */
export async function sidesOf(
  { source, destination }: Pick<TransferTask, 'source' | 'destination'>,
  kindOfRemote: (place: string) => Promise<Kind>,
  missingIs: Kind = 'missing',
): Promise<Sides> {
  const kindOf = (place: string) => (remoteOf(place) ? kindOfRemote(place) : kindOfLocal(place));
  for (const place of [source, destination]) requirePlainPlace(place);
  const real = remoteOf(source) ? source : await realpath(source).catch(() => path.normalize(source));
  requirePlainPlace(real);
  const name = nameOf(source);
  const kind = await kindOf(source);
  const isFile = (kind === 'missing' ? missingIs : kind) === 'file';
  const into = isFile ? /[/:]$/.test(destination) || (await kindOf(destination)) === 'folder' : !source.endsWith('/') && name !== '';
  const folder = withoutSlash(remoteOf(destination) ? destination : path.normalize(destination));
  return { source: withoutSlash(real), isFile, target: into ? inside(folder, name) : folder };
}

/** Last part of a place: '' of a remote alone. */
export const nameOf = (place: string): string => path.posix.basename(remoteOf(place)?.path ?? place);

/** `name` in a folder, which may be the root of a remote. */
export const inside = (folder: string, name: string): string => (/[/:]$/.test(folder) ? folder + name : `${folder}/${name}`);

/** The folder that holds a place; null of the root of a remote. */
export function parentOf(place: string): string | null {
  const remote = remoteOf(place);
  if (!remote) return path.dirname(place);
  if (nameOf(place) === '') return null;
  const parent = path.posix.dirname(remote.path);
  return `${remote.name}:${parent === '.' ? '' : parent}`;
}

async function kindOfLocal(place: string): Promise<Kind> {
  const stats = await stat(place).catch(() => null);
  if (stats === null) return 'missing';
  return stats.isDirectory() ? 'folder' : 'file';
}

const withoutSlash = (place: string): string => place.replace(/([^:])\/+$/, '$1');

/** rclone takes a picture of a control character in a path for that character, so it would look at another place than was checked. */
function requirePlainPlace(place: string): void {
  const fault =
    !path.isAbsolute(place) && !remoteOf(place)
      ? 'is neither an absolute path nor on a remote'
      : /[\0\u2400-\u2426\u201b]/.test(place)
        ? 'holds a character that rclone would take for another'
        : null;
  if (fault === null) return;
  throw new EngineFailed({
    code: 'invalid_path',
    message: `The path ${JSON.stringify(place)} ${fault}.`,
    exitCode: null,
    retriable: false,
    advice: 'Give "/path" or "name:path", without pictures of control characters (U+2400 to U+2426) and without U+201B.',
  });
}
