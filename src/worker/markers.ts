import { createHash, randomUUID } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import type { Markers } from '../engines/leftovers.js';

/** The markers of a new worker on this data folder: the folder tells its children from those of another service on the machine. */
export async function newMarkers(dataDir: string): Promise<Markers> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const owner = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 16);
  return { owner, worker: randomUUID() };
}
