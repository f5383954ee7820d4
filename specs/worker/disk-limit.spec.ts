import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { disksHere } from '../../src/worker/mounts.js';
import { newFolder, noise, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

it('Two copies to one disk run one after the other where one at a time may, and the second says why it waits', async () => {
  const bench = await WorkerBench.start({ TALLYMAN_DISK_LIMIT: '1' });
  await writeOldFile(bench.at('source/big'), noise(9_000_000));
  await bench.startWorker();
  const first = await bench.create({ options: { bandwidthLimit: 100_000 } });
  await bench.reaches(first.id, 'running');
  const second = await bench.create({ destination: bench.at('elsewhere/') });
  const reasonsOf = async () => (await bench.client.ask('why', { id: second.id })).reasons;
  await expect.poll(reasonsOf).toMatchObject([{ code: 'limit', message: expect.stringContaining('TALLYMAN_DISK_LIMIT') as string }]);
  await bench.client.command('cancel', first.id);
  const { startedAt, target } = await bench.reaches(second.id, 'completed');
  const cancelled = await bench.reaches(first.id, 'cancelled');
  expect(target).toBe(cancelled.target);
  expect(target).toContain(hostname());
  expect(cancelled.finishedAt && startedAt && cancelled.finishedAt <= startedAt).toBe(true);
});

it('a disk has one name wherever it is mounted, and only those that jobs may reach are told', async () => {
  const file = `${await newFolder()}/mountinfo`;
  const lines = [
    '1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw',
    '2 1 8:17 / /mnt/usb\\040stick rw - ext4 /dev/sdb1 rw',
    '3 1 8:17 /sub /mnt/again rw,relatime shared:2 master:1 - ext4 /dev/sdb1 rw',
    '4 1 0:40 / /mnt/nas rw - nfs4 nas:/export rw',
    '5 1 0:41 / /var/lib/other rw - tmpfs tmpfs rw',
    '6 1 8:33 / /mnt/again rw - ext4 /dev/sdc1 rw',
    'not a line of it',
  ];
  await writeFile(file, lines.join('\n'));
  expect(await disksHere(['/mnt'], file)).toEqual({
    host: hostname(),
    mounts: [
      { path: '/', disk: '/dev/sda1' },
      { path: '/mnt/usb stick', disk: '/dev/sdb1' },
      { path: '/mnt/again', disk: '/dev/sdc1' },
      { path: '/mnt/nas', disk: 'nfs4 nas:/export (0:40)' },
    ],
  });
  expect(await disksHere(['/'], `${file}.none`)).toEqual({ host: hostname(), mounts: [] });
});
