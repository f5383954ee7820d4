import { constants, type BigIntStats } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { identityOf, type Identity, type Place } from './file-proof.js';

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Files with several names (hard links): the deletion of one name changes the
 * ctime that all of them have. What we changed ourselves is no change by
 * somebody else, so that the other names can go too.
 */
export class SeveralNames {
  readonly #now = new Map<Identity, Identity>();

  /** What a listed file has to be by now. */
  identityOf(listed: Identity): Identity {
    return this.#now.get(listed) ?? listed;
  }

  /** Deletes one name of a file that was just found to be `stats`. */
  async unlink({ folder, name }: Place, listed: Identity, stats: BigIntStats): Promise<void> {
    if (!stats.isFile() || stats.nlink === 1n) return unlink(folder.at(name));
    const file = await open(folder.at(name), FLAGS);
    try {
      await unlink(folder.at(name));
      const after = await file.stat({ bigint: true });
      // Anything but the ctime is a change by somebody else.
      if (identityOf({ ...after, ctimeNs: stats.ctimeNs }) === identityOf(stats)) this.#now.set(listed, identityOf(after));
    } finally {
      await file.close();
    }
  }
}
