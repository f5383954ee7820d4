import { mkdir } from 'node:fs/promises';
import { expect, it } from 'vitest';
import type { Job } from '../../actors/job.js';
import { listTree, makeOddTree } from '../engines/trees.js';
import { openFrontEnd } from '../support/front-ends.js';
import { startTestService } from '../support/service.js';

it('A job of type rclone made over HTTP is completed with equal trees, verified by what was really compared', async () => {
  const service = await startTestService({ worker: true });
  const http = await openFrontEnd(service, 'HTTP');
  try {
    const [source, destination] = [`${service.files}/source`, `${service.files}/copy`];
    await mkdir(source, { recursive: true });
    const tree = await makeOddTree(source);
    const { id } = await http.ask<Job>('create', {
      type: 'rclone',
      source: `${source}/`,
      destination: `${destination}/`,
      options: { verify: 'checksum' },
    });
    await expect.poll(async () => (await http.ask<Job>('get', { id })).status, { timeout: 20_000 }).toBe('completed');
    const files = tree.files + tree.links;
    expect(await http.ask<Job>('get', { id })).toMatchObject({
      attempt: 1,
      error: null,
      progress: { percent: 100 },
      verification: { method: 'checksum', algorithm: 'md5', filesExpected: files, filesEqual: files, mismatches: 0 },
    });
    expect(await listTree(destination)).toEqual(await listTree(source));
  } finally {
    await http.close();
    await service.stop();
  }
});
