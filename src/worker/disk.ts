import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { isWithin } from '../../actors/paths.js';
import { MOUNTS_FILE, readMounts, type Mount } from './mounts.js';

/** The disk of a folder. */
export interface Disk {
  /** Where it is mounted; null: it is the one of the system. */
  mount: string | null;
  /** Tells it from other disks, after a restart too, which a device number does not. */
  id: string;
}

/** The disk of the system, and a mounted one that nothing tells from others. */
export const SYSTEM = 'system';
const MOUNTED = 'mounted';
const ID_CHARS = 300;

/** On a Mac all that may be written is on a volume of its own, which is always there. */
const SYSTEM_FOLDERS = ['/', '/System/Volumes/Data'];
const LINUX = { mounts: MOUNTS_FILE, uuids: '/dev/disk/by-uuid' };

/** `folder` is a real path. */
export async function diskOf(folder: string): Promise<Disk> {
  const mount = await mountOf(folder);
  return { mount, id: mount === null ? SYSTEM : await mountedDisk(folder) };
}

/** Where nothing tells a disk from others, any mounted one may be it. */
export const isSameDisk = (one: string, other: string): boolean =>
  one === other || (one !== SYSTEM && other !== SYSTEM && (one === MOUNTED || other === MOUNTED));

export function diskWords(id: string): string {
  if (id === SYSTEM) return 'the disk of the system';
  return id === MOUNTED ? 'a mounted disk' : `the disk ${id}`;
}

/** Where the disk of this folder is mounted; null when it is the one of the system. */
async function mountOf(folder: string): Promise<string | null> {
  const systems = await Promise.all(SYSTEM_FOLDERS.map((system) => stat(system).catch(() => null)));
  const { dev } = await stat(folder);
  if (systems.some((system) => system?.dev === dev)) return null;
  let mount = folder;
  while (mount !== '/' && (await stat(path.dirname(mount))).dev === dev) mount = path.dirname(mount);
  return mount;
}

/** `uuid …` of a disk of this machine; type and source of what has no device, as `nfs4 host:/export`. */
export async function mountedDisk(folder: string, { mounts, uuids } = LINUX): Promise<string> {
  let holder: Mount | null = null;
  // The last of several at one place is the one that is seen.
  for (const mount of await readMounts(mounts)) {
    if (isWithin(folder, mount.point) && mount.point.length >= (holder?.point.length ?? 0)) holder = mount;
  }
  if (!holder) return MOUNTED;
  const { type, source } = holder;
  if (!source.startsWith('/dev/')) return `${type} ${source}`.slice(0, ID_CHARS);
  const uuid = await uuidOf(source, uuids);
  return uuid === null ? MOUNTED : `uuid ${uuid}`;
}

async function uuidOf(device: string, folder: string): Promise<string | null> {
  const real = await realpath(device).catch(() => null);
  if (real === null) return null;
  for (const name of await readdir(folder).catch(() => [])) {
    if ((await realpath(path.join(folder, name)).catch(() => null)) === real) return name;
  }
  return null;
}
