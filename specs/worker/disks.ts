import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

/** A disk that is always mounted beside that of the system. */
export const OTHER_DISK = '/dev/shm';
const device = async (folder: string) => (await stat(folder).catch(() => null))?.dev ?? null;
export const hasOtherDisk = (await device(OTHER_DISK)) !== null && (await device(OTHER_DISK)) !== (await device('/'));

export async function folderOnOtherDisk(): Promise<string> {
  const folder = await mkdtemp(path.join(OTHER_DISK, 'tallyman-spec-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const run = promisify(execFile);

/** A disk in memory under a name of its own, which is what tells it from others. */
export const mount = (name: string, folder: string) => run('mount', ['-t', 'tmpfs', '-o', 'size=16m', name, folder]);
export const unmount = (folder: string) => run('umount', [folder]);

/** As root alone, and not in every container. */
export async function canMount(): Promise<boolean> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tallyman-mount-'));
  try {
    await mount('tallyman-probe', folder);
    await unmount(folder);
    return true;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
