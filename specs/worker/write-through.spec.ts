import { lstat, mkdir, writeFile, chmod } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { EngineFailed } from '../../src/engines/engine.js';
import { identityOf } from '../../src/worker/file-proof.js';
import { FolderWalk } from '../../src/worker/folder.js';
import { writeThrough } from '../../src/worker/write-through.js';
import { newFolder } from '../engines/trees.js';

const PATH = process.env['PATH'];
afterEach(() => {
  process.env['PATH'] = PATH;
});

/** A `sync` of our own, first on the PATH. */
async function withSync(script: string | null): Promise<{ folder: string; synced: string[]; go: () => Promise<void> }> {
  const folder = await newFolder();
  const bin = path.join(folder, 'bin');
  await mkdir(bin);
  if (script !== null) {
    await writeFile(path.join(bin, 'sync'), `#!/bin/sh\n${script}\n`);
    await chmod(path.join(bin, 'sync'), 0o755);
  }
  process.env['PATH'] = bin;
  await writeFile(path.join(folder, 'file'), 'content');
  const copy = identityOf(await lstat(path.join(folder, 'file'), { bigint: true }));
  const synced: string[] = [];
  const walk = new FolderWalk(folder);
  const place = () => {
    synced.push('file');
    return walk.holderOf('file');
  };
  return { folder, synced, go: () => writeThrough(folder, [{ copy, place }]).finally(() => walk.close()) };
}

it('Copies are brought to the disk with their whole file system, or one by one where that cannot be done', async () => {
  const whole = await withSync('exit 0');
  await whole.go();
  expect(whole.synced).toEqual([]);
  for (const script of [null, 'echo "sync: unrecognized option: f" >&2; exit 1']) {
    const single = await withSync(script);
    await single.go();
    expect(single.synced).toEqual(['file']);
  }
});

it('A disk that does not take them is told, and may be tried again', async () => {
  const broken = await withSync('echo "sync: error syncing: Input/output error" >&2; exit 1');
  const error = await broken.go().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(EngineFailed);
  expect((error as EngineFailed).failure).toMatchObject({ code: 'io_error', retriable: true });
});
