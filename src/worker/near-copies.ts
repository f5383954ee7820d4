import { lstat } from 'node:fs/promises';
import { EngineStopped } from '../engines/engine.js';
import type { Copies, Looking } from './copies.js';
import { differs, identityOf, proveFile, proveLink, type Identity, type Place, type Proof, type Proven } from './file-proof.js';
import { FolderWalk } from './folder.js';
import type { SourceFile } from './source-list.js';
import { requireTwoPlaces } from './two-places.js';
import { writeThrough } from './write-through.js';

/** Copies in a folder of this machine: both sides are read and compared byte by byte. */
export class NearCopies implements Copies {
  readonly how = 'byte by byte';
  readonly where = 'on the disk';
  readonly areRepaired = true;
  readonly method = { method: 'bytes', algorithm: 'sha256' } as const;
  readonly #target: string;
  readonly #walk: FolderWalk;

  constructor(target: string) {
    this.#target = target;
    this.#walk = new FolderWalk(target);
  }

  /** By what the paths say it was looked at in the preflight. */
  async requireTwoPlaces(source: string, before: 'copy' | 'deletion'): Promise<void> {
    if (before === 'deletion') await requireTwoPlaces(source, this.#target);
  }

  async *prove(files: readonly SourceFile[], looking: Looking): AsyncGenerator<[SourceFile, Proof | null]> {
    for (const file of files) {
      if (looking.signal.aborted) throw new EngineStopped();
      yield [file, await this.#proofOf(file, looking)];
    }
  }

  async secure(proved: readonly { file: SourceFile; proof: Proven }[]): Promise<void> {
    if (proved.length === 0) return;
    await writeThrough(
      this.#target,
      proved.map(({ file, proof }) => ({ copy: proof.copy, place: () => this.#placeOf(file) })),
    );
  }

  /** Each is looked at by itself, in the same moment as its file. */
  lookAt(): Promise<void> {
    return Promise.resolve();
  }

  async identityOf(file: SourceFile): Promise<Identity | null> {
    const place = await this.#placeOf(file).catch(() => null);
    return place && lstat(place.folder.at(place.name), { bigint: true }).then(identityOf, () => null);
  }

  identityAfter(file: SourceFile): Promise<Identity | null> {
    return this.identityOf(file);
  }

  async hasFolder(path: string): Promise<boolean> {
    const { folder, name } = await this.#walk.holderOf(path);
    return (await lstat(folder.at(name))).isDirectory();
  }

  close(): Promise<void> {
    return this.#walk.close();
  }

  async #proofOf(file: SourceFile, { source, listed, signal, onBytes }: Looking): Promise<Proof | null> {
    try {
      const from = await source.holderOf(file.path);
      const copy = await this.#placeOf(file);
      if (!copy) return differs('there is no copy of it');
      if (file.type === 'link') return await proveLink(from, copy, file.identity);
      return await proveFile(from, copy, listed(file), { signal, onBytes: (bytes) => onBytes(bytes, file) });
    } catch (error) {
      if (signal.aborted) throw new EngineStopped();
      return unreadable(error);
    }
  }

  async #placeOf({ copyPath }: SourceFile): Promise<Place | null> {
    try {
      return await this.#walk.holderOf(copyPath);
    } catch (error) {
      if (['ENOENT', 'ELOOP', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
      throw error;
    }
  }
}

/** Of a file that cannot be read; null when it is gone. */
export function unreadable(error: unknown): Proof | null {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return code === 'ENOENT' ? null : differs(`it cannot be compared (${code})`);
}
