import { showPath } from '../show-path.js';
import type { SourceFile } from './source-list.js';

/** A file, or a folder (its path ends in "/"), that is about to be deleted. */
export interface Announced {
  text: string;
  path: string;
  bytes: number | null;
  sha256: string | null;
}

export function announcement({
  file: { path, bytes },
  sha256,
}: {
  file: Pick<SourceFile, 'path' | 'bytes'>;
  sha256: string | null;
}): Announced {
  const proof = sha256 === null ? 'a link, its copy points to the same' : `${bytes} bytes, its copy is equal, sha256 ${sha256}`;
  return { text: `Deleting in the source: ${showPath(path)} (${proof})`, path, bytes, sha256 };
}

export const folderAnnouncement = (path: string): Announced => ({
  text: `Removing the folder if it is empty: ${showPath(path)}`,
  path: `${path}/`,
  bytes: null,
  sha256: null,
});
