import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, link, lstat, mkdir, readFile, readdir, readlink, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import fc from 'fast-check';

/** Paths here are latin1 texts, a character for each byte, relative to a root. */
export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const utf8 = (text: string): string => Buffer.from(text).toString('latin1');

const NAMES = [
  'plain',
  'other.tmp',
  'keep.tmp',
  'new\nline',
  'esc\x1b[31m',
  utf8('\u202ebidi'),
  utf8('ünï-☃-😀'),
  'f\xff\xfe',
  'x'.repeat(255),
  '-rf',
  '--delete',
  '*',
  '[a]?',
  '#x',
  'a:b',
  '\\#012',
  ' blank ',
];
const FOLDERS = ['', 'sub', 'sub/deep\n', 'skip', '-v', 'f\xfe'];
const KINDS = ['file', 'file', 'file', 'empty', 'large', 'sparse', 'link', 'dangling', 'hard', 'folder', 'pipe'] as const;
const OLD = new Date('2024-05-06T07:08:09Z');
const LARGE_BYTES = 300_000;

export interface Planned {
  path: string;
  kind: (typeof KINDS)[number];
  /** Nobody but root may read it, until it is opened. */
  closed: boolean;
  /** What stands at its place in the destination before: nothing, an old copy, or one whose size and time deceive. */
  before: 'nothing' | 'old' | 'deceiving';
}

export const plannedTree = fc.uniqueArray(
  fc.record({
    path: fc
      .tuple(fc.constantFrom(...FOLDERS), fc.constantFrom(...NAMES))
      .map(([folder, name]) => (folder === '' ? name : `${folder}/${name}`)),
    kind: fc.constantFrom(...KINDS),
    closed: fc.nat(14).map((number) => number === 0),
    before: fc.nat(9).map((number) => (['old', 'deceiving'] as const)[number] ?? 'nothing'),
  }),
  { selector: ({ path }) => path, minLength: 1, maxLength: 14 },
);

export const at = (root: string, path: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), bytes(path)]);

async function writeAs(file: Buffer, content: Buffer | string): Promise<void> {
  await writeFile(file, content);
  await utimes(file, OLD, OLD);
}

/** Makes the tree, and what stands in its destination before. */
export async function plant(source: string, copy: string, plan: readonly Planned[]): Promise<void> {
  await mkdir(source, { recursive: true });
  for (const { path, kind, before } of plan) {
    const file = at(source, path);
    await mkdir(at(source, path.replace(/\/?[^/]*$/, '')), { recursive: true });
    const content = `content of ${path}`;
    if (kind === 'folder') await mkdir(file, { recursive: true });
    else if (kind === 'link' || kind === 'dangling') await symlink(kind === 'link' ? 'plain' : '../nowhere', file);
    else if (kind === 'pipe' && Buffer.from(file.toString()).equals(file)) execFileSync('mkfifo', ['--', file.toString()]);
    else if (kind === 'sparse') {
      await writeFile(file, content);
      await truncate(file, LARGE_BYTES);
    } else if (kind === 'hard' && (await lstat(at(source, 'plain')).catch(() => null))?.isFile() && path !== 'plain') {
      await link(at(source, 'plain'), file);
    } else {
      await writeAs(file, kind === 'empty' ? '' : kind === 'large' ? noiseOf(content) : content);
      if (kind !== 'file' || before === 'nothing') continue;
      await mkdir(at(copy, path.replace(/\/?[^/]*$/, '')), { recursive: true });
      await writeAs(at(copy, path), before === 'deceiving' ? content.toUpperCase() : 'an old copy');
    }
  }
}

const noiseOf = (seed: string): Buffer =>
  Buffer.concat(Array.from({ length: LARGE_BYTES / 32 }, (_, part) => createHash('sha256').update(`${part} ${seed}`).digest()));

/** Closes what is planned to be closed, or opens it. */
export async function setClosed(source: string, plan: readonly Planned[], closed: boolean): Promise<void> {
  for (const entry of plan) {
    if (!entry.closed || !['file', 'empty', 'large', 'folder'].includes(entry.kind)) continue;
    await chmod(at(source, entry.path), closed ? 0 : entry.kind === 'folder' ? 0o755 : 0o644).catch(() => undefined);
  }
}

/** Everything below a folder: of each path what it is, whole. Made with nothing of ours. */
export async function snapshot(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const walk = async (below: string): Promise<void> => {
    const names = await readdir(below === '' ? Buffer.from(root) : at(root, below), { encoding: 'buffer' }).catch(() => []);
    for (const name of names) {
      const path = below === '' ? name.toString('latin1') : `${below}/${name.toString('latin1')}`;
      const file = at(root, path);
      // In a tree that is changing something may go away between the two looks.
      const stats = await lstat(file).catch(() => null);
      if (!stats) continue;
      if (stats.isDirectory()) {
        found.set(path, 'folder');
        await walk(path);
      } else if (stats.isSymbolicLink())
        found.set(path, `link ${(await readlink(file, 'buffer').catch(() => Buffer.alloc(0))).toString('latin1')}`);
      else if (stats.isFile()) {
        found.set(path, fileOf(await readFile(file).catch(() => '')));
      } else found.set(path, 'special');
    }
  };
  await walk('');
  return found;
}

/** What `snapshot` says of a file with this content. */
export const fileOf = (content: Buffer | string): string =>
  `file ${Buffer.byteLength(content)} ${createHash('sha256').update(content).digest('hex')}`;

/** What a file or link counts in bytes. */
export const bytesOf = (what: string): number =>
  what.startsWith('file ') ? Number(what.split(' ')[1]) : what.slice('link '.length).length;
export const isFile = (what: string): boolean => what.startsWith('file ') || what.startsWith('link ');
