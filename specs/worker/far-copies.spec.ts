import fc from 'fast-check';
import { rmSync } from 'node:fs';
import { appendFile, mkdir, readFile, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EngineStopped, type FarCopies as Port, type Run } from '../../src/engines/engine.js';
import { createRcloneEngine } from '../../src/engines/rclone.js';
import { findTool } from '../../src/tools.js';
import { requireApart } from '../../src/worker/apart.js';
import { FarCopies } from '../../src/worker/far-copies.js';
import { SourceDeletion, type DeletionRun } from '../../src/worker/source-deletion.js';
import { listSource } from '../../src/worker/source-list.js';
import { Bench, copy, failureOf, makeTask, scriptTool } from '../engines/bench.js';
import { serveSftp, serveWebdav, webdav, writeRemotes } from '../engines/remote.js';
import { newFolder, writeOldFile } from '../engines/trees.js';

vi.setConfig({ testTimeout: 120_000 });

const rclone = findTool('rclone');
if (!rclone) throw new Error('These specs need rclone: install it.');
const markers = { owner: `spec-${process.pid}`, worker: `spec-${process.pid}-worker` };
const runOf = (signal: AbortSignal, onProgress?: Run['onProgress']) => Object.assign(new Bench(), { signal }, onProgress && { onProgress });
const probe = '.tallyman-probe-';

/** A source whose files are copied to a remote that is a folder of this machine, and that tells hashes unless it encrypts or remembers them. */
async function copied(files: Record<string, string>, { remote = 'near', tool = rclone! } = {}) {
  const folder = await newFolder();
  const at = (name: string) => path.join(folder, name);
  for (const name of ['source', 'there']) await mkdir(at(name));
  for (const [name, content] of Object.entries(files))
    await (content.startsWith('-> ') ? symlink(content.slice(3), at(`source/${name}`)) : writeOldFile(at(`source/${name}`), content));
  const configFile = await writeRemotes({
    near: { type: 'alias', remote: at('there') },
    memory: { type: 'hasher', remote: at('there'), hashes: 'md5' },
    ...(remote === 'dav' && { dav: webdav(await serveWebdav(rclone!, at('there'), ['--copy-links'])) }),
    ...(remote === 'ssh' && { ssh: await serveSftp(rclone!, at('there')) }),
  });
  const engine = createRcloneEngine({ markers, configFile, remotes: ['near', 'memory', 'ssh', 'dav'], findRclone: () => tool });
  const task = makeTask(`${at('source')}/`, `${remote}:`);
  const list = await listSource(task, { source: at('source'), target: null }, await engine.list!(task, new Bench()));
  await copy(engine, task);
  const port = await engine.farCopies!(task, new Bench());
  const deletionBy = (by: Port = port) => new SourceDeletion(list, new FarCopies(by, list.files, task, runOf));
  return { at, task, port, deletionBy, list };
}

class Told implements DeletionRun {
  readonly abort = new AbortController();
  readonly signal = this.abort.signal;
  readonly outcomes: string[] = [];
  readonly announced: string[] = [];
  /** Called before what is about to go is stored. */
  before: () => Promise<unknown> = () => Promise.resolve();
  bytes: number | null | undefined = null;
  onProgress: DeletionRun['onProgress'] = ({ bytesTransferred }) => {
    this.bytes = bytesTransferred ?? this.bytes;
  };
  announce: DeletionRun['announce'] = async (entries) => {
    await this.before();
    this.announced.push(...entries.map(({ text }) => text));
  };
  tell: DeletionRun['tell'] = (file, outcome, why, proof) => {
    this.outcomes.push(`${outcome} ${file.path}: ${why ?? proof?.provedBy}`);
  };
}

const probesIn = async (folder: string) => (await readdir(folder, { recursive: true })).filter((name) => name.includes(probe));

describe('Copies on a remote', () => {
  it('that changed or went after they were proved keep their files', async () => {
    const { at, deletionBy } = await copied({ a: 'a', b: 'b', c: 'c', d: 'd' });
    const deletion = deletionBy();
    const run = new Told();
    await deletion.proveAll(1, run);
    run.before = async () => {
      await writeFile(at('there/b'), 'B');
      await rm(at('there/c'));
      await appendFile(at('source/d'), 'more');
    };
    await deletion.deleteProved(run);
    await deletion.close();
    expect(run.outcomes.sort()).toEqual([
      'deleted a: checksum',
      'kept b: its copy changed or went away after it was proved',
      'kept c: its copy changed or went away after it was proved',
      'kept d: it changed after it was proved',
    ]);
    expect([await readdir(at('source')), await probesIn(at(''))]).toEqual([['b', 'c', 'd'], []]);
  });

  it('that change while they are compared prove nothing', async () => {
    const { at, port, deletionBy } = await copied({ a: 'a', b: 'b' });
    const sums: Port['sums'] = async (files, run) => {
      const found = await port.sums(files, run);
      await writeFile(at('there/b'), 'B');
      return found;
    };
    const deletion = deletionBy(wrapped(port, { sums }));
    expect((await failureOf(deletion.proveAll(1, new Told()))).message).toContain('b: its copy changed while it was compared');
    await deletion.close();
  });

  it('in a folder that leads to that of the source are found out right before the first file goes', async () => {
    const { at, deletionBy } = await copied({ a: 'a', 'sub/b': 'b' }, { remote: 'dav' });
    await rm(at('there/sub'), { recursive: true });
    await symlink(at('source/sub'), at('there/sub'));
    const deletion = deletionBy();
    await deletion.proveAll(1, new Told());
    expect(await failureOf(deletion.deleteProved(new Told()))).toMatchObject({ code: 'source_is_destination', retriable: false });
    await deletion.close();
    expect([await readdir(at('source')), await readdir(at('source/sub'))]).toEqual([['a', 'sub'], ['b']]);
  });

  it('of which the first goes with its file stop the deletion', async () => {
    const { at, deletionBy } = await copied({ a: 'a', b: 'b', c: 'c' });
    const deletion = deletionBy();
    const run = new Told();
    await deletion.proveAll(1, run);
    const told = run.tell;
    run.tell = (file, ...rest) => {
      told(file, ...rest);
      rmSync(at(`there/${file.path}`));
    };
    expect(await failureOf(deletion.deleteProved(run))).toMatchObject({ code: 'source_is_destination' });
    await deletion.close();
    expect(await readdir(at('source'))).toHaveLength(2);
  });

  it('that a remote only remembers the hash of are read back', async () => {
    const { at, deletionBy } = await copied({ a: 'a', b: 'b' }, { remote: 'memory' });
    const { mtime } = await stat(at('there/b'));
    await writeFile(at('there/b'), 'B');
    await utimes(at('there/b'), mtime, mtime);
    const deletion = deletionBy();
    const run = new Told();
    expect(await failureOf(deletion.proveAndDelete(1, run))).toMatchObject({ code: 'verification_failed', retriable: false });
    await deletion.close();
    expect(run.outcomes).toEqual(['kept b: its copy has other content', 'deleted a: bytes']);
    expect(run.announced).toEqual([expect.stringMatching(/its copy is equal, sha256 [0-9a-f]{64}\)$/)]);
    // What was read back is the progress.
    expect(run.bytes).toBe(2);
  });

  it('of which a remote tells no hash of one are proved by that of the others, and this one by reading it back', async () => {
    const without = await scriptTool(
      `case "$*" in *"hashsum sha1 --use"*) '${rclone.path}' "$@" | grep -v '  a$';; *) exec '${rclone.path}' "$@";; esac`,
    );
    const { deletionBy } = await copied({ a: 'a', b: 'b' }, { remote: 'ssh', tool: without });
    const deletion = deletionBy();
    const run = new Told();
    expect(await deletion.proveAndDelete(1, run)).toMatchObject({ method: 'checksum', algorithm: 'sha1', filesEqual: 2 });
    await deletion.close();
    expect(run.outcomes.sort()).toEqual(['deleted a: bytes', 'deleted b: checksum']);
    expect(run.announced.sort()).toEqual([
      expect.stringMatching(/ a \(1 bytes, its copy is equal, sha256 [0-9a-f]{64}\)$/),
      expect.stringMatching(/ b \(1 bytes, its copy is equal, sha1 [0-9a-f]{40} as the remote tells it\)$/),
    ]);
  });

  it('of a link and of a file that would have the same name there prove neither', async () => {
    const { at, deletionBy } = await copied({ a: 'a', 'x.rclonelink': 'target', x: '-> target' });
    const deletion = deletionBy();
    const run = new Told();
    await failureOf(deletion.proveAndDelete(1, run));
    await deletion.close();
    expect(run.outcomes).toContain('kept x: another file has the same name on the remote');
    expect(await readdir(at('source'))).toEqual(['x', 'x.rclonelink']);
  });

  it('a stop between any two questions to the remote, or a failure of one, loses nothing and leaves no probe', async () => {
    const name = fc.constantFrom('a', 'b', 'sub/c', 'sub/deep/d');
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { minLength: 1 }),
        fc.uniqueArray(name, { maxLength: 2 }),
        fc.boolean(),
        fc.boolean(),
        fc.nat(12),
        async (names, harmed, perFile, isStop, breakAt) => {
          const { at, task, port, deletionBy } = await copied(Object.fromEntries(names.map((each) => [each, `content of ${each}`])));
          for (const each of harmed) if (names.includes(each)) await writeOldFile(at(`there/${each}`), `kontent of ${each}`);
          const run = new Told();
          let asked = 0;
          const breaking = wrapped(port, {}, () => {
            if (asked++ !== breakAt) return;
            if (!isStop) throw new Error('the connection broke');
            run.abort.abort();
            throw new EngineStopped();
          });
          const deletion = deletionBy(breaking);
          try {
            await deletion.requireTwoPlaces(run.signal);
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
          const contentOf = (file: string) => readFile(file, 'utf8').catch(() => null);
          for (const each of names) {
            const both = [await contentOf(at(`source/${each}`)), await contentOf(at(`there/${each}`))];
            expect(both).toContain(`content of ${each}`);
          }
          if (harmed.some((each) => names.includes(each)) && !perFile) {
            for (const each of names) expect(await contentOf(at(`source/${each}`))).toBe(`content of ${each}`);
          }
          await requireApart(port, { ...task, attempt: 2 }, runOf, new Bench().signal);
          expect(await probesIn(at(''))).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });
});

/** The same port, with `before` called before each question that takes time. */
function wrapped(port: Port, other: Partial<Port>, before: () => void = () => undefined): Port {
  const asked = <Args extends unknown[], Answer>(ask: (...args: Args) => Promise<Answer>) => {
    return async (...args: Args): Promise<Answer> => {
      before();
      return ask(...args);
    };
  };
  return {
    place: port.place,
    algorithm: port.algorithm,
    sharing: (files) => port.sharing(files),
    look: asked((files, run) => port.look(files, run)),
    sums: asked((files, run) => port.sums(files, run)),
    hasFolder: asked((folder, run) => port.hasFolder(folder, run)),
    putProbe: asked((name, run) => port.putProbe(name, run)),
    findProbes: asked((prefix, run) => port.findProbes(prefix, run)),
    removeProbes: (names, run) => port.removeProbes(names, run),
    removeMadeFolders: (run) => port.removeMadeFolders(run),
    ...other,
  };
}
