import fc from 'fast-check';
import {
  appendFile,
  chmod,
  cp,
  link,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { appendFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { transferOptionsSchema } from '../../actors/job.js';
import { EngineStopped, type ListedEntry } from '../../src/engines/engine.js';
import { identityOf } from '../../src/worker/file-proof.js';
import { FolderWalk } from '../../src/worker/folder.js';
import { NearCopies } from '../../src/worker/near-copies.js';
import { SeveralNames } from '../../src/worker/several-names.js';
import { SourceDeletion, type DeletionRun } from '../../src/worker/source-deletion.js';
import { listSource, type SourceList } from '../../src/worker/source-list.js';
import { failureOf } from '../engines/bench.js';
import { newFolder, writeOldFile } from '../engines/trees.js';

const options = transferOptionsSchema.parse({});

/** Every entry below `root`, as an engine lists it. */
async function entriesOf(root: string, below = ''): Promise<ListedEntry[]> {
  const found: ListedEntry[] = [];
  for (const entry of await readdir(path.join(root, below), { withFileTypes: true })) {
    const name = path.join(below, entry.name);
    const bytes = Buffer.from(name).toString('latin1');
    if (entry.isDirectory()) found.push({ path: `${bytes}/`, type: 'folder' }, ...(await entriesOf(root, name)));
    else found.push({ path: bytes, type: entry.isSymbolicLink() ? 'link' : entry.isFile() ? 'file' : 'special' });
  }
  return found;
}

/** A source and its copy, listed as before a copy. */
async function listed(source: string, target: string) {
  const task = { jobId: 'job', attempt: 1, source: `${source}/`, destination: `${target}/`, options };
  return listSource(task, { source, target }, await entriesOf(source));
}

const deletionOf = (list: SourceList) => new SourceDeletion(list, new NearCopies(list.target ?? ''));

class Told implements DeletionRun {
  readonly abort = new AbortController();
  readonly signal = this.abort.signal;
  readonly announced: string[] = [];
  readonly outcomes: string[] = [];
  /** Called before everything that is told. */
  before: (what: string) => void = () => undefined;

  onProgress = () => {
    this.before('progress');
  };
  announce: DeletionRun['announce'] = (entries) => {
    this.before('announce');
    this.announced.push(...entries.map(({ text }) => text));
    return Promise.resolve();
  };
  tell: DeletionRun['tell'] = (file, outcome, why) => {
    this.before('tell');
    this.outcomes.push(`${outcome} ${file.path}${why === null ? '' : `: ${why}`}`);
  };
}

async function twoSides(files: Record<string, string> = { a: 'content of a', 'sub/b': 'content of b' }) {
  const folder = await newFolder();
  const [source, target] = [path.join(folder, 'source'), path.join(folder, 'target')];
  await mkdir(source);
  for (const [name, content] of Object.entries(files)) await writeOldFile(path.join(source, name), content);
  await cp(source, target, { recursive: true, preserveTimestamps: true });
  return { folder, source, target };
}

/** All content of a tree by path; links by what they point to. */
async function contents(root: string, below = ''): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(path.join(root, below), { withFileTypes: true })) {
    const name = path.join(below, entry.name);
    if (entry.isDirectory()) for (const [key, value] of await contents(root, name)) found.set(key, value);
    else
      found.set(
        name,
        entry.isSymbolicLink() ? `-> ${await readlink(path.join(root, name))}` : await readFile(path.join(root, name), 'utf8'),
      );
  }
  return found;
}

describe('Deleting a source', () => {
  it('takes all files whose copies are equal, links too, and says so first', async () => {
    const { source, target } = await twoSides();
    await symlink('nowhere', path.join(source, 'link'));
    await symlink('nowhere', path.join(target, 'link'));
    const deletion = deletionOf(await listed(source, target));
    const run = new Told();
    run.before = (what) => {
      if (what === 'tell') expect(run.announced.length).toBeGreaterThan(run.outcomes.length);
    };
    expect(await deletion.proveAll(1, run)).toEqual({
      method: 'bytes',
      algorithm: 'sha256',
      filesExpected: 3,
      filesEqual: 3,
      mismatches: 0,
    });
    expect((await contents(source)).size).toBe(3);
    await deletion.deleteProved(run);
    await deletion.removeEmptyFolders(run);
    await deletion.close();
    expect(await readdir(source)).toEqual([]);
    expect(run.outcomes.sort()).toEqual(['deleted a', 'deleted link', 'deleted sub/b']);
    expect(run.announced.some((line) => line.includes('sub/b') && /sha256 [0-9a-f]{64}/.test(line))).toBe(true);
    expect(deletion.deletion).toEqual({ filesDeleted: 3, bytesDeleted: 31, foldersDeleted: 1, filesKept: 0, kept: [] });
  });

  const harms: [string, (sides: { source: string; target: string }) => Promise<unknown>, RegExp][] = [
    [
      'a copy with other content, size and time the same',
      ({ target }) => writeOldFile(path.join(target, 'a'), 'content of A'),
      /other content/,
    ],
    ['a copy that is missing', ({ target }) => rm(path.join(target, 'a')), /no copy/],
    ['a copy of another size', ({ target }) => appendFile(path.join(target, 'a'), '!'), /another size/],
    [
      'a copy that is the file itself',
      async ({ source, target }) => {
        await rm(path.join(target, 'a'));
        await link(path.join(source, 'a'), path.join(target, 'a'));
      },
      /one and the same|changed/,
    ],
    [
      'a copy that is a link to the file',
      async ({ source, target }) => {
        await rm(path.join(target, 'a'));
        await symlink(path.join(source, 'a'), path.join(target, 'a'));
      },
      /no copy/,
    ],
    [
      'a folder of the copy that is a link into the source',
      async ({ source, target }) => {
        await rm(path.join(target, 'sub'), { recursive: true });
        await symlink(path.join(source, 'sub'), path.join(target, 'sub'));
      },
      /no copy/,
    ],
    ['a file that was written to', ({ source }) => appendFile(path.join(source, 'a'), 'more'), /changed after they were listed/],
    [
      'a file that another one took the place of, size and time the same',
      async ({ source }) => {
        await writeOldFile(path.join(source, '.new'), 'content of X');
        await rename(path.join(source, '.new'), path.join(source, 'a'));
      },
      /changed after they were listed/,
    ],
  ];
  it.each(harms)('is not done at all when one is not proved: %s', async (_what, harm, words) => {
    const { source, target } = await twoSides();
    const list = await listed(source, target);
    await harm({ source, target });
    const before = await contents(source);
    const deletion = deletionOf(list);
    const run = new Told();
    const failure = await failureOf(deletion.proveAll(1, run));
    expect(failure.message).toMatch(words);
    expect(failure.message).toContain('Nothing was deleted.');
    expect(await contents(source)).toEqual(before);
    expect(run.announced).toEqual([]);
    expect(deletion.deletion).toMatchObject({ filesDeleted: 0, filesKept: 1 });
    await deletion.close();
  });

  it.each(harms)('file by file takes the proved ones, keeps the other, and fails for it: %s', async (_what, harm) => {
    const { source, target } = await twoSides();
    const list = await listed(source, target);
    await harm({ source, target });
    const before = await contents(source);
    const deletion = deletionOf(list);
    await failureOf(deletion.proveAndDelete(1, new Told()));
    await deletion.close();
    const after = await contents(source);
    expect(deletion.deletion).toMatchObject({ filesDeleted: 1, filesKept: 1 });
    expect(after.size).toBe(1);
    for (const [name, content] of after) expect(before.get(name)).toBe(content);
  });

  it('keeps what changed, or whose copy changed, between the proof and the deletion', async () => {
    const { source, target } = await twoSides({ a: 'a', b: 'b', c: 'c', d: 'd' });
    const deletion = deletionOf(await listed(source, target));
    const run = new Told();
    await deletion.proveAll(1, run);
    await appendFile(path.join(source, 'a'), 'more');
    await rm(path.join(target, 'b'));
    await appendFile(path.join(target, 'c'), 'more');
    await deletion.deleteProved(run);
    await deletion.close();
    expect((await readdir(source)).sort()).toEqual(['a', 'b', 'c']);
    expect(deletion.deletion).toMatchObject({ filesDeleted: 1, filesKept: 3 });
  });

  it('never leaves its folder: one that was exchanged for a link is not followed', async () => {
    const { folder, source, target } = await twoSides();
    await cp(path.join(source, 'sub'), path.join(folder, 'elsewhere'), { recursive: true, preserveTimestamps: true });
    const deletion = deletionOf(await listed(source, target));
    const run = new Told();
    await deletion.proveAll(1, run);
    await rename(path.join(source, 'sub'), path.join(folder, 'aside'));
    await symlink(path.join(folder, 'elsewhere'), path.join(source, 'sub'));
    await deletion.close();
    await deletion.deleteProved(run);
    await deletion.removeEmptyFolders(run);
    await deletion.close();
    expect(await readdir(path.join(folder, 'elsewhere'))).toEqual(['b']);
    expect(await readdir(path.join(folder, 'aside'))).toEqual(['b']);
  });

  it('leaves what came after the list, and folders that are not empty', async () => {
    const { source, target } = await twoSides();
    const deletion = deletionOf(await listed(source, target));
    const run = new Told();
    for (const side of [source, target]) await writeOldFile(path.join(side, 'sub/new'), 'new');
    await deletion.proveAll(1, run);
    await deletion.deleteProved(run);
    await deletion.removeEmptyFolders(run);
    await deletion.close();
    expect([...(await contents(source)).keys()]).toEqual(['sub/new']);
  });

  it('does nothing when the log does not take what is to be deleted', async () => {
    const { source, target } = await twoSides();
    const deletion = deletionOf(await listed(source, target));
    const run = new Told();
    await deletion.proveAll(1, run);
    run.announce = () => Promise.reject(new Error('full'));
    await expect(deletion.deleteProved(run)).rejects.toThrow('full');
    await deletion.close();
    expect((await contents(source)).size).toBe(2);
  });

  it('stops between two files when it is told to', async () => {
    const { source, target } = await twoSides({ a: 'a', b: 'b', c: 'c' });
    const deletion = deletionOf(await listed(source, target));
    const run = new Told();
    await deletion.proveAll(1, run);
    run.before = (what) => {
      if (what === 'tell') run.abort.abort();
    };
    await expect(deletion.deleteProved(run)).rejects.toThrow(EngineStopped);
    await deletion.close();
    expect((await readdir(source)).length).toBe(2);
    expect(deletion.deletion.filesDeleted).toBe(1);
  });

  it('is safe to break off at every step: whatever was there is there still, on one side or both', async () => {
    const name = fc.constantFrom('a', 'b', 'sub/c', 'sub/deep/d', 'other/e', 'ünï', 'new\nline');
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { minLength: 1 }),
        fc.uniqueArray(name, { maxLength: 2 }),
        fc.boolean(),
        fc.nat(25),
        async (names, harmed, perFile, breakAt) => {
          const { source, target } = await twoSides(Object.fromEntries(names.map((each) => [each, `content of ${each}`])));
          const original = await contents(source);
          for (const each of harmed) if (names.includes(each)) await writeOldFile(path.join(target, each), `kontent of ${each}`);
          const list = await listed(source, target);
          const run = new Told();
          let steps = 0;
          run.before = () => {
            if (steps++ === breakAt) throw new Error('power cut');
          };
          const deletion = deletionOf(list);
          try {
            if (perFile) await deletion.proveAndDelete(1, run);
            else {
              await deletion.proveAll(1, run);
              await deletion.deleteProved(run);
            }
            await deletion.removeEmptyFolders(run);
          } catch {
            // The broken off attempt; what it left is looked at now.
          }
          await deletion.close();
          const [left, copied] = [await contents(source), await contents(target)];
          for (const [each, content] of original) expect([left.get(each), copied.get(each)]).toContain(content);
          if (harmed.some((each) => names.includes(each)) && !perFile) expect(left).toEqual(original);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps a file that cannot be deleted, and says why', async () => {
    const { source, target } = await twoSides({ 'sub/b': 'b' });
    const deletion = deletionOf(await listed(source, target));
    const run = new Told();
    await deletion.proveAll(1, run);
    await deletion.close();
    await rm(path.join(source, 'sub'), { recursive: true });
    await writeFile(path.join(source, 'sub'), 'a file now');
    await deletion.deleteProved(run);
    await deletion.close();
    expect(deletion.deletion).toMatchObject({ filesDeleted: 0, filesKept: 1 });
    expect((await lstat(path.join(source, 'sub'))).isFile()).toBe(true);
  });

  it('stops with the first file when its copy goes with it', async () => {
    const { source, target } = await twoSides({ a: 'a', b: 'b', c: 'c' });
    const deletion = deletionOf(await listed(source, target));
    const run = new Told();
    await deletion.proveAll(1, run);
    run.tell = ({ copyPath }) => {
      rmSync(path.join(target, copyPath));
    };
    expect(await failureOf(deletion.deleteProved(run))).toMatchObject({ code: 'source_is_destination', retriable: false });
    await deletion.close();
    expect(await readdir(source)).toHaveLength(2);
  });

  it('takes a hard link of the file itself for no copy', async () => {
    const { source, target } = await twoSides({ a: 'a' });
    await rm(path.join(target, 'a'));
    await link(path.join(source, 'a'), path.join(target, 'a'));
    const deletion = deletionOf(await listed(source, target));
    expect((await failureOf(deletion.proveAll(1, new Told()))).message).toContain('one and the same file');
    await deletion.close();
  });

  describe('of a file with several names', () => {
    async function severalNames() {
      const { source, target } = await twoSides({ a: 'content' });
      for (const name of ['b', 'c']) {
        await link(path.join(source, 'a'), path.join(source, name));
        await cp(path.join(target, 'a'), path.join(target, name), { preserveTimestamps: true });
      }
      return { source, deletion: deletionOf(await listed(source, target)) };
    }

    it('deletes every name, at the end', async () => {
      const { source, deletion } = await severalNames();
      await deletion.proveAll(1, new Told());
      await deletion.deleteProved(new Told());
      await deletion.close();
      expect([deletion.deletion.filesDeleted, await readdir(source)]).toEqual([3, []]);
    });

    it('deletes every name, file by file', async () => {
      const { source, deletion } = await severalNames();
      // As large as a batch, so that the second name is proved after the first is gone.
      for (const file of deletion.list.files) file.bytes = 64 * 1024 * 1024;
      await deletion.proveAndDelete(1, new Told());
      await deletion.close();
      expect([deletion.deletion.filesDeleted, await readdir(source)]).toEqual([3, []]);
    });

    it('knows a write in the very moment of a deletion', async () => {
      const { source } = await severalNames();
      const walk = new FolderWalk(source);
      const stats = await lstat(path.join(source, 'a'), { bigint: true });
      await appendFile(path.join(source, 'b'), 'more');
      const names = new SeveralNames();
      await names.unlink(await walk.holderOf('a'), identityOf(stats), stats);
      await walk.close();
      expect([names.identityOf(identityOf(stats)), await readdir(source)]).toEqual([identityOf(stats), ['b', 'c']]);
    });

    it.each(['tell', 'announce'])('keeps the names that are left when somebody writes to it before %s', async (moment) => {
      const { source, deletion } = await severalNames();
      const run = new Told();
      await deletion.proveAll(1, run);
      run.before = (what) => {
        if (what === moment) appendFileSync(path.join(source, 'c'), 'more');
      };
      await deletion.deleteProved(run);
      await deletion.close();
      const left = await readdir(source);
      expect([deletion.deletion.filesDeleted, left]).toEqual(moment === 'tell' ? [1, ['b', 'c']] : [0, ['a', 'b', 'c']]);
    });
  });

  it('takes no file that was changed back to its old times', async () => {
    const { source, target } = await twoSides({ a: 'first' });
    const list = await listed(source, target);
    const { atime, mtime } = await lstat(path.join(source, 'a'));
    await chmod(path.join(source, 'a'), 0o600);
    for (const side of [source, target]) await writeFile(path.join(side, 'a'), 'other');
    await utimes(path.join(source, 'a'), atime, mtime);
    const deletion = deletionOf(list);
    expect(await failureOf(deletion.proveAll(1, new Told()))).toMatchObject({ code: 'source_changed', retriable: true });
    await deletion.close();
    expect(await readdir(source)).toEqual(['a']);
  });
});
