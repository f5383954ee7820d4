import { showPath } from '../show-path.js';
import type { Proven } from './file-proof.js';
import type { SourceFile } from './source-list.js';

/** A file, or a folder (its path ends in "/"), that is about to be deleted. */
export interface Announced {
  text: string;
  path: string;
  bytes: number | null;
  /** Null of a folder. */
  proof: Pick<Proven, 'provedBy' | 'checksum'> | null;
}

export function announcement({ file: { path, bytes }, proof }: { file: Pick<SourceFile, 'path' | 'bytes'>; proof: Proven }): Announced {
  const { provedBy, checksum } = proof;
  const how = provedBy === 'checksum' ? ' as the remote tells it' : '';
  const words =
    checksum === null ? 'a link, its copy points to the same' : `${bytes} bytes, its copy is equal, ${checksum.replace(':', ' ')}${how}`;
  return { text: `Deleting in the source: ${showPath(path)} (${words})`, path, bytes, proof };
}

export const folderAnnouncement = (path: string): Announced => ({
  text: `Removing the folder if it is empty: ${showPath(path)}`,
  path: `${path}/`,
  bytes: null,
  proof: null,
});
