import { execFile } from 'node:child_process';
import { appendFile, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { EngineFailed } from '../../src/engines/engine.js';
import type { FileEntry } from '../../src/file-record.js';
import type { RequestBody } from '../../src/job-client.js';
import { parseManifest } from '../../src/manifest.js';
import { Manifest } from '../../src/worker/manifest.js';
import { Bench, makeTask } from '../engines/bench.js';
import { makeOddTree, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

type Options = Extract<RequestBody<'create'>, { source: string }>['options'];

/** What `sha256sum` says of the files, in the folder that they are in. */
async function checked(manifest: string, cwd: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('sha256sum', ['--check', '--strict', manifest], { cwd, encoding: 'latin1' });
  return stdout.match(/: OK$/gm) ?? [];
}

const withManifest = (manifest: string, more: Options = {}): Options => ({ verify: 'checksum', manifest, ...more });

describe('A job with a manifest', () => {
  it('writes down every file of the destination, whatever its name is, in the form of sha256sum', async () => {
    const bench = await WorkerBench.start();
    const { files } = await makeOddTree(bench.at('source'));
    await writeOldFile(bench.at('source/left.out'), 'x');
    await writeOldFile(bench.at('copy/of another job'), 'x');
    await bench.startWorker();
    const manifest = bench.at('sums/still to be made/today.sha256');
    const { id } = await bench.create({ options: withManifest(manifest, { excludes: ['left.out'] }) });
    await bench.reaches(id, 'completed');
    expect(await checked(manifest, bench.at('copy'))).toHaveLength(files);
    const text = await readFile(manifest, 'latin1');
    expect(parseManifest(Buffer.from(text, 'latin1'))).toHaveLength(files);
    expect(text.match(/^# \d+ 20\d\d-[-\dT:.]+Z$/gm)).toHaveLength(files);
    expect(await readdir(path.dirname(manifest))).toEqual(['today.sha256']);
    expect(bench.lines.text).toContain(`Wrote ${manifest} with the SHA-256 of ${files} files in ${bench.at('copy')}`);
  });

  it('takes the place of an older one, also for a folder without a slash and for one file', async () => {
    const bench = await WorkerBench.start();
    await writeOldFile(bench.at('source/file'), 'content');
    await bench.startWorker();
    const manifest = bench.at('sums');
    for (const [source, destination, folder] of [
      ['source', 'copy/', 'copy/source'],
      ['source/', 'copy/', 'copy'],
      ['source/file', 'renamed', '.'],
    ] as const) {
      const { id } = await bench.create({ source: bench.at(source), destination: bench.at(destination), options: withManifest(manifest) });
      await bench.reaches(id, 'completed');
      expect(await checked(manifest, bench.at(folder))).toHaveLength(1);
    }
  });

  it('leaves an older one as it was when the verification fails', async () => {
    const bench = await WorkerBench.start();
    await writeOldFile(bench.at('source/file'), 'content');
    await bench.startWorker();
    const options = withManifest(bench.at('sums'));
    await bench.reaches((await bench.create({ options })).id, 'completed');
    const before = await readFile(bench.at('sums'), 'utf8');
    await writeOldFile(bench.at('copy/file'), 'CONTENT');
    await writeOldFile(bench.at('source/more'), 'more');
    await bench.reaches((await bench.create({ options: { ...options, compareOnly: true } })).id, 'failed');
    expect(await readFile(bench.at('sums'), 'utf8')).toBe(before);
  });

  it('is refused before anything is copied where something else is, or where a link leads away', async () => {
    const bench = await WorkerBench.start();
    await writeOldFile(bench.at('source/file'), 'content');
    await mkdir(bench.at('folder'));
    await writeFile(bench.at('photo'), 'precious');
    await writeFile(bench.at('empty'), '');
    await symlink(path.dirname(bench.folder), bench.at('out'));
    await symlink(bench.at('copy'), bench.at('in'));
    await mkdir(bench.at('copy'));
    await bench.startWorker();
    for (const [place, code] of [
      ['folder', 'destination_invalid'],
      ['photo', 'destination_invalid'],
      ['empty', 'destination_invalid'],
      ['out/sums', 'path_not_allowed'],
      ['in/sums', 'path_not_allowed'],
    ] as const) {
      const { id } = await bench.create({ options: withManifest(bench.at(place)) });
      expect([place, (await bench.reaches(id, 'failed')).error?.code]).toEqual([place, code]);
    }
    expect(await readFile(bench.at('photo'), 'utf8')).toBe('precious');
    expect(await readdir(bench.at('copy'))).toEqual([]);
  });
});

it('A manifest is refused at once where nothing would be proved, or in one of the two sides', async () => {
  const bench = await WorkerBench.start();
  const sums = bench.at('sums');
  const rclone = { type: 'rclone', options: withManifest(sums) } as const;
  const wrong: Parameters<typeof bench.create>[0][] = [
    { options: { manifest: sums } },
    { options: withManifest(sums, { verify: 'size' }) },
    { options: withManifest(sums, { deleteSource: { mode: 'after_verify', confirmed: true } }) },
    { options: withManifest(bench.at('copy/sums')) },
    { options: withManifest(bench.at('source/sums')) },
    { options: withManifest(`${sums}/`) },
    rclone,
  ];
  for (const body of wrong)
    await expect(bench.create(body)).rejects.toMatchObject({ code: 'invalid_request', details: { field: 'options.manifest' } });
  await expect(bench.create({ options: withManifest('/etc/sums') })).rejects.toMatchObject({ code: 'path_not_allowed' });
  // Beside what the folder becomes in its destination.
  await bench.create({ source: bench.at('source'), options: withManifest(bench.at('copy/sums')), start: false });
});

describe('A file that changed after it was compared', () => {
  const compared = async (harm: (file: string) => Promise<unknown>) => {
    const bench = await WorkerBench.start();
    for (const name of ['a', 'b']) await writeOldFile(bench.at(`copy/${name}`), 'content');
    const [source, target, manifest] = [bench.at('source'), bench.at('copy'), bench.at('sums')];
    const writer = new Manifest(makeTask(`${source}/`, `${target}/`), {
      manifest,
      paths: { source, target, existing: target },
      roots: [bench.folder],
    });
    const run = new Bench();
    const entry = { outcome: 'equal', bytes: 7, provedBy: 'checksum', checksum: null, why: null } satisfies Partial<FileEntry>;
    for (const name of ['a', 'b']) writer.listening(run).file({ ...entry, path: name });
    writer.listening(run).file({ ...entry, outcome: 'missing', path: 'c' });
    await harm(bench.at('copy/b'));
    return { bench, written: writer.write(run).catch((error: unknown) => error) };
  };

  it.each<[string, (file: string) => Promise<unknown>]>([
    ['in length', (file) => appendFile(file, '!')],
    ['to nothing', (file) => promisify(execFile)('rm', [file])],
  ])('%s gets no manifest, and nothing half-written stays', async (_how, harm) => {
    const { bench, written } = await compared(harm);
    const error = (await written) as EngineFailed;
    expect(error).toBeInstanceOf(EngineFailed);
    expect(error.failure.code).toBe('verification_failed');
    expect(await readdir(bench.folder)).not.toContain('sums');
    expect((await readdir(bench.folder)).filter((name) => name.startsWith('.tallyman'))).toEqual([]);
  });

  it('to a link is left out, and never followed', async () => {
    const { bench, written } = await compared((file) => promisify(execFile)('ln', ['-sf', '/etc/passwd', file]));
    expect(await written).toContain('1 files');
    expect(await readFile(bench.at('sums'), 'utf8')).not.toContain('  b');
    expect((await stat(bench.at('sums'))).size).toBeGreaterThan(0);
  });
});
