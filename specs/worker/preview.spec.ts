import { mkdir, readdir, rm, utimes } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePreviewId } from '../../actors/preview-id.js';
import { transferOptionsSchema, type Job } from '../../actors/job.js';
import type { Transfer } from '../../actors/transfer-rules.js';
import type { Preview } from '../../src/answers.js';
import { sha256 } from '../../src/digest.js';
import { findLeftovers } from '../../src/engines/leftovers.js';
import { createRsyncEngine } from '../../src/engines/rsync.js';
import { findTool } from '../../src/tools.js';
import { scriptTool } from '../engines/bench.js';
import { listTree, newFolder, writeOldFile } from '../engines/trees.js';
import { FRONT_ENDS, openFrontEnd } from '../support/front-ends.js';
import { startTestService, type TestService } from '../support/service.js';
import { WorkerBench } from './bench.js';

const MIRROR = { deleteExtraneous: true, maxDelete: 10 };

describe('A preview', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ worker: true });
  });
  afterAll(() => service.stop());

  async function newTransfer(options: object = MIRROR) {
    const folder = await newFolder();
    const [source, destination] = [`${folder}/source/`, `${folder}/destination/`];
    await writeOldFile(path.join(source, 'new'), '12345');
    await writeOldFile(path.join(destination, 'old'), '1234567');
    // Two folders made in one second would be the same by chance: that the times of a folder differ is no change to show.
    await utimes(destination, new Date('2020-01-01T00:00:00Z'), new Date('2020-01-01T00:00:00Z'));
    return { type: 'rsync' as 'rsync' | 'rclone', source, destination, options };
  }
  const ended = async ({ id }: Job) => {
    await expect.poll(async () => (await service.client.get(id)).finishedAt, { timeout: 20_000 }).not.toBeNull();
    return service.client.get(id);
  };
  const previewOf = (body: Awaited<ReturnType<typeof newTransfer>>) => service.client.ask('preview', body);

  it.each(FRONT_ENDS)('is the same over %s, of a body and of a job that waits', async (way) => {
    const body = await newTransfer();
    const front = await openFrontEnd(service, way);
    const shown = await front.ask<Preview>('preview', body);
    expect(shown).toMatchObject({
      counts: {
        create: { files: 1, bytes: 5 },
        change: { files: 0 },
        delete: { files: 1, folders: 0, bytes: 7 },
        skip: { files: 0, folders: 0 },
        equal: { files: 0 },
      },
      names: [
        { change: 'delete', path: 'old', bytes: 7 },
        { change: 'create', path: 'new', bytes: 5 },
      ],
      truncated: false,
      unusedPatterns: [],
      findings: [],
    });
    expect(shown.commandText).toContain('--max-delete=10');
    const { id } = await service.client.create({ ...body, start: false });
    expect((await front.ask<Preview>('preview', { id })).counts).toEqual(shown.counts);
    await expect(front.ask('preview', { ...body, source: 'relative' })).rejects.toMatchObject({ code: 'path_not_allowed' });
    await expect(front.ask('preview', { ...body, source: `${body.source}missing/` })).rejects.toMatchObject({ code: 'invalid_request' });
    const byRclone = await front.ask<Preview>('preview', { ...body, type: 'rclone' });
    expect(byRclone).toMatchObject({ counts: shown.counts, names: shown.names, findings: [] });
    expect(byRclone.command).toContain('copy');
    await expect(front.ask('preview', { id: 'nobody' })).rejects.toMatchObject({ code: 'job_not_found' });
    await front.close();
    expect(await readdir(body.destination)).toEqual(['old']);
  });

  it('tells why the job would fail', async () => {
    const body = await newTransfer({ ...MIRROR, maxDelete: 0, requireMount: 'destination' });
    const { findings } = await previewOf(body);
    expect(findings.map(({ code }) => code)).toEqual(['destination_not_mounted', 'delete_limit']);
    await rm(`${body.source}new`);
    expect((await previewOf(body)).findings.map(({ code }) => code)).toContain('source_empty');
  });

  it.each(['rsync', 'rclone'] as const)('is what its job of type %s does', async (type) => {
    const body = { ...(await newTransfer()), type };
    const { previewId } = await previewOf(body);
    const job = await ended(await service.client.create({ ...body, previewId, labels: { set: 'nightly' } }));
    expect(job.status).toBe('completed');
    expect(await listTree(body.destination)).toEqual(await listTree(body.source));
  });

  it('is of one transfer only, counts for an hour, and cannot be altered', async () => {
    const body = await newTransfer();
    const { previewId, expiresAt } = await previewOf(body);
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(59 * 60_000);
    const transfer = { ...body, options: transferOptionsSchema.parse(body.options) } satisfies Transfer;
    const limits = { create: 1, change: 0, delete: 1, deletions: 'x' };
    const altered = [
      { ...body, previewId, source: `${body.source}sub/` },
      { ...body, previewId, destination: `${body.destination}sub/` },
      { ...body, previewId, options: { ...MIRROR, maxDelete: 11 } },
      { ...body, previewId: previewId.replace('.1.', '.2.') },
      { ...body, previewId: 'nonsense' },
      { ...body, previewId: '.'.repeat(300) },
      { ...body, previewId: makePreviewId(transfer, { ...limits, expiresAtMs: Date.now() - 1 }, sha256) },
    ];
    for (const wrong of altered) await expect(service.client.create(wrong)).rejects.toMatchObject({ code: 'preview_stale' });
    const { id } = await service.client.create({ ...body, previewId, start: false });
    await expect(service.client.ask('update', { id, options: { maxDelete: 11 } })).rejects.toMatchObject({ code: 'preview_stale' });
  });

  it.each<[string, (body: { source: string; destination: string }) => Promise<void>]>([
    ['more files are deleted', ({ destination }) => writeOldFile(`${destination}more`, '')],
    [
      'other files are deleted',
      async ({ destination }) => {
        await rm(`${destination}old`);
        await writeOldFile(`${destination}precious`, 'precious');
      },
    ],
    ['more files are made', ({ source }) => writeOldFile(`${source}more`, '')],
    ['more files are changed', ({ destination }) => writeOldFile(`${destination}new`, 'other content')],
  ])('stops its job when %s than it showed, before anything is touched', async (_what, change) => {
    const body = await newTransfer();
    const { previewId } = await previewOf(body);
    await change(body);
    const before = await listTree(body.destination);
    const { error, status } = await ended(await service.client.create({ ...body, previewId }));
    expect({ status, code: error?.code, retriable: error?.retriable }).toEqual({
      status: 'failed',
      code: 'preview_stale',
      retriable: false,
    });
    expect(await listTree(body.destination)).toEqual(before);
  });

  it('lets its job do less: what an earlier attempt has copied is not copied again', async () => {
    const body = await newTransfer({});
    const { previewId } = await previewOf(body);
    await writeOldFile(`${body.destination}new`, '12345');
    expect((await ended(await service.client.create({ ...body, previewId }))).status).toBe('completed');
  });
});

describe('A worker', () => {
  async function slowWorker() {
    const bench = await WorkerBench.start();
    await mkdir(bench.at('source'));
    const rsync = await scriptTool(`case "$*" in *--version*) exec '${findTool('rsync')?.path}' "$@";; esac\nsleep 60`);
    const worker = await bench.startWorker(createRsyncEngine({ markers: bench.markers, findRsync: () => rsync, graceMs: 500 }));
    const preview = (timeoutMs: number) =>
      bench.client.ask('preview', { type: 'rsync', source: bench.at('source/'), destination: bench.at('copy/') }, { timeoutMs });
    // By the mark of the worker its keeper finds them when it is killed.
    const children = () => findLeftovers({ worker: bench.markers.worker });
    return { worker, preview, children };
  }

  it('ends a preview that takes too long, and nothing of it runs on', async () => {
    const { preview, children } = await slowWorker();
    await expect(preview(800)).rejects.toMatchObject({ code: 'ask_timeout', executed: 'no' });
    await expect.poll(children, { timeout: 5_000 }).toEqual([]);
  });

  it('makes two previews at once, refuses more, and ends them when it stops', async () => {
    const { worker, preview, children } = await slowWorker();
    const two = [preview(60_000), preview(60_000)].map((asked) => asked.catch((error: unknown) => error));
    await expect.poll(async () => (await children()).length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    await expect(preview(60_000)).rejects.toMatchObject({ code: 'overloaded' });
    await worker.stop();
    for (const asked of two) expect(await asked).toMatchObject({ code: 'ask_timeout' });
    expect(await children()).toEqual([]);
    await expect(preview(1_000)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
