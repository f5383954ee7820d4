import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import { announce, runCli } from '../cli/cli.js';
import { FRONT_ENDS, openFrontEnd, type FrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';

/** What is copied beside contents is asked for through every front end. */
let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.stop());

describe.each(FRONT_ENDS)('over %s', (way) => {
  let frontEnd: FrontEnd;
  beforeAll(async () => {
    frontEnd = await openFrontEnd(service, way);
  });
  afterAll(() => frontEnd.close());

  const create = (type: string, metadata: object) =>
    frontEnd.ask<Job>('create', { type, source: '/a/', destination: '/b/', start: false, options: { metadata } });

  test('of rsync, and refused of rclone by the field', async () => {
    const metadata = { acls: true, xattrs: true, hardLinks: true, sparse: false };
    expect((await create('rsync', metadata)).options).toMatchObject({ metadata });
    expect((await create('rclone', { acls: false })).options).toMatchObject({ metadata: { acls: false } });
    await expect(create('rclone', { xattrs: true })).rejects.toMatchObject({
      code: 'invalid_request',
      details: { field: 'options.metadata.xattrs' },
    });
    await expect(create('rsync', { owners: true })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

test('the command line has a flag for each', async () => {
  const dataDir = await announce(service);
  const { stdout } = await runCli(
    ['create', '--type', 'rsync', '/a/', '/b/', '--pending', '--acls', '--hard-links', '--sparse', '--json'],
    { dataDir },
  );
  expect(JSON.parse(stdout)).toMatchObject({ options: { metadata: { acls: true, hardLinks: true, sparse: true } } });
  const { id } = JSON.parse(stdout) as Job;
  expect((await runCli(['show', id], { dataDir })).stdout).toContain('with acls hardLinks sparse');
});
