import { lstat, rmdir } from 'node:fs/promises';
import type { Deletion, Progress, Verification } from '../../actors/job.js';
import { EngineStopped } from '../engines/engine.js';
import type { Copies } from './copies.js';
import { identityOf, type Proof, type Proven } from './file-proof.js';
import { announcement, folderAnnouncement, type Announced } from './announcement.js';
import { FolderWalk } from './folder.js';
import { failed } from './preflight.js';
import { SeveralNames } from './several-names.js';
import { showPath } from '../show-path.js';
import type { SourceFile, SourceList } from './source-list.js';

/** What is deleted in one go, after one entry in the log. */
const BATCH = { files: 200, bytes: 64 * 1024 * 1024 };
/** What is proved in one go when nothing is deleted meanwhile. */
const PROOF = { files: 2000, bytes: 4 * 1024 * 1024 * 1024 };

/** What the deletion is given. Everything that it does is told here. */
export interface DeletionRun {
  signal: AbortSignal;
  onProgress(progress: Partial<Progress>): void;
  /** Stores what is about to be deleted. Nothing is deleted before this has resolved. */
  announce(entries: Announced[]): Promise<void>;
  /** What became of one file. */
  tell(file: SourceFile, outcome: 'deleted' | 'kept', why: string | null, proof: Proven | null): void;
}

const NO_RUN: DeletionRun = {
  signal: new AbortController().signal,
  onProgress: () => undefined,
  announce: () => Promise.reject(new Error('nothing may be deleted now')),
  tell: () => undefined,
};

interface Proved {
  file: SourceFile;
  proof: Proven;
}

/**
 * Deletes the files of a source whose copies are proved: each was compared
 * by its content in this attempt, is the very file that was listed before the
 * copy, and neither it nor its copy has changed since.
 */
export class SourceDeletion {
  readonly list: SourceList;
  #run: DeletionRun = NO_RUN;
  readonly #source: FolderWalk;
  readonly #copies: Copies;
  readonly #names = new SeveralNames();
  #proved: Proved[] = [];
  #kept = new Map<string, number>();
  #gone = 0;
  #changed = 0;
  #differing: string[] = [];
  #filesEqual = 0;
  #bytesCompared = 0;
  readonly #bytesTotal: number;
  #done = { filesDeleted: 0, bytesDeleted: 0, foldersDeleted: 0 };

  constructor(list: SourceList, copies: Copies) {
    [this.list, this.#copies] = [list, copies];
    // At least 1: an empty file is whole at once.
    this.#bytesTotal = Math.max(
      1,
      list.files.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    this.#source = new FolderWalk(list.source);
    this.#count('no copy is made of sockets, pipes and devices', list.special.length);
  }

  get how(): string {
    return this.#copies.how;
  }

  get where(): string {
    return this.#copies.where;
  }

  /** Once more, right before the first file goes. */
  requireTwoPlaces(signal: AbortSignal): Promise<void> {
    return this.#copies.requireTwoPlaces(this.list.source, 'deletion', signal);
  }

  get deletion(): Deletion {
    const kept = [...this.#kept].map(([why, files]) => ({ why, files }));
    return { ...this.#done, filesKept: kept.reduce((sum, { files }) => sum + files, 0), kept: kept.slice(0, 20) };
  }

  get verification(): Verification {
    const filesExpected = this.list.files.length - this.#gone;
    return {
      ...this.#copies.method,
      filesExpected,
      filesEqual: this.#filesEqual,
      mismatches: this.#differing.length + this.#changed,
    };
  }

  /** Compares every file before the first is deleted. Rejects when one is not proved: then nothing may go. */
  async proveAll(attempt: number, run: DeletionRun): Promise<Verification> {
    this.#run = run;
    for (const batch of batchesOf(this.list.files, PROOF)) await this.#prove(batch);
    this.#requireAllProved(attempt, 'Nothing was deleted.');
    await this.#copies.secure(this.#proved);
    return this.verification;
  }

  /** Deletes what `proveAll` has proved. */
  async deleteProved(run: DeletionRun): Promise<void> {
    this.#run = run;
    for (let at = 0; at < this.#proved.length; at += BATCH.files) await this.#delete(this.#proved.slice(at, at + BATCH.files));
  }

  /** Proves and deletes file by file; what is not proved stays, and the job fails in the end for it. */
  async proveAndDelete(attempt: number, run: DeletionRun): Promise<Verification> {
    this.#run = run;
    for (const batch of batchesOf(this.list.files, BATCH)) {
      await this.#prove(batch);
      await this.#copies.secure(this.#proved);
      await this.#delete(this.#proved.splice(0));
    }
    this.#requireAllProved(attempt, `${this.#done.filesDeleted} files that are proved were deleted, the others kept.`);
    return this.verification;
  }

  /** Removes the listed folders that are empty by now, the innermost first; the source folder itself stays. */
  async removeEmptyFolders(run: DeletionRun): Promise<void> {
    this.#run = run;
    const folders = this.list.folders.toReversed();
    for (let at = 0; at < folders.length; at += BATCH.files) {
      this.#stopIfAsked();
      const batch = folders.slice(at, at + BATCH.files);
      await this.#run.announce(batch.map(folderAnnouncement));
      for (const name of batch) await this.#removeFolder(name);
    }
  }

  async close(): Promise<void> {
    await this.#source.close();
    await this.#copies.close();
  }

  async #prove(batch: readonly SourceFile[]): Promise<void> {
    const { signal } = this.#run;
    const onBytes = (bytes: number, file: SourceFile | null) => {
      this.#bytesCompared += bytes;
      this.#run.onProgress({
        percent: Math.min(99.9, (99.9 * this.#bytesCompared) / this.#bytesTotal),
        bytesTransferred: this.#bytesCompared,
        bytesTotal: this.#bytesTotal,
        filesTransferred: this.#filesEqual,
        filesTotal: this.list.files.length,
        ...(file && { currentFile: showPath(file.path) }),
      });
    };
    const looking = { source: this.#source, listed: (file: SourceFile) => this.#names.identityOf(file.identity), signal, onBytes };
    for await (const [file, proof] of this.#copies.prove(batch, looking)) {
      this.#stopIfAsked();
      this.#take(file, proof);
    }
  }

  /** `null` when the file is gone: there is nothing to delete then. */
  #take(file: SourceFile, proof: Proof | null): void {
    if (proof === null) this.#gone++;
    else if (proof.equal) {
      this.#filesEqual++;
      this.#proved.push({ file, proof });
    } else {
      if (proof.changed) this.#changed++;
      else this.#differing.push(`${showPath(file.path)}: ${proof.why}`);
      this.#keep(file, proof.why);
    }
  }

  async #delete(batch: readonly Proved[]): Promise<void> {
    if (batch.length === 0) return;
    this.#stopIfAsked();
    await this.#run.announce(batch.map(announcement));
    await this.#copies.lookAt(
      batch.map(({ file }) => file),
      this.#source,
      this.#run.signal,
    );
    for (const proved of batch) {
      this.#stopIfAsked();
      await this.#deleteOne(proved);
    }
  }

  async #deleteOne({ file, proof }: Proved): Promise<void> {
    try {
      const source = await this.#source.holderOf(file.path);
      const [now, there] = await Promise.all([lstat(source.folder.at(source.name), { bigint: true }), this.#copies.identityOf(file)]);
      const isChanged = identityOf(now) !== this.#names.identityOf(file.identity);
      const changed = isChanged ? 'it changed' : there !== proof.copy && 'its copy changed or went away';
      if (changed) {
        this.#keep(file, `${changed} after it was proved`);
        return;
      }
      await this.#names.unlink(source, file.identity, now);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      // Gone by itself: not deleted by this job.
      if (code !== 'ENOENT') this.#keep(file, `it cannot be deleted (${code})`);
      return;
    }
    this.#done.filesDeleted++;
    this.#done.bytesDeleted += file.bytes;
    this.#run.tell(file, 'deleted', null, proof);
    if ((await this.#copies.identityAfter(file)) !== proof.copy) throw wentTogether(file);
    this.#run.onProgress({
      filesTransferred: this.#done.filesDeleted,
      filesTotal: this.list.files.length,
      currentFile: showPath(file.path),
    });
  }

  async #removeFolder(name: string): Promise<void> {
    try {
      const source = await this.#source.holderOf(name);
      if (!(await this.#copies.hasFolder(name, this.#run.signal))) return;
      await rmdir(source.folder.at(source.name));
      this.#done.foldersDeleted++;
    } catch (error) {
      // It is not empty, or not ours to remove: it stays.
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  }

  #keep(file: SourceFile, why: string): void {
    this.#count(why);
    this.#run.tell(file, 'kept', why, null);
  }

  #count(why: string, files = 1): void {
    if (files > 0) this.#kept.set(why, (this.#kept.get(why) ?? 0) + files);
  }

  #stopIfAsked(): void {
    if (this.#run.signal.aborted) throw new EngineStopped();
  }

  #requireAllProved(attempt: number, whatWasDone: string): void {
    const [first] = this.#differing;
    if (first !== undefined) {
      throw failed(
        'verification_failed',
        `${this.#differing.length} of ${this.list.files.length} files are not proved to be copied. ${whatWasDone} The first: ${first}.`,
        this.#copies.areRepaired
          ? 'The log names each. A further attempt compares by content before it copies; if files differ again, check the disks and the memory.'
          : 'The log names each. The remote has no hash to find such copies by: delete or rename them there, then retry the job.',
        // The first attempt copies by size and time, those after it by content: that puts a copy right whose size and time deceive.
        attempt === 1 && this.#copies.areRepaired,
      );
    }
    if (this.#changed > 0) {
      throw failed(
        'source_changed',
        `${this.#changed} of ${this.list.files.length} files changed after they were listed. ${whatWasDone}`,
        'The job is tried again by itself; let it run while nothing writes to the source.',
        true,
      );
    }
  }
}

/** A folder deep in the tree that is mounted on both sides: found out with the first file, before a second one goes. */
const wentTogether = ({ path }: SourceFile): Error =>
  failed(
    'source_is_destination',
    `${showPath(path)} was deleted in the source and its copy changed with it: both are one place, mounted twice. Nothing more was deleted.`,
    'Unmount one of them and choose another destination. The log has the names of what was deleted.',
  );

function* batchesOf(files: readonly SourceFile[], most: { files: number; bytes: number }): Generator<SourceFile[]> {
  let batch: SourceFile[] = [];
  let bytes = 0;
  for (const file of files) {
    batch.push(file);
    bytes += file.bytes;
    if (batch.length < most.files && bytes < most.bytes) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}
