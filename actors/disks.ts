import { z } from 'zod';
import type { SameHosts } from './host-place.js';
import { LIMITS } from './limits.js';
import { isWithin, machineNameOf } from './paths.js';

/** The disks of a worker's machine, as its claims tell of them: the manager may run on another one. */
export const disksSchema = z.strictObject({
  host: z.string().min(1).max(255),
  mounts: z
    .array(z.strictObject({ path: z.string().startsWith('/').max(LIMITS.pathChars), disk: z.string().min(1).max(300) }))
    .max(LIMITS.mountsPerClaim)
    .describe('folders at which disks are mounted; a disk has one name wherever it is'),
});
export type Disks = z.infer<typeof disksSchema>;

/** Where a job writes, by one name for each: a disk of a machine, another machine, or a remote. Null when that is not known. */
export function targetOf(destination: string, disks: Disks | undefined, same: SameHosts): string | null {
  const machine = machineNameOf(destination, same);
  if (machine !== '') return machine;
  if (!disks) return null;
  let holder: Disks['mounts'][number] | null = null;
  for (const mount of disks.mounts) {
    if (isWithin(destination, mount.path) && mount.path.length >= (holder?.path.length ?? 0)) holder = mount;
  }
  return holder && `${holder.disk} of ${disks.host}`;
}
