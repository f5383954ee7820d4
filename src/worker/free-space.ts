import type { Stats } from 'node:fs';
import { lstat, opendir, statfs } from 'node:fs/promises';
import path from 'node:path';
import { failed, type RealPaths } from './preflight.js';

/** A file system reports its space in blocks of this size, whatever it says of its own. */
const STAT_BLOCK_BYTES = 512;

/**
 * Rejects with `disk_full` when `bytes` can not fit into the destination, before
 * anything is copied. What lies in the target already counts as room: files that
 * are replaced and partial files that are gone on with need no new space. So it
 * refuses only what is certain; a copy that fills the disk later is told by the engine.
 */
export async function checkSpace(
  { target, existing }: Pick<RealPaths, 'target' | 'existing'>,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  const { bavail, bsize } = await statfs(existing);
  const freeBytes = bavail * bsize;
  if (bytes <= freeBytes || (await holdsAtLeast(target, bytes - freeBytes, signal))) return;
  throw failed(
    'disk_full',
    `The copy needs ${bytes} bytes and ${existing} has ${freeBytes} bytes free: ${bytes - freeBytes} bytes too few. Nothing was copied.`,
    'Free space on the destination or choose another one, then retry the job.',
  );
}

/** Whether the files at `target` take up `bytes` or more; looks no further than it must. */
async function holdsAtLeast(target: string, bytes: number, signal: AbortSignal): Promise<boolean> {
  let held = 0;
  for await (const stats of everyFile(target)) {
    held += stats.blocks * STAT_BLOCK_BYTES;
    if (held >= bytes || signal.aborted) return true;
  }
  return false;
}

/** A file that vanishes meanwhile or cannot be looked at holds nothing that the copy could use again. */
async function* everyFile(file: string): AsyncGenerator<Stats> {
  const stats = await lstat(file).catch(() => null);
  if (stats?.isFile()) yield stats;
  if (!stats?.isDirectory()) return;
  const folder = await opendir(file).catch(() => null);
  if (folder) for await (const { name } of folder) yield* everyFile(path.join(file, name));
}
