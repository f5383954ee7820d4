import { execFile } from 'node:child_process';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { manifestLines, parseManifest } from '../../src/manifest.js';
import { makeOddTree, newFolder } from '../engines/trees.js';
import { ESCAPES, runCli } from './cli.js';

async function treeWithManifest() {
  const folder = await newFolder();
  const tree = path.join(folder, 'tree');
  const { files } = await makeOddTree(tree);
  const manifest = path.join(folder, 'sums');
  const { stdout } = await promisify(execFile)(process.execPath, [path.resolve('dist/src/main.js'), 'manifest', tree], {
    encoding: 'buffer',
  });
  await writeFile(manifest, stdout);
  return { tree, manifest, files };
}

it('A manifest is one of sha256sum, whatever the names are', async () => {
  const { tree, manifest, files } = await treeWithManifest();
  const { stdout } = await promisify(execFile)('sha256sum', ['--check', '--strict', manifest], { cwd: tree, encoding: 'latin1' });
  expect(stdout.match(/: OK$/gm)).toHaveLength(files);
});

it('A folder is verified by the manifest of sha256sum: what differs, is missing or is new is named', async () => {
  const { tree, manifest, files } = await treeWithManifest();
  const same = await runCli(['verify', manifest, tree]);
  expect(same).toMatchObject({ code: 0, stdout: `The same: ${files} of ${files} files equal by sha256.\n` });
  await appendFile(path.join(tree, 'folder/-rf'), '!');
  await rm(path.join(tree, 'folder/new\nline'));
  await writeFile(path.join(tree, 'new'), '');
  const harmed = await runCli(['verify', manifest, tree]);
  expect(harmed.code).toBe(1);
  expect(harmed.stdout).toContain('differs  folder/-rf');
  expect(harmed.stdout).toMatch(/missing {2}folder\/new.+line/);
  expect(harmed.stdout).toContain('new  new\n');
  expect(harmed.stdout).toContain(`Not the same: ${files - 2} of ${files} files`);
  expect(harmed.stdout).not.toMatch(ESCAPES);
  expect(JSON.parse((await runCli(['verify', manifest, tree, '--json'])).stdout)).toMatchObject({
    equal: files - 2,
    differs: 1,
    missing: 1,
    new: 1,
  });
});

it.each([
  ['nothing at all', ''],
  ['what is no manifest', 'hello\n'],
  ['a name outside of the folder', `${'0'.repeat(64)}  ../../etc/passwd\n`],
  ['an absolute name', `${'0'.repeat(64)}  /etc/passwd\n`],
])('%s is refused, and never passes', async (_what, content) => {
  const folder = await newFolder();
  await writeFile(path.join(folder, 'sums'), content);
  const { code, stderr } = await runCli(['verify', path.join(folder, 'sums'), folder]);
  expect(code).toBe(2);
  expect(stderr).not.toContain('    at ');
});

it('Every name comes back from a manifest as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 })), (names) => {
      const entries = names
        .map((bytes) => Buffer.from(bytes.map((byte) => byte || 1)))
        .filter((name) => name[0] !== 0x2f && !name.toString('latin1').split('/').includes('..'))
        .map((name) => ({ sum: 'a'.repeat(64), name }));
      expect(parseManifest(Buffer.concat(entries.map((entry) => manifestLines(entry, { size: 1, mtime: new Date() }))))).toEqual(entries);
    }),
  );
});

it('The manifest of a folder that is not there is refused', async () => {
  expect(await runCli(['manifest', '/nowhere/at/all'])).toMatchObject({ code: 2, stdout: '' });
  await expect(readFile('/nowhere/at/all')).rejects.toThrow();
});
