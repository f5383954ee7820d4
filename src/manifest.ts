import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * A manifest: the SHA-256 of every file of a folder, in the form that
 * `sha256sum` writes and `sha256sum --check` reads. A name with a backslash or
 * a line break is escaped, and its line begins with a backslash. A comment
 * before each line has the size and the time, which `sha256sum` has no place for.
 */
export interface ManifestEntry {
  sum: string;
  /** Relative to the folder, byte by byte: a name may be no UTF-8. */
  name: Buffer;
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r' };
const LINE = /^(\\?)([0-9a-f]{64}) [ *](.+)$/s;

/** `# 4096 2026-11-25T04:20:01.000Z`, then the line of `sha256sum`. */
export function manifestLines({ sum, name }: ManifestEntry, { size, mtime }: { size: number; mtime: Date }): Buffer {
  const plain = name.toString('latin1');
  const escaped = plain.replace(/[\\\n\r]/g, (char) => ESCAPES[char] ?? char);
  const line = `${escaped === plain ? '' : '\\'}${sum}  ${escaped}`;
  return Buffer.from(`# ${size} ${mtime.toISOString()}\n${line}\n`, 'latin1');
}

/** Lines that begin with `#` are comments. Throws an error that names the line that is none of a manifest. */
export function parseManifest(bytes: Buffer): ManifestEntry[] {
  const entries: ManifestEntry[] = [];
  for (const [index, line] of bytes.toString('latin1').split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [, mark, sum = '', text = ''] = LINE.exec(line) ?? [];
    const name = mark === '\\' ? text.replace(/\\([\\nr])/g, (_, char: string) => ({ n: '\n', r: '\r' })[char] ?? '\\') : text;
    if (mark === undefined)
      throw new Error(`Line ${index + 1} of the manifest is not one of sha256sum: 64 hexadecimal digits, two blanks, a name.`);
    if (name.startsWith('/') || name.split('/').includes('..'))
      throw new Error(`Line ${index + 1} of the manifest names a file outside of the folder.`);
    entries.push({ sum, name: Buffer.from(name, 'latin1') });
  }
  return entries;
}

export async function sha256Of(content: Readable, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(content, hash, { signal });
  return hash.digest('hex');
}
