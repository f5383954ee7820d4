import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { usageError } from './args.js';

/**
 * A manifest: the SHA-256 of every file of a folder, in the form that
 * `sha256sum` writes and `sha256sum --check` reads. A name with a backslash or
 * a line break is escaped, and its line begins with a backslash.
 */
export interface ManifestEntry {
  sum: string;
  /** Relative to the folder, byte by byte: a name may be no UTF-8. */
  name: Buffer;
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };
const LINE = /^(\\?)([0-9a-f]{64}) [ *](.+)$/s;

export function manifestLine({ sum, name }: ManifestEntry): Buffer {
  const plain = name.toString('latin1');
  const escaped = plain.replace(/[\\\n\r]/g, (char) => ESCAPES[char] ?? char);
  return Buffer.from(`${escaped === plain ? '' : '\\'}${sum}  ${escaped}\n`, 'latin1');
}

/** Lines that begin with `#` are comments. Throws a usage error that names the line that is none of a manifest. */
export function parseManifest(bytes: Buffer): ManifestEntry[] {
  const entries: ManifestEntry[] = [];
  for (const [index, line] of bytes.toString('latin1').split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [, mark, sum = '', text = ''] = LINE.exec(line) ?? [];
    const name = mark === '\\' ? text.replace(/\\([\\nr])/g, (_, char: string) => ({ n: '\n', r: '\r' })[char] ?? '\\') : text;
    if (mark === undefined)
      throw usageError(`Line ${index + 1} of the manifest is not one of sha256sum: 64 hexadecimal digits, two blanks, a name.`);
    if (name.startsWith('/') || name.split('/').includes('..'))
      throw usageError(`Line ${index + 1} of the manifest names a file outside of the folder.`);
    entries.push({ sum, name: Buffer.from(name, 'latin1') });
  }
  return entries;
}

export async function hashFile(file: Buffer): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The regular files of a folder, by name; links are not followed. */
export async function* filesBelow(folder: Buffer, below: Buffer = Buffer.alloc(0)): AsyncGenerator<Buffer> {
  const entries = await readdir(join(folder, below), { withFileTypes: true, encoding: 'buffer' });
  for (const entry of entries.sort((a, b) => a.name.compare(b.name))) {
    const name = join(below, entry.name);
    if (entry.isDirectory()) yield* filesBelow(folder, name);
    else if (entry.isFile()) yield name;
  }
}

/** Paths are bytes here, which `node:path` does not take. */
export const join = (folder: Buffer, name: Buffer): Buffer =>
  folder.length === 0 || name.length === 0 ? Buffer.concat([folder, name]) : Buffer.concat([folder, Buffer.from('/'), name]);
