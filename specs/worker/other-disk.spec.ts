import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SYSTEM, isSameDisk, mountedDisk } from '../../src/worker/disk.js';
import { expectedAfter, lookAtSides, seenAtEnd } from '../../src/worker/seen.js';
import { listTree, newFolder, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';
import { canMount, folderOnOtherDisk, hasOtherDisk, mount, unmount } from './disks.js';

async function benchWithSource(): Promise<WorkerBench> {
  const bench = await WorkerBench.start({ TALLYMAN_ROOTS: '/' });
  await writeOldFile(bench.at('source/file'), 'content');
  await bench.startWorker();
  return bench;
}

describe.runIf(await canMount())('A destination on another disk than at the last run', () => {
  const benchWithDisk = async () => {
    const bench = await benchWithSource();
    const disk = bench.at('disk');
    await mkdir(disk);
    onTestFinished(() => unmount(disk).then(undefined, () => undefined));
    await mount('disk-one', disk);
    const first = await bench.create({ destination: `${disk}/copy/` });
    expect((await bench.reaches(first.id, 'completed')).seen?.destination).toBe('tmpfs disk-one');
    const again = async () => (await bench.client.ask('duplicate', { id: first.id })).id;
    return { bench, disk, again };
  };
  const swap = async (disk: string, name: string) => {
    await unmount(disk);
    await mount(name, disk);
  };

  it('is asked about before anything is touched; resume says yes, and the next run expects it', async () => {
    const { bench, disk, again } = await benchWithDisk();
    await swap(disk, 'disk-two');
    const id = await again();
    const { error } = await bench.reaches(id, 'paused');
    expect(error).toMatchObject({ code: 'other_disk', retriable: false, asks: { destination: 'tmpfs disk-two' } });
    expect(error?.message).toContain('was on the disk tmpfs disk-one and is now on the disk tmpfs disk-two');
    expect(await readdir(disk)).toEqual([]);
    await bench.client.command('resume', id);
    expect((await bench.reaches(id, 'completed')).seen).toMatchObject({ destination: 'tmpfs disk-two' });
    await bench.reaches(await again(), 'completed');
  });

  it('is the disk of the system when none is mounted; with the right one a resume goes on, and a yes is not kept for later', async () => {
    const { bench, disk, again } = await benchWithDisk();
    await unmount(disk);
    const id = await again();
    expect((await bench.reaches(id, 'paused')).error).toMatchObject({ code: 'destination_not_mounted', asks: { destination: SYSTEM } });
    expect(await readdir(disk)).toEqual([]);
    await mount('disk-one', disk);
    await bench.client.command('resume', id);
    const { seen } = await bench.reaches(id, 'completed');
    expect(seen).toMatchObject({ destination: 'tmpfs disk-one' });
    expect(seen?.agreed).toBeUndefined();
    await unmount(disk);
    await bench.reaches(await again(), 'paused');
  });

  it('is not asked about where the job says so', async () => {
    const { bench, disk } = await benchWithDisk();
    await swap(disk, 'disk-two');
    const { id } = await bench.create({ destination: `${disk}/copy/`, options: { otherDisk: 'allow' } });
    await bench.reaches(id, 'completed');
  });

  it('asks for the source too, of both at once, and not about other places', async () => {
    const { bench, disk } = await benchWithDisk();
    const back = { source: `${disk}/copy/`, destination: bench.at('back/') };
    await bench.reaches((await bench.create(back)).id, 'completed');
    await swap(disk, 'disk-two');
    await writeOldFile(`${disk}/copy/file`, 'other content');
    await bench.reaches((await bench.create({ ...back, destination: bench.at('elsewhere/') })).id, 'completed');
    const { id } = await bench.create(back);
    expect((await bench.reaches(id, 'paused')).error?.asks).toEqual({ source: 'tmpfs disk-two' });
    await bench.client.command('cancel', id);
    // A retry is no yes.
    await bench.client.command('retry', id);
    await bench.reaches(id, 'paused');
  });
});

it.runIf(hasOtherDisk)('A destination that was on a mounted disk in an earlier attempt is asked about when it is on none', async () => {
  const bench = await benchWithSource();
  const folder = await folderOnOtherDisk();
  await symlink(folder, bench.at('disk'));
  await writeFile(path.join(folder, 'copy'), 'a file where a folder is needed');
  const { id } = await bench.create({ destination: bench.at('disk/copy/') });
  expect((await bench.reaches(id, 'failed')).error?.code).toBe('destination_invalid');
  await rm(bench.at('disk'));
  await mkdir(bench.at('disk'));
  await bench.client.command('retry', id);
  expect((await bench.reaches(id, 'paused')).error?.code).toBe('destination_not_mounted');
  expect(await listTree(bench.at('disk'))).toEqual([]);
  await rm(bench.at('disk'), { recursive: true });
  await rm(path.join(folder, 'copy'));
  await symlink(folder, bench.at('disk'));
  await bench.client.command('resume', id);
  await bench.reaches(id, 'completed');
  expect(await readdir(path.join(folder, 'copy'))).toEqual(['file']);
});

describe('What is expected of the two sides', () => {
  const host = hostname();
  const seen = { host, source: null, destination: 'uuid 1' };

  it('is what was seen first: a mounted disk stays, that of the system is no promise', () => {
    expect(expectedAfter(seen, { source: 'uuid 2', destination: SYSTEM })).toEqual({ ...seen, source: 'uuid 2' });
    expect(expectedAfter(seen, { source: SYSTEM, destination: 'uuid 3' })).toBeNull();
    expect(expectedAfter(null, { source: SYSTEM, destination: null })).toBeNull();
    expect(expectedAfter({ ...seen, host: 'another' }, { source: 'uuid 2', destination: SYSTEM })).toEqual({
      host,
      source: 'uuid 2',
      destination: null,
    });
  });

  it('keeps a yes only while that is what is there', () => {
    const agreed = { ...seen, agreed: { destination: SYSTEM } };
    expect(expectedAfter(agreed, { source: null, destination: SYSTEM })).toBeNull();
    for (const destination of ['uuid 1', 'uuid 3']) expect(expectedAfter(agreed, { source: null, destination })?.agreed).toEqual({});
  });

  it('is at the end what is there, and no yes any more', () => {
    const now = { source: SYSTEM, destination: 'uuid 3' };
    const before = { ...seen, sourceFiles: 5, sourceBytes: 6, agreed: { destination: 'uuid 3' } };
    expect(seenAtEnd(before, now)).toEqual({ host, ...now, sourceFiles: 5, sourceBytes: 6 });
    expect(seenAtEnd(before, now, { files: 1, bytes: 2 })).toEqual({ host, ...now, sourceFiles: 1, sourceBytes: 2 });
  });

  it('is nothing of remotes', async () => {
    expect(await lookAtSides({ source: 'cloud:photos', destination: '/' })).toEqual({ source: null, destination: SYSTEM });
  });
});

describe('A disk is told from others', () => {
  it('by the UUID of its file system, or by the name of what has no device, as the innermost and last mount says', async () => {
    const folder = await newFolder();
    const device = path.join(folder, 'sda1');
    const [mounts, uuids] = [path.join(folder, 'mountinfo'), path.join(folder, 'by-uuid')];
    await mkdir(uuids);
    await symlink('/dev/null', path.join(uuids, 'aaaa-1'));
    await symlink('/dev/zero', path.join(uuids, 'bbbb-2'));
    await writeFile(device, '');
    const lines = [
      '1 0 8:1 / / rw - ext4 /dev/full rw',
      '2 1 0:9 / /mnt/disk rw shared:1 - autofs systemd-1 rw',
      '3 1 8:2 / /mnt/disk rw shared:1 master:2 - ext4 /dev/zero rw',
      String.raw`4 1 8:3 / /mnt/my\040disk rw - btrfs /dev/null rw`,
      '5 1 0:5 / /mnt/nas rw - nfs4 nas:/export/a rw',
      'nonsense',
    ];
    await writeFile(mounts, lines.join('\n'));
    const idOf = (place: string) => mountedDisk(place, { mounts, uuids });
    expect(await idOf('/mnt/disk/photos')).toBe('uuid bbbb-2');
    expect(await idOf('/mnt/my disk')).toBe('uuid aaaa-1');
    expect(await idOf('/mnt/nas/x')).toBe('nfs4 nas:/export/a');
    // It has no UUID: any mounted disk may be it.
    expect(await idOf('/mnt/diskette')).toBe('mounted');
    expect(await mountedDisk('/mnt', { mounts: path.join(folder, 'nothing'), uuids })).toBe('mounted');
  });

  it('and where nothing tells, only a mount from none', () => {
    expect(isSameDisk('uuid 1', 'uuid 2')).toBe(false);
    expect(isSameDisk('mounted', 'uuid 2')).toBe(true);
    expect(isSameDisk('uuid 1', 'mounted')).toBe(true);
    expect(isSameDisk('mounted', SYSTEM)).toBe(false);
    expect(isSameDisk(SYSTEM, 'mounted')).toBe(false);
    expect(isSameDisk(SYSTEM, SYSTEM)).toBe(true);
  });
});
