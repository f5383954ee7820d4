import { createHash } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, readlink, type FileHandle } from 'node:fs/promises';
import type { Folder } from './folder.js';

/** Which file it is and in which state: any write, rename over it, or change of its times makes another one. */
export type Identity = string;

export const identityOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): Identity => [dev, ino, size, mtimeNs, ctimeNs].join(' ');

/** One file or link, where it is in an open folder. */
export interface Place {
  folder: Folder;
  name: Buffer;
}

export interface Proven {
  equal: true;
  provedBy: 'bytes' | 'checksum';
  /** `<algorithm>:<hex>`; null of a link on this machine. */
  checksum: string | null;
  copy: Identity;
}

export type Proof =
  | Proven
  /** `changed`: the source is not what it was when it was listed; a further attempt may help. */
  | { equal: false; why: string; changed: boolean };

const CHUNK_BYTES = 1024 * 1024;
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export const CHANGED: Proof = { equal: false, why: 'it changed after it was listed', changed: true };
export const differs = (why: string): Proof => ({ equal: false, why, changed: false });

/**
 * Compares a file with its copy byte by byte and makes sure that neither
 * changed meanwhile. `listed` is what the source was before the copy began. Rejects only when `signal` is aborted or the source cannot be read.
 */
export async function proveFile(
  source: Place,
  copy: Place,
  listed: Identity,
  { signal, onBytes }: { signal: AbortSignal; onBytes: (bytes: number) => void },
): Promise<Proof> {
  const from = await open(source.folder.at(source.name), FLAGS);
  try {
    const before = await from.stat({ bigint: true });
    if (identityOf(before) !== listed) return CHANGED;
    const to = await openCopy(copy);
    if (!to) return differs('there is no copy of it');
    try {
      const there = await to.stat({ bigint: true });
      if (!there.isFile()) return differs('what stands in its place is no file');
      if (there.dev === before.dev && there.ino === before.ino) return differs('it and its copy are one and the same file');
      if (there.size !== before.size) return differs('its copy has another size');
      const sha256 = await compareContents(from, to, signal, onBytes);
      if (identityOf(await from.stat({ bigint: true })) !== listed) return CHANGED;
      if (sha256 === null) return differs('its copy has other content');
      if (identityOf(await to.stat({ bigint: true })) !== identityOf(there)) return differs('its copy changed while it was compared');
      return { equal: true, provedBy: 'bytes', checksum: `sha256:${sha256}`, copy: identityOf(there) };
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** A symbolic link is copied when its copy points to the same text. */
export async function proveLink(source: Place, copy: Place, listed: Identity): Promise<Proof> {
  const [from, to] = [source.folder.at(source.name), copy.folder.at(copy.name)];
  const target = await readlink(from, 'buffer');
  if (identityOf(await lstat(from, { bigint: true })) !== listed) return CHANGED;
  const there = await lstat(to, { bigint: true }).catch(() => null);
  if (!there?.isSymbolicLink()) return differs('there is no copy of the link');
  if (!target.equals(await readlink(to, 'buffer'))) return differs('its copy points elsewhere');
  return { equal: true, provedBy: 'bytes', checksum: null, copy: identityOf(there) };
}

/** The sum and the size of a file, or of the text of a link; null when it is not what was listed. */
export async function sumOf(
  { folder, name }: Place,
  type: 'file' | 'link',
  listed: Identity,
  algorithm: string,
  { signal, onBytes }: { signal: AbortSignal; onBytes: (bytes: number) => void },
): Promise<{ hex: string; bytes: number } | null> {
  const hash = createHash(algorithm);
  if (type === 'link') {
    const text = await readlink(folder.at(name), 'buffer');
    if (identityOf(await lstat(folder.at(name), { bigint: true })) !== listed) return null;
    return { hex: hash.update(text).digest('hex'), bytes: text.length };
  }
  const file = await open(folder.at(name), FLAGS);
  try {
    if (identityOf(await file.stat({ bigint: true })) !== listed) return null;
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let bytes = 0;
    for (let read = await fill(file, buffer); read > 0; read = await fill(file, buffer)) {
      signal.throwIfAborted();
      hash.update(buffer.subarray(0, read));
      bytes += read;
      onBytes(read);
    }
    if (identityOf(await file.stat({ bigint: true })) !== listed) return null;
    return { hex: hash.digest('hex'), bytes };
  } finally {
    await file.close();
  }
}

async function openCopy({ folder, name }: Place): Promise<FileHandle | null> {
  try {
    return await open(folder.at(name), FLAGS);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO'].includes(code)) return null;
    throw error;
  }
}

/** The SHA-256 of both when they are equal, else null. */
async function compareContents(
  a: FileHandle,
  b: FileHandle,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<string | null> {
  const hash = createHash('sha256');
  const [one, other] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
  for (;;) {
    signal.throwIfAborted();
    const [readOne, readOther] = await Promise.all([fill(a, one), fill(b, other)]);
    if (readOne !== readOther || one.compare(other, 0, readOther, 0, readOne) !== 0) return null;
    if (readOne === 0) return hash.digest('hex');
    hash.update(one.subarray(0, readOne));
    onBytes(readOne);
  }
}

async function fill(file: FileHandle, buffer: Buffer): Promise<number> {
  let bytes = 0;
  while (bytes < buffer.length) {
    const { bytesRead } = await file.read(buffer, bytes, buffer.length - bytes, null);
    if (bytesRead === 0) break;
    bytes += bytesRead;
  }
  return bytes;
}
