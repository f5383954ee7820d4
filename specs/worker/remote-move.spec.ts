import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import type { Job } from '../../actors/job.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { findTool } from '../../src/tools.js';
import { scriptTool } from '../engines/bench.js';
import { crypt, serveSftp, serveWebdav, webdav, writeRemotes } from '../engines/remote.js';
import { listTree, makeOddTree, newFolder, noise, writeOldFile } from '../engines/trees.js';
import { WorkerBench } from './bench.js';

vi.setConfig({ testTimeout: 120_000 });

const rclone = findTool('rclone');
if (!rclone) throw new Error('These specs need rclone: install it.');
const deletes = (mode: 'after_verify' | 'per_file', emptyFolders = false) => ({ deleteSource: { mode, confirmed: true, emptyFolders } });

/** `dav` has no hashes, `ftp` (by SSH) has md5, `safe` encrypts, `near` is a folder of this machine by another name, as is `here` the whole folder. */
async function start(tool = rclone!) {
  const bench = await WorkerBench.start({ TALLYMAN_REMOTES: 'dav,ssh,safe,near,here,self' });
  for (const name of ['source', 'served', 'near']) await mkdir(bench.at(name));
  const configFile = await writeRemotes({
    dav: webdav(await serveWebdav(rclone!, bench.at('served'))),
    ssh: await serveSftp(rclone!, bench.at('served')),
    safe: crypt(bench.at('encrypted')),
    near: { type: 'alias', remote: bench.at('near') },
    here: { type: 'alias', remote: bench.folder },
  });
  const engine = createRcloneEngine({
    markers: bench.markers,
    configFile,
    remotes: ['dav', 'ssh', 'safe', 'near', 'here', 'self'],
    findRclone: () => tool,
  });
  await bench.startWorker(engine);
  const move = (destination: string, options: object, source = bench.at('source/')) =>
    bench.create({ type: 'rclone', source, destination, options: { maxRetries: 0, ...options } });
  const ends = async (id: string, status: Job['status']) => {
    await expect.poll(async () => (await bench.client.get(id)).finishedAt, { timeout: 60_000 }).not.toBeNull();
    const job = await bench.client.get(id);
    expect({ status: job.status, error: status === 'completed' ? job.error : null }).toEqual({ status, error: null });
    return job;
  };
  return { bench, configFile, move, ends };
}

describe('A move to a remote', () => {
  it.each([
    ['dav:', 'after_verify', { method: 'bytes', algorithm: 'sha256' }],
    ['ssh:', 'per_file', { method: 'checksum', algorithm: 'sha1' }],
    ['safe:', 'per_file', { method: 'bytes', algorithm: 'sha256' }],
    ['near:', 'after_verify', { method: 'checksum', algorithm: 'sha256' }],
  ] as const)('takes a whole tree to %s %s, whatever its names are', async (remote, mode, method) => {
    const { bench, move, ends } = await start();
    const tree = await makeOddTree(bench.at('source'));
    // Encrypted names are longer.
    const long = remote === 'safe:' ? (await readdir(bench.at('source/folder'))).filter((name) => name.length > 140) : [];
    for (const name of long) await rm(bench.at(`source/folder/${name}`));
    const [files, bytes] = [tree.files - long.length, long.length > 0 ? 1 : tree.bytes];
    const { id } = await move(`${remote}a/b/`, deletes(mode, true));
    const job = await ends(id, 'completed');
    expect(await readdir(bench.at('source'))).toEqual([]);
    expect(job).toMatchObject({
      verification: { ...method, filesExpected: files + 1, filesEqual: files + 1, mismatches: 0 },
      deletion: { filesDeleted: files + 1, filesKept: 0, kept: [] },
    });
    expect(job.deletion?.bytesDeleted).toBeGreaterThanOrEqual(bytes);
    const announced = bench.lines.all.filter(({ text }) => text.startsWith('Deleting in the source: '));
    expect(announced).toHaveLength(files + 1);
    const sum = new RegExp(`its copy is equal, ${method.algorithm} [0-9a-f]{32,64}`);
    for (const { text } of announced) expect(text).toMatch(sum);
    const receipt = bench.files.all.filter(({ outcome }) => outcome === 'deleted');
    expect(receipt).toHaveLength(files + 1);
    expect(new Set(receipt.map(({ provedBy }) => provedBy))).toEqual(new Set([method.method]));
    expect(await probesIn(bench.folder)).toEqual([]);
  });

  it.each(['here:source/', 'here:source', 'here:source/sub/', 'here:source/new/folder/', 'here:'])(
    'is refused where the remote is the source, lies in it or holds it, and nothing is touched: %s',
    async (destination) => {
      const { bench, move, ends } = await start();
      await writeOldFile(bench.at('source/sub/file'), 'content');
      const before = await listTree(bench.folder);
      const { id } = await move(destination, deletes('per_file', true));
      const { error, deletion } = await ends(id, 'failed');
      const code =
        destination === 'here:'
          ? 'source_in_destination'
          : /source\/?$/.test(destination)
            ? 'source_is_destination'
            : 'destination_in_source';
      expect(error).toMatchObject({ code, retriable: false });
      expect(deletion?.filesDeleted ?? 0).toBe(0);
      expect(await listTree(bench.folder)).toEqual(before);
    },
  );

  it.each([
    ['source', ['--dir-cache-time', '1h'], 'source_is_destination'],
    ['', ['--dir-cache-time', '1h'], 'source_in_destination'],
    ['source', ['--vfs-cache-mode', 'writes', '--vfs-write-back', '1h'], 'source_is_destination'],
    ['', ['--vfs-cache-mode', 'writes', '--vfs-write-back', '1h'], 'source_in_destination'],
  ] as const)(
    'is refused where a server serves the source itself (%s) and remembers its lists or holds back files: %j',
    async (folder, args, code) => {
      const { bench, configFile, move, ends } = await start();
      await writeOldFile(bench.at('source/file'), 'content');
      const served = await serveWebdav(rclone, bench.at(folder), [...args, '--cache-dir', await newFolder()]);
      await appendFile(configFile, `\n[self]\ntype = webdav\nurl = ${served}\nvendor = other\n`);
      // The server has listed all of it.
      execFileSync(rclone.path, ['lsf', '-R', '--config', configFile, 'self:']);
      const { id } = await move('self:', deletes('per_file', true));
      expect((await ends(id, 'failed')).error).toMatchObject({ code });
      expect(await readFile(bench.at('source/file'), 'utf8')).toBe('content');
    },
  );

  it('takes a single file, and a folder without a slash as a folder of its name', async () => {
    const { bench, move, ends } = await start();
    await writeOldFile(bench.at('source/file'), 'content');
    await writeOldFile(bench.at('source/sub/other'), 'other');
    await writeOldFile(bench.at('source/sub/.tallyman-probe-of-another-job'), '');
    const file = await move('dav:there/renamed', deletes('after_verify'), bench.at('source/file'));
    expect(await ends(file.id, 'completed')).toMatchObject({ deletion: { filesDeleted: 1 } });
    expect(await readFile(bench.at('served/there/renamed'), 'utf8')).toBe('content');
    const folder = await move('dav:there', deletes('per_file', true), bench.at('source'));
    expect(await ends(folder.id, 'completed')).toMatchObject({ deletion: { filesDeleted: 1, foldersDeleted: 0 } });
    expect(await readFile(bench.at('served/there/source/sub/other'), 'utf8')).toBe('other');
    // It is left alone on both sides.
    expect(await readdir(bench.at('source/sub'))).toEqual(['.tallyman-probe-of-another-job']);
    expect(await readdir(bench.at('served/there/source/sub'))).toEqual(['other']);
  });

  it('is ended and tried again when the remote falls silent while a copy is read back', async () => {
    const silent = await scriptTool(`case "$*" in *hashsum*) exec sleep 1000;; *) exec '${rclone.path}' "$@";; esac`);
    const { bench, move, ends } = await start(silent);
    await writeOldFile(bench.at('source/file'), 'content');
    const { id } = await move('dav:there/', { ...deletes('per_file'), stallTimeoutSeconds: 2 });
    expect((await ends(id, 'failed')).error).toMatchObject({ code: 'stalled', retriable: true });
    expect(await readdir(bench.at('source'))).toEqual(['file']);
  });

  it('is paused while a copy is read back, and goes on', async () => {
    const { bench, move, ends } = await start();
    await writeOldFile(bench.at('source/a'), noise(2 * 1024 * 1024));
    await writeOldFile(bench.at('source/b'), 'b');
    const { id } = await move('dav:there/', deletes('after_verify'));
    await expect.poll(async () => (await bench.client.get(id)).phase, { timeout: 30_000, interval: 5 }).toBe('verifying');
    await bench.client.command('pause', id);
    expect((await bench.reaches(id, 'paused')).deletion?.filesDeleted ?? 0).toBe(0);
    await bench.client.command('resume', id);
    expect(await ends(id, 'completed')).toMatchObject({ attempt: 2, deletion: { filesDeleted: 2 } });
    expect([await readdir(bench.at('source')), await readdir(bench.at('served/there'))]).toEqual([[], ['a', 'b']]);
  });

  it('keeps what is not equal there: size alone proves nothing', async () => {
    const { bench, move, ends } = await start();
    await writeOldFile(bench.at('source/good'), 'good');
    await writeOldFile(bench.at('source/bad'), 'AAAA');
    await writeOldFile(bench.at('served/there/bad'), 'BBBB');
    const all = await move('dav:there/', deletes('after_verify'));
    expect((await ends(all.id, 'failed')).error).toMatchObject({ code: 'verification_failed', retriable: false });
    expect(await readdir(bench.at('source'))).toEqual(['bad', 'good']);
    const each = await move('dav:there/', deletes('per_file'));
    expect(await ends(each.id, 'failed')).toMatchObject({
      deletion: { filesDeleted: 1, kept: [{ why: 'its copy has other content', files: 1 }] },
    });
    expect(await readdir(bench.at('source'))).toEqual(['bad']);
    await writeFile(bench.at('source/bad'), 'longer');
    const again = await move('dav:there/', deletes('per_file'));
    expect(await ends(again.id, 'completed')).toMatchObject({ deletion: { filesDeleted: 1 } });
  });

  it('is refused where the source is the remote', async () => {
    const { bench } = await start();
    for (const [type, source, destination] of [
      ['rclone', 'dav:there/', bench.at('copy/')],
      ['rclone', 'dav:there/', 'near:copy/'],
    ] as const) {
      await expect(bench.create({ type, source, destination, options: deletes('per_file') })).rejects.toMatchObject({
        code: 'invalid_request',
        details: { field: 'options.deleteSource.mode' },
      });
    }
  });
});

async function probesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.includes('.tallyman-probe-'));
}
