import { appendFile, chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { LIMITS } from '../../actors/limits.js';
import { EngineStopped, type Engine } from '../../src/engines/engine.js';
import { attemptName, findLeftovers } from '../../src/engines/leftovers.js';
import type { Tool } from '../../src/tools.js';
import { Bench, copy, failureOf, makeTask, smallDisk, withoutRoot } from './bench.js';
import { listTree, makeOddTree, newFolder, noise, writeOldFile } from './trees.js';

export interface EngineUnderTest {
  /** The real program. */
  tool: Tool;
  /** A shell script that prints what the program prints on a full disk, and ends as it does. */
  diskFullReplay: string;
  /** It counts a symbolic link as a file that holds its target. */
  countsLinks: boolean;
  makeEngine: (find: () => Tool | null) => Engine;
}

/** The rules that every engine keeps. */
export function engineContract(name: string, { tool, diskFullReplay, countsLinks, makeEngine }: EngineUnderTest): void {
  const engine = makeEngine(() => tool);
  const MEGABYTE = 1024 * 1024;

  const sourceAndDestination = async () => {
    const folder = await newFolder();
    const [source, destination] = [path.join(folder, 'source'), path.join(folder, 'destination')];
    await mkdir(source);
    return { folder, source, destination };
  };

  describe(`${name} keeps the rules of an engine:`, () => {
    it('tells its version, or how to get it', async () => {
      expect(await engine.probe()).toMatchObject({
        found: true,
        program: tool.path,
        version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as unknown,
      });
      expect(await makeEngine(() => null).probe()).toMatchObject({ found: false, advice: expect.stringContaining('Install') as unknown });
    });

    it('copies a whole tree, whatever its names are', async () => {
      const { source, destination } = await sourceAndDestination();
      const tree = await makeOddTree(source);
      const files = tree.files + (countsLinks ? tree.links : 0);
      const bytes = tree.bytes + (countsLinks ? tree.linkBytes : 0);
      const task = makeTask(`${source}/`, `${destination}/`);
      expect(await engine.count(task, new Bench())).toMatchObject({ filesTotal: files, bytesTotal: bytes });
      expect(await copy(engine, task)).toEqual({ filesTransferred: files, bytesTransferred: bytes, warnings: [] });
      expect(await listTree(destination)).toEqual(await listTree(source));
    });

    it('counts nothing to do when both sides are the same, and still reaches 100 percent', async () => {
      const { source, destination } = await sourceAndDestination();
      await writeOldFile(path.join(source, 'file'), 'content');
      const task = makeTask(`${source}/`, `${destination}/`);
      await copy(engine, task);
      expect(await engine.count(task, new Bench())).toMatchObject({ filesTotal: 0, bytesTotal: 0 });
      const run = new Bench();
      expect(await copy(engine, task, run)).toMatchObject({ filesTransferred: 0, bytesTransferred: 0 });
      expect(run.numbers('percent').at(-1)).toBe(100);
    });

    it('tells a percent that never falls, is below 100 until the end, and is 100 then', async () => {
      const { source, destination } = await sourceAndDestination();
      for (const part of [1, 2, 3]) await writeOldFile(path.join(source, `part ${part}`), noise(MEGABYTE));
      // What is there already takes no part in the percentage.
      await writeOldFile(path.join(source, 'there already'), noise(5 * MEGABYTE));
      await writeOldFile(path.join(destination, 'there already'), noise(5 * MEGABYTE));
      const run = new Bench();
      await copy(engine, makeTask(`${source}/`, `${destination}/`, { bandwidthLimit: 2 * MEGABYTE }), run);
      const percents = run.numbers('percent');
      expect(percents).toEqual([...percents].sort((a, b) => a - b));
      expect(percents.at(-1)).toBe(100);
      expect(percents.filter((percent) => percent > 10 && percent < 100).length).toBeGreaterThan(0);
      expect(percents.indexOf(100)).toBe(percents.length - 1);
      expect(run.progress.at(-1)).toMatchObject({
        bytesTransferred: 3 * MEGABYTE,
        bytesTotal: 3 * MEGABYTE,
        filesTransferred: 3,
        filesTotal: 3,
      });
      expect(run.progress.some((progress) => progress.currentFile?.startsWith('part '))).toBe(true);
    });

    it('keeps the bandwidth limit', async () => {
      const { source, destination } = await sourceAndDestination();
      await writeOldFile(path.join(source, 'file'), noise(3 * MEGABYTE));
      const startedMs = performance.now();
      await copy(engine, makeTask(`${source}/`, `${destination}/`, { bandwidthLimit: MEGABYTE }));
      // Three seconds' worth; the first burst is free.
      expect(performance.now() - startedMs).toBeGreaterThan(1800);
    });

    it('leaves out what the patterns exclude, except what they include', async () => {
      const { source, destination } = await sourceAndDestination();
      for (const file of ['keep.tmp', 'other.tmp', 'file.txt']) await writeOldFile(path.join(source, file), file);
      await copy(engine, makeTask(`${source}/`, `${destination}/`, { includes: ['keep.tmp'], excludes: ['*.tmp'] }));
      expect((await listTree(destination)).map((line) => line.split(' ')[0])).toEqual(['/file.txt', '/keep.tmp']);
    });

    it('stops when told to: nothing runs any more, and a second run completes the copy', async () => {
      const { source, destination } = await sourceAndDestination();
      await writeOldFile(path.join(source, 'file'), noise(4 * MEGABYTE));
      const task = makeTask(`${source}/`, `${destination}/`, { bandwidthLimit: MEGABYTE });
      const run = new Bench();
      const copying = copy(engine, task, run);
      copying.catch(() => undefined);
      await vi.waitFor(() => expect(run.numbers('bytesTransferred').at(-1)).toBeGreaterThan(0), 20_000);
      expect(await findLeftovers({ attempt: attemptName(task) })).not.toEqual([]);
      run.abort.abort();
      await expect(copying).rejects.toThrow(EngineStopped);
      expect(await findLeftovers({ attempt: attemptName(task) })).toEqual([]);
      await copy(engine, { ...task, attempt: 2, options: { ...task.options, bandwidthLimit: 0 } });
      expect(await listTree(destination)).toEqual(await listTree(source));
    });

    it('starts nothing when it was told to stop before', async () => {
      const { source, destination } = await sourceAndDestination();
      const run = new Bench();
      run.abort.abort();
      const task = makeTask(`${source}/`, `${destination}/`);
      await expect(engine.transfer(task, { filesTotal: 0, bytesTotal: 0 }, run)).rejects.toThrow(EngineStopped);
      expect(await listTree(path.dirname(source))).toEqual(['/source folder']);
    });

    it('says that the source is missing', async () => {
      const { folder, destination } = await sourceAndDestination();
      const task = makeTask(path.join(folder, 'nothing here/'), `${destination}/`);
      const failure = await failureOf(engine.count(task, new Bench()));
      expect(failure).toMatchObject({
        code: 'source_missing',
        retriable: false,
        exitCode: expect.any(Number) as unknown,
        advice: expect.any(String) as unknown,
      });
      expect(failure.message).toContain('nothing here');
    });

    it('says that a file stands where the destination needs a folder', async () => {
      const { folder, source } = await sourceAndDestination();
      await writeOldFile(path.join(source, 'file'), 'content');
      await writeFile(path.join(folder, 'in the way'), '');
      const failure = await failureOf(copy(engine, makeTask(`${source}/`, path.join(folder, 'in the way', 'folder/'))));
      expect(failure).toMatchObject({ code: 'destination_invalid', retriable: false });
    });

    it('says that permission was denied, copies the rest, and does not call the failed file done', async () => {
      const { folder, source, destination } = await sourceAndDestination();
      for (const file of ['a', 'secret', 'z']) await writeOldFile(path.join(source, file), noise(1000));
      await mkdir(destination);
      for (const open of [folder, source, destination]) await chmod(open, 0o777);
      await chmod(path.join(source, 'secret'), 0);
      const plain = await withoutRoot(tool);
      const run = new Bench();
      const failure = await failureOf(
        copy(
          makeEngine(() => plain),
          makeTask(`${source}/`, `${destination}/`),
          run,
        ),
      );
      expect(failure).toMatchObject({ code: 'permission_denied', retriable: false, exitCode: expect.any(Number) as unknown });
      expect(failure.message).toContain('secret');
      expect(await listTree(destination)).toHaveLength(2);
      expect(run.numbers('percent')).not.toContain(100);
      expect(run.numbers('filesTransferred').at(-1)).toBe(2);
    });

    it('says that the disk is full, without a retry', async () => {
      const { source } = await sourceAndDestination();
      await writeOldFile(path.join(source, 'file'), noise(3 * MEGABYTE));
      const small = await smallDisk(tool, diskFullReplay);
      const failure = await failureOf(
        copy(
          makeEngine(() => small.tool),
          makeTask(`${source}/`, `${small.folder}/`),
        ),
      );
      expect(failure).toMatchObject({ code: 'disk_full', retriable: false, advice: expect.stringContaining('space') as unknown });
    });

    it('says that its program is missing', async () => {
      const { source, destination } = await sourceAndDestination();
      const task = makeTask(`${source}/`, `${destination}/`);
      for (const find of [() => null, () => ({ path: '/nowhere/program', env: {} })]) {
        expect(await failureOf(copy(makeEngine(find), task))).toMatchObject({ code: 'engine_missing', retriable: false });
      }
    });

    it('logs the command and the files, each line within the limit', async () => {
      const { source, destination } = await sourceAndDestination();
      await makeOddTree(source);
      const run = new Bench();
      await copy(engine, makeTask(`${source}/`, `${destination}/`), run);
      expect(run.lines.some(({ stream, text }) => stream === 'worker' && text.includes(tool.path))).toBe(true);
      expect(run.lines.some(({ text }) => text.includes('host:path'))).toBe(true);
      for (const { text } of run.lines) expect(text.length).toBeLessThanOrEqual(LIMITS.logLineBytes);
    });

    for (const method of ['checksum', 'size'] as const) {
      it(`verifies equal sides by ${method} and counts what it looked at`, async () => {
        const { source, destination } = await sourceAndDestination();
        const { files, links } = await makeOddTree(source);
        const task = makeTask(`${source}/`, `${destination}/`);
        await copy(engine, task);
        const verification = await engine.verify(task, method, new Bench());
        expect(verification).toMatchObject({ method, filesExpected: files + links, filesEqual: files + links, mismatches: 0 });
        expect(verification.algorithm === null).toBe(method === 'size');
      });

      it(`finds by ${method} what is missing or of another size`, async () => {
        const { source, destination } = await sourceAndDestination();
        for (const file of ['equal', 'missing', 'longer']) await writeOldFile(path.join(source, file), file);
        const task = makeTask(`${source}/`, `${destination}/`);
        await copy(engine, task);
        await rm(path.join(destination, 'missing'));
        await appendFile(path.join(destination, 'longer'), 'more');
        expect(await engine.verify(task, method, new Bench())).toMatchObject({ filesExpected: 3, filesEqual: 1, mismatches: 2 });
      });
    }

    it('finds a changed byte by checksum, which size and time do not show', async () => {
      const { source, destination } = await sourceAndDestination();
      await writeOldFile(path.join(source, 'file'), 'AAAA');
      await writeOldFile(path.join(destination, 'file'), 'BBBB');
      const task = makeTask(`${source}/`, `${destination}/`);
      expect(await engine.verify(task, 'size', new Bench())).toMatchObject({ mismatches: 0 });
      expect(await engine.verify(task, 'checksum', new Bench())).toMatchObject({ filesExpected: 1, filesEqual: 0, mismatches: 1 });
    });

    it('does not pass a comparison that could not read one side', async () => {
      const { folder, destination } = await sourceAndDestination();
      const task = makeTask(path.join(folder, 'nothing here/'), `${destination}/`);
      expect(await failureOf(engine.verify(task, 'checksum', new Bench()))).toMatchObject({ code: 'source_missing' });
    });
  });
}
