import { readdir, rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { RequestBody } from '../../src/job-client.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { writeRemotes } from '../engines/remote.js';
import { writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

type Options = Extract<RequestBody<'create'>, { source: string }>['options'];
const MIRROR: Options = { deleteExtraneous: true, maxDelete: 100 };

/** After a run that had ten files. */
async function benchOfTen(options: Options) {
  const bench = await WorkerBench.start();
  for (let name = 0; name < 10; name++) await writeOldFile(bench.at(`source/${name}`), 'content');
  await bench.startWorker();
  const { id } = await bench.create({ options });
  expect((await bench.reaches(id, 'completed')).seen).toMatchObject({ sourceFiles: 10, sourceBytes: 70 });
  const leave = async (files: number) => {
    for (let name = 9; name >= files; name--) await rm(bench.at(`source/${name}`), { force: true });
  };
  return { bench, leave };
}

describe('A source that has much less than at the last run', () => {
  it('of a mirror is asked about; resume says yes to just that, and the next run expects it', async () => {
    const { bench, leave } = await benchOfTen(MIRROR);
    await leave(4);
    const { id } = await bench.create({ options: MIRROR });
    const { error } = await bench.reaches(id, 'paused');
    expect(error).toMatchObject({ code: 'source_smaller', retriable: false, asks: { sourceFiles: 4, sourceBytes: 28 } });
    expect(error?.message).toContain('has 4 files with 28 bytes, and had 10 files with 70 bytes');
    expect(await readdir(bench.at('copy'))).toHaveLength(10);
    // Still less is another question.
    await leave(3);
    await bench.client.command('resume', id);
    await expect.poll(async () => (await bench.client.get(id)).error?.asks).toEqual({ sourceFiles: 3, sourceBytes: 21 });
    expect(await readdir(bench.at('copy'))).toHaveLength(10);
    await bench.client.command('resume', id);
    await bench.reaches(id, 'completed');
    expect(await readdir(bench.at('copy'))).toHaveLength(3);
    await bench.reaches((await bench.create({ options: MIRROR })).id, 'completed');
  });

  it('by bytes alone is asked about too', async () => {
    const { bench } = await benchOfTen(MIRROR);
    for (let name = 0; name < 8; name++) await writeOldFile(bench.at(`source/${name}`), '');
    expect((await bench.reaches((await bench.create({ options: MIRROR })).id, 'paused')).error?.code).toBe('source_smaller');
  });

  it('of a mirror that has half of it is not asked about, nor one that a preview showed, nor where it says so', async () => {
    const { bench, leave } = await benchOfTen(MIRROR);
    await leave(5);
    await bench.reaches((await bench.create({ options: MIRROR })).id, 'completed');
    await leave(1);
    const body = { type: 'rsync' as const, source: bench.at('source/'), destination: bench.at('copy/'), options: MIRROR };
    const { previewId } = await bench.client.ask('preview', body);
    const { id } = await bench.create({ ...body, previewId });
    await bench.reaches(id, 'completed');
    const many = await bench.create({ options: { ...MIRROR, excludes: ['nothing'], minSourcePercent: 0 } });
    await bench.reaches(many.id, 'completed');
  });

  it('of a plain copy is asked about only where it says so, and not when the patterns are other ones', async () => {
    const { bench, leave } = await benchOfTen({});
    await leave(8);
    const careful: Options = { minSourcePercent: 90 };
    await bench.reaches((await bench.create({ options: { ...careful, excludes: ['7'] } })).id, 'completed');
    await bench.reaches((await bench.create({ options: {} })).id, 'completed');
    await leave(7);
    const { id } = await bench.create({ options: careful });
    expect((await bench.reaches(id, 'paused')).error?.code).toBe('source_smaller');
  });

  it('is asked about by rclone too, where it is on a remote as where it is here', async () => {
    const bench = await WorkerBench.start({ TALLYMAN_REMOTES: 'near' });
    const configFile = await writeRemotes({ near: { type: 'alias', remote: bench.folder } });
    await bench.startWorker(createRcloneEngine({ markers: bench.markers, configFile, remotes: ['near'] }));
    const sides = [
      { source: bench.at('source/'), destination: bench.at('copy/') },
      { source: 'near:source/', destination: bench.at('other/') },
    ];
    const run = (side: object) => bench.create({ type: 'rclone', options: MIRROR, ...side });
    for (let name = 0; name < 10; name++) await writeOldFile(bench.at(`source/${name}`), 'content');
    for (const side of sides) await bench.reaches((await run(side)).id, 'completed');
    for (let name = 0; name < 7; name++) await rm(bench.at(`source/${name}`));
    for (const side of sides) {
      const { error } = await bench.reaches((await run(side)).id, 'paused');
      expect(error).toMatchObject({ code: 'source_smaller', asks: { sourceFiles: 3, sourceBytes: 21 } });
    }
    for (const name of ['copy', 'other']) expect(await readdir(bench.at(name))).toHaveLength(10);
  });
});
