import type { Verification } from '../../actors/job.js';
import { EngineStopped, type FarCopies as Port, type FarState, type Run, type Sum, type TransferTask } from '../engines/engine.js';
import { requireApart, requireOtherFolders, type RunOf } from './apart.js';
import type { Copies, Looking } from './copies.js';
import { CHANGED, differs, sumOf, type Identity, type Proof } from './file-proof.js';
import type { FolderWalk } from './folder.js';
import { unreadable } from './near-copies.js';
import type { SourceFile } from './source-list.js';

/**
 * Copies on a remote. The file here is read and summed, and the sum is compared
 * with that of the copy, which the remote tells or which is made of what is read
 * back. Size and time of a copy must be the same before, after, and right before the deletion.
 */
export class FarCopies implements Copies {
  readonly #port: Port;
  readonly #task: TransferTask;
  readonly #runOf: RunOf;
  readonly #shared: ReadonlySet<string>;
  /** Those that have copies in them. A store of objects knows no other. */
  readonly #folders = new Set<string>();
  readonly #bySum = new Set<Sum['by']>();
  #now = new Map<string, FarState>();
  #lookOnce: ((file: SourceFile) => Promise<Map<string, FarState>>) | null = null;

  constructor(port: Port, files: readonly SourceFile[], task: TransferTask, runOf: RunOf) {
    [this.#port, this.#task, this.#runOf] = [port, task, runOf];
    this.#shared = port.sharing(files);
  }

  get #isReadBack(): boolean {
    return this.#port.algorithm === null;
  }

  get how(): string {
    const { algorithm, place } = this.#port;
    return this.#isReadBack ? `reading each back from ${place}` : `by the ${algorithm} that ${place} tells of each`;
  }

  get where(): string {
    return `in ${this.#port.place}`;
  }

  /** rclone copies by content what has a hash on both sides. */
  get areRepaired(): boolean {
    return !this.#isReadBack;
  }

  requireTwoPlaces(_source: string, _before: 'copy' | 'deletion', signal: AbortSignal): Promise<void> {
    return requireApart(this.#port, this.#task, this.#runOf, signal);
  }

  get method(): Pick<Verification, 'method' | 'algorithm'> {
    const { algorithm } = this.#port;
    const isTold = algorithm !== null && (this.#bySum.size === 0 || this.#bySum.has('checksum'));
    return isTold ? { method: 'checksum', algorithm } : { method: 'bytes', algorithm: 'sha256' };
  }

  async *prove(files: readonly SourceFile[], looking: Looking): AsyncGenerator<[SourceFile, Proof | null]> {
    const run = this.#runOf(looking.signal);
    const before = await this.#port.look(files, run);
    const there = files.filter(({ path }) => before.has(path) && !this.#shared.has(path));
    const sums = await this.#port.sums(there, this.#isReadBack ? this.#runOf(looking.signal, countingBytes(looking)) : run);
    const after = await this.#port.look(there, run);
    for (const file of files) {
      if (looking.signal.aborted) throw new EngineStopped();
      const states = [before, after].map((look) => look.get(file.path));
      yield [file, await this.#proofOf(file, sums.get(file.path), states, looking)];
    }
  }

  async #proofOf(
    file: SourceFile,
    sum: Sum | undefined,
    [before, after]: (FarState | undefined)[],
    looking: Looking,
  ): Promise<Proof | null> {
    if (this.#shared.has(file.path)) return differs('another file has the same name on the remote');
    try {
      const { source, signal } = looking;
      const onBytes = (bytes: number) => {
        if (!this.#isReadBack) looking.onBytes(bytes, file);
      };
      const here = await sumOf(await source.holderOf(file.path), file.type, looking.listed(file), sum?.algorithm ?? 'sha256', {
        signal,
        onBytes,
      });
      if (here === null) return CHANGED;
      if (!before || !after) return differs('there is no copy of it');
      if (before.bytes !== here.bytes) return differs('its copy has another size');
      if (!sum) return differs('its copy cannot be read');
      if (sum.hex !== here.hex) return differs('its copy has other content');
      if (identityOf(before) !== identityOf(after)) return differs('its copy changed while it was compared');
      this.#bySum.add(sum.by);
      this.#addFolders(file.path);
      return { equal: true, provedBy: sum.by, checksum: `${sum.algorithm}:${sum.hex}`, copy: identityOf(after) };
    } catch (error) {
      if (looking.signal.aborted) throw new EngineStopped();
      return unreadable(error);
    }
  }

  /** A remote has written what it says that it has. */
  secure(): Promise<void> {
    return Promise.resolve();
  }

  async lookAt(files: readonly SourceFile[], source: FolderWalk, signal: AbortSignal): Promise<void> {
    const run = this.#runOf(signal);
    await requireOtherFolders(this.#port, this.#task, { files, source }, run);
    this.#now = await this.#port.look(files, run);
    this.#lookOnce = (file) => this.#port.look([file], run);
  }

  identityOf({ path }: SourceFile): Promise<Identity | null> {
    const state = this.#now.get(path);
    return Promise.resolve(state ? identityOf(state) : null);
  }

  /** Of the first one of each batch: a look takes as long as one at all of them. */
  async identityAfter(file: SourceFile): Promise<Identity | null> {
    const look = this.#lookOnce;
    this.#lookOnce = null;
    if (!look) return this.identityOf(file);
    const state = (await look(file)).get(file.path);
    return state ? identityOf(state) : null;
  }

  hasFolder(path: string, signal: AbortSignal): Promise<boolean> {
    if (this.#folders.has(path)) return Promise.resolve(true);
    return this.#port.hasFolder(path, this.#runOf(signal));
  }

  #addFolders(path: string): void {
    const end = path.lastIndexOf('/');
    const folder = path.slice(0, Math.max(0, end));
    if (end < 0 || this.#folders.has(folder)) return;
    this.#folders.add(folder);
    this.#addFolders(folder);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Reading back is what takes the time. */
function countingBytes({ onBytes }: Looking): Run['onProgress'] {
  let counted = 0;
  return ({ bytesTransferred }) => {
    const bytes = bytesTransferred ?? 0;
    if (bytes > counted) onBytes(bytes - counted, null);
    counted = Math.max(counted, bytes);
  };
}

const identityOf = ({ bytes, time }: FarState): Identity => `${bytes} ${time}`;
