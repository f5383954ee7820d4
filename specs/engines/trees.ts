import { lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

/** A new folder, removed when the spec ends. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tallyman-spec-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const LONGEST_NAME = 255;
const ODD_NAMES: readonly Buffer[] = [
  'new\nline',
  'carriage\rreturn',
  'escape\u001b[31m',
  'tab\tand blank ',
  ' leading blank',
  '-rf',
  '--delete',
  '$(touch pwned)',
  '`id`;*?[a]"\'\\',
  '\\#012',
  'host:path',
  'ünï-☃-😀',
  'x'.repeat(LONGEST_NAME),
]
  .map((name) => Buffer.from(name))
  .concat(Buffer.from([0x66, 0xff, 0xfe]));

/** A tree with every kind of name that a file may have, a link, an empty folder and an empty file. Answers its size. */
export async function makeOddTree(root: string): Promise<{ files: number; bytes: number; links: number; linkBytes: number }> {
  await mkdir(path.join(root, 'folder', 'empty folder'), { recursive: true });
  await writeFile(path.join(root, 'folder', 'empty file'), '');
  const target = '../elsewhere';
  await symlink(target, path.join(root, 'folder', 'link'));
  let [files, bytes] = [1, 0];
  for (const name of ODD_NAMES) {
    const content = Buffer.concat([Buffer.from('content of '), name]);
    await writeFile(Buffer.concat([Buffer.from(`${root}/folder/`), name]), content);
    files++;
    bytes += content.length;
  }
  return { files, bytes, links: 1, linkBytes: target.length };
}

/** Bytes that no program can squeeze, the same at every call. */
export function noise(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  let state = 1;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    buffer[at] = state >>> 24;
  }
  return buffer;
}

/** Writes a file with the time of a second ago, so that its copy is seen as the same by size and time. */
export async function writeOldFile(file: string, content: Buffer | string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
  await utimes(file, new Date('2024-05-06T07:08:09Z'), new Date('2024-05-06T07:08:09Z'));
}

/** A tree as text lines: names byte by byte, kinds, contents. Two equal trees give equal lists. */
export async function listTree(root: string): Promise<string[]> {
  const lines: string[] = [];
  const walk = async (folder: Buffer, shown: string): Promise<void> => {
    for (const name of await readdir(folder, { encoding: 'buffer' })) {
      const full = Buffer.concat([folder, Buffer.from('/'), name]);
      const at = `${shown}/${name.toString('latin1')}`;
      const stat = await lstat(full);
      if (stat.isDirectory()) {
        lines.push(`${at} folder`);
        await walk(full, at);
      } else if (stat.isSymbolicLink()) lines.push(`${at} -> ${await readlink(full)}`);
      else lines.push(`${at} ${(await readFile(full)).toString('base64')}`);
    }
  };
  await walk(Buffer.from(root), '');
  return lines.sort();
}
