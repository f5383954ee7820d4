import type { JobFailure, Progress, TransferOptions, TransferType, Verification } from '../../actors/job.js';
import type { Preview } from '../answers.js';
import type { FileEntry, FileSink } from '../file-record.js';
import type { LogLine } from '../log-line.js';

/**
 * The port of a transfer engine. rsync and rclone implement it; both
 * pass `specs/engines/contract.ts`. An engine proves what it says by what it
 * measured, never by what the program printed.
 */
export interface Engine {
  readonly type: TransferType;
  /** Finds the program and its version, or says how to get it. Called once at start and by `doctor`. */
  probe(): Promise<EngineProbe>;
  /** Looks at the sides that are remotes: known here, in reach, the source there. An engine without it takes no remotes. */
  checkRemotes?(task: TransferTask, run: Run): Promise<RemotesChecked>;
  /** Looks for the markers that sides on other machines are to have. Rejects with `marker_missing`. */
  checkMarkers?(task: TransferTask, run: Run): Promise<void>;
  /** What would be moved: the denominator of the progress. Runs before the first byte. */
  count(task: TransferTask, run: Run): Promise<Counted>;
  /** Copies. Resolves only when the program exited 0 (or with warnings that leave nothing undone). */
  transfer(task: TransferTask, counted: Counted, run: Run): Promise<Transferred>;
  /** What a transfer would do. An engine without it has no previews. */
  preview?(task: TransferTask, run: Run): Promise<EnginePreview>;
  /** Compares both sides in full, by content or by size. */
  verify(task: TransferTask, method: 'size' | 'checksum', run: Run): Promise<Verification>;
  /** Every entry of the source that a transfer looks at, by the same patterns. An engine without it cannot delete a source. */
  list?(task: TransferTask, run: Run): Promise<ListedEntry[]>;
  /** The copies that a transfer to a remote makes there. An engine without it moves nothing to a remote. */
  farCopies?(task: TransferTask, run: Run): Promise<FarCopies>;
}

/** An entry of the source and its copy. The path is as `list` tells it. */
export type Copied = Pick<ListedEntry, 'path'> & { type: 'file' | 'link' };

/** Of an algorithm that both sides can compute. */
export interface Sum {
  algorithm: 'sha256' | 'sha1' | 'md5';
  hex: string;
  /** `checksum`: the remote says so of itself. `bytes`: the file was read back. */
  by: 'checksum' | 'bytes';
}

/** The copies of one job on a remote. A link's copy is a file that holds its target. */
export interface FarCopies {
  /** The folder there that holds them, for show. */
  place: string;
  /** By what the remote tells of its files; null: they are read back. */
  algorithm: Sum['algorithm'] | null;
  /** The paths of files that would have one and the same copy. */
  sharing(files: readonly Copied[]): Set<string>;
  /** Size and time of each that is there, by path. */
  look(files: readonly Copied[], run: Run): Promise<Map<string, FarState>>;
  /** The sum of each that is there and can be read, by path. */
  sums(files: readonly Copied[], run: Run): Promise<Map<string, Sum>>;
  hasFolder(path: string, run: Run): Promise<boolean>;
  /** Puts a file of this name into the folder. */
  putProbe(name: string, run: Run): Promise<void>;
  /** The files whose names begin so, in the folder and below it. */
  findProbes(prefix: string, run: Run): Promise<string[]>;
  /** Removes such files. */
  removeProbes(paths: readonly string[], run: Run): Promise<void>;
  /** Removes the folders that `putProbe` had to make, unless something is in them. */
  removeMadeFolders(run: Run): Promise<void>;
}

export interface FarState {
  bytes: number;
  time: string;
}

export interface ListedEntry {
  /** As the engine names it, byte by byte (latin1); a source without a slash at its end stands before it. */
  path: string;
  type: 'file' | 'link' | 'folder' | 'special';
}

export type EngineProbe = { found: true; program: string; version: string; notes: string[] } | { found: false; advice: string };

export interface TransferTask {
  jobId: string;
  attempt: number;
  /** Of the job. */
  createdAtMs?: number;
  source: string;
  destination: string;
  options: TransferOptions;
  /** `count` has to tell `changes`, as it does of a mirror. */
  countChanges?: boolean;
  /** Only these files and folders of the source folder, byte by byte, and nothing else. A comparison is of everything all the same. */
  only?: readonly Buffer[];
}

export interface RemotesChecked {
  /** Of a destination that is a remote; null when it is none, or does not tell. */
  freeBytes: number | null;
}

export interface Counted {
  filesTotal: number;
  bytesTotal: number;
  /** All that is in the source and not left out, equal or not; an engine that does not tell has it not guarded. */
  source?: Pick<Amount, 'files' | 'bytes'>;
  /** Of a mirror, and when they are asked for. */
  changes?: Changes;
}

export interface Amount {
  /** Links and special files are files here. */
  files: number;
  folders: number;
  bytes: number;
}

/** What a run would do. */
export interface Changes {
  create: Amount;
  change: Amount;
  delete: Amount;
  /** Files of the source that are the same in the destination already. */
  equal: number;
  /** A digest of the names to be deleted; '' when there are none. */
  deletions: string;
}

export type EnginePreview = Pick<Preview, 'counts' | 'names' | 'truncated' | 'unusedPatterns' | 'command'> & {
  changes: Changes;
  /** Why the program says that it would fail. */
  failure: JobFailure | null;
};

export interface Transferred {
  filesTransferred: number;
  bytesTransferred: number;
  warnings: string[];
}

/** What an engine is given to run with. Everything it does is visible here. */
export interface Run {
  /** Aborted to stop: the engine ends its child politely, then hard, and rejects with `EngineStopped`. */
  signal: AbortSignal;
  onProgress(progress: Partial<Progress>): void;
  log(level: LogLine['level'], stream: LogLine['stream'], text: string): void;
  /** What became of one file. */
  file(entry: FileEntry): void;
  /** Resolves when the store has room for more of them: an engine that tells many at once waits for it now and then. */
  roomForFiles: FileSink['room'];
}

/** The engine failed: `failure` says the cause, the exit code and what to do. */
export class EngineFailed extends Error {
  readonly failure: JobFailure;
  constructor(failure: JobFailure, options?: ErrorOptions) {
    super(failure.message, options);
    this.name = 'EngineFailed';
    this.failure = failure;
  }
}

/** The engine was stopped by its signal; nothing of it runs any more. */
export class EngineStopped extends Error {
  constructor() {
    super('stopped');
    this.name = 'EngineStopped';
  }
}
