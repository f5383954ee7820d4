import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Disks } from '../../actors/disks.js';
import { LIMITS } from '../../actors/limits.js';
import { isWithin } from '../../actors/paths.js';

/** Where Linux tells what is mounted; other systems have no such file. */
export const MOUNTS_FILE = '/proc/self/mountinfo';

/** What is mounted at a folder. */
export interface Mount {
  point: string;
  /** `8:1`: the same for one file system wherever it is mounted. */
  device: string;
  type: string;
  /** `/dev/sda1`, or whatever the file system calls it. */
  source: string;
}

/** In the order in which they were mounted: the last of several at one place is the one that is seen. */
export async function readMounts(file = MOUNTS_FILE): Promise<Mount[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap(parseMount);
}

/** The disks that jobs within these folders may write to. */
export async function disksHere(roots: readonly string[], file?: string): Promise<Disks> {
  const disks = new Map<string, string>();
  for (const { point, device, type, source } of await readMounts(file)) {
    const disk = source.startsWith('/dev/') ? source : `${type} ${source} (${device})`;
    if (roots.some((root) => isWithin(point, root) || isWithin(root, point))) disks.set(point, disk.slice(0, 300));
  }
  const mounts = [...disks].map(([path, disk]) => ({ path, disk }));
  return { host: hostname(), mounts: mounts.slice(0, LIMITS.mountsPerClaim) };
}

/** `36 35 98:0 / /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw` */
function parseMount(line: string): Mount[] {
  const [, device, point, type, source] = /^\S+ \S+ (\S+) \S+ (\S+) .*? - (\S+) (\S+)/.exec(line) ?? [];
  if (device === undefined || point === undefined || type === undefined || source === undefined) return [];
  return [{ point: unescaped(point), device, type, source: unescaped(source) }];
}

const unescaped = (text: string): string =>
  Buffer.from(
    Buffer.from(text)
      .toString('latin1')
      .replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    'latin1',
  ).toString();
