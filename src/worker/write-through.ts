import { execFile } from 'node:child_process';
import { lstat, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Identity, Place } from './file-proof.js';
import { failed } from './preflight.js';

const TIMEOUT_MS = 10 * 60 * 1000;

/** Copies that were proved, by where they are. */
export interface Written {
  place(): Promise<Place | null>;
  copy: Identity;
}

/**
 * Brings copies to the disk. The whole file system at once where there is a
 * `sync` that can (forty milliseconds instead of three for each file);
 * elsewhere, and for what lies on another file system below, one by one.
 * Rejects when it cannot be done: then nothing may be deleted.
 */
export async function writeThrough(target: string, copies: readonly Written[]): Promise<void> {
  const { dev } = await lstat(target, { bigint: true });
  const synced = await syncFileSystem(target);
  for (const { place, copy } of copies) {
    if (synced && copy.startsWith(`${dev} `)) continue;
    const where = await place();
    if (where) await syncFile(where);
  }
}

async function syncFileSystem(folder: string): Promise<boolean> {
  try {
    await promisify(execFile)('sync', ['-f', folder], { timeout: TIMEOUT_MS });
    return true;
  } catch (error) {
    const { code, stderr = '' } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT' || /option|usage/i.test(stderr)) return false;
    throw failed(
      'io_error',
      `The copies could not be brought to the disk of ${folder} (${stderr.trim() || String(code)}), so nothing was deleted.`,
      'Check the disk (dmesg, smartctl). The job is tried again by itself.',
      true,
    );
  }
}

async function syncFile({ folder, name }: Place): Promise<void> {
  const file = await open(folder.at(name)).catch(() => null);
  try {
    await file?.sync();
  } finally {
    await file?.close();
  }
  await folder.sync();
}
