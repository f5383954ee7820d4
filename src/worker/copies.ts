import type { Verification } from '../../actors/job.js';
import type { Identity, Proof, Proven } from './file-proof.js';
import type { FolderWalk } from './folder.js';
import type { SourceFile } from './source-list.js';

/** What a proof needs of the source. */
export interface Looking {
  source: FolderWalk;
  /** What a file has to be, unless it changed after it was listed. */
  listed(file: SourceFile): Identity;
  signal: AbortSignal;
  /** So many more were compared; of several files at once it is not told which. */
  onBytes(bytes: number, file: SourceFile | null): void;
}

/** Where the copies are that a move has made: what of it proves them and finds them again. */
export interface Copies {
  /** How they are compared, for people. */
  readonly how: string;
  /** Where they are when they are proved, for people. */
  readonly where: string;
  /** Whether a further attempt puts a copy right whose size and time deceive. */
  readonly areRepaired: boolean;
  /** Rejects when the folder of the source and that of the copies are one, or one lies in the other. */
  requireTwoPlaces(source: string, before: 'copy' | 'deletion', signal: AbortSignal): Promise<void>;
  /** How they were compared so far. */
  readonly method: Pick<Verification, 'method' | 'algorithm'>;
  /** One file after the other. `null` of a file that is gone in the source. */
  prove(files: readonly SourceFile[], looking: Looking): AsyncIterable<[SourceFile, Proof | null]>;
  /** A copy that is not on the disk yet would be lost with the power. */
  secure(proved: readonly { file: SourceFile; proof: Proven }[]): Promise<void>;
  /** Files are deleted next. Rejects when they and their copies are one. */
  lookAt(files: readonly SourceFile[], source: FolderWalk, signal: AbortSignal): Promise<void>;
  /** What the copy is, right before its file is deleted; null when it is gone. */
  identityOf(file: SourceFile): Promise<Identity | null>;
  /** The same right after that. */
  identityAfter(file: SourceFile): Promise<Identity | null>;
  hasFolder(path: string, signal: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
}
