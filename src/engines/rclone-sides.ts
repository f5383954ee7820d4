import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { EngineFailed, type TransferTask } from './engine.js';

/** What the places of a job are to rclone. */
export interface Sides {
  source: string;
  /** The source is one file and no folder. */
  isFile: boolean;
  /** What the copy becomes. */
  target: string;
}

/** Reads a job's places as rsync does: `photos/` is what is in the folder, `photos` the folder itself. */
export async function sidesOf({ source, destination }: Pick<TransferTask, 'source' | 'destination'>): Promise<Sides> {
  for (const place of [source, destination]) requirePlainPath(place);
  const real = await realpath(source).catch(() => path.normalize(source));
  requirePlainPath(real);
  const isFile = await kindOf(source).then((kind) => kind === 'file');
  const into = isFile ? destination.endsWith('/') || (await kindOf(destination)) === 'folder' : !source.endsWith('/');
  const folder = withoutSlash(path.normalize(destination));
  return { source: withoutSlash(real), isFile, target: into ? path.join(folder, path.basename(source)) : folder };
}

async function kindOf(place: string): Promise<'file' | 'folder' | 'missing'> {
  const stats = await stat(place).catch(() => null);
  if (stats === null) return 'missing';
  return stats.isDirectory() ? 'folder' : 'file';
}

const withoutSlash = (place: string): string => place.replace(/(.)\/+$/, '$1');

/** rclone takes a picture of a control character in a path for that character, so it would look at another place than was checked. */
function requirePlainPath(place: string): void {
  const fault = !path.isAbsolute(place)
    ? 'is not an absolute path'
    : /[\0\u2400-\u2426\u201b]/.test(place)
      ? 'holds a character that rclone would take for another'
      : null;
  if (fault === null) return;
  throw new EngineFailed({
    code: 'invalid_path',
    message: `The path ${JSON.stringify(place)} ${fault}.`,
    exitCode: null,
    retriable: false,
    advice: 'Give a path that starts with "/", without pictures of control characters (U+2400 to U+2426) and without U+201B.',
  });
}
