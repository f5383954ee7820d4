import { readdir } from 'node:fs/promises';

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
