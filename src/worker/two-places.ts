import { randomUUID } from 'node:crypto';
import { access, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { PROBE_PREFIX } from '../engines/staging.js';
import { failed } from './preflight.js';

/**
 * Makes sure that two folders are two. A bind mount shows by its device and
 * inode; a network mount of this machine's own disk does not. So a file is put
 * into each and looked for in the other, both ways: what is written through a
 * network mount is seen on the disk behind it at once, while a look through
 * the mount may be answered from its memory. Rejects when they are one.
 */
export async function requireTwoPlaces(source: string, target: string): Promise<void> {
  if (!(await showsIn(source, target)) && !(await showsIn(target, source))) return;
  throw failed(
    'source_is_destination',
    `${source} and ${target} are one and the same folder, mounted twice: what looks like a copy is the source. Nothing was deleted.`,
    'Choose another destination.',
  );
}

async function showsIn(one: string, other: string): Promise<boolean> {
  const name = `${PROBE_PREFIX}${randomUUID()}`;
  const probe = path.join(one, name);
  try {
    await (await open(probe, 'wx', 0o600)).close();
    return await access(path.join(other, name)).then(
      () => true,
      () => false,
    );
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw failed(
      'permission_denied',
      `The worker may not write in ${one} (${code}), so nothing was deleted.`,
      'Give the user that runs the worker the right to write there, then retry the job.',
    );
  } finally {
    await rm(probe, { force: true });
  }
}
