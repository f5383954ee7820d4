import type { FileOutcome } from '../actors/job.js';

/** What became of one file in one attempt, as it stands in the FILES stream and as every front end gives it. */
export interface FileRecord {
  /** Its place in the FILES stream: pass it as `after` to go on from there. Set when read. */
  seq: number;
  /** ISO 8601, UTC. */
  at: string;
  job: string;
  attempt: number;
  /** Relative to the source folder, as text; the name of the file itself when the source is one. */
  path: string;
  /** The raw bytes of the path, only when they are no valid UTF-8: `path` has U+FFFD there. */
  pathBase64?: string;
  outcome: FileOutcome;
  bytes: number | null;
  /** By what comparison of both sides it is proved; `none`: nothing was compared; `null` where there is nothing to prove. */
  provedBy: 'checksum' | 'bytes' | 'size' | 'none' | null;
  /** `<algorithm>:<hex>`, where the program tells it. */
  checksum: string | null;
  /** Of a file that failed or was left out: the cause, for people. */
  why: string | null;
}

/** What an engine tells of a file. */
export type FileEntry = Omit<FileRecord, 'seq' | 'at' | 'job' | 'attempt'>;

/** Takes what becomes of the files of one attempt. */
export interface FileSink {
  write(entry: FileEntry): void;
  /** Resolves when there is room for more. Who tells many files waits for it now and then. */
  room(): Promise<void>;
  /** Resolves with `true` when all of them are stored, and with `false` when `signal` came first. */
  flush(signal: AbortSignal): Promise<boolean>;
}

/** The members that name a file, of its raw bytes. */
export function pathOf(bytes: Buffer): Pick<FileRecord, 'path' | 'pathBase64'> {
  const path = bytes.toString('utf8');
  return Buffer.from(path).equals(bytes) ? { path } : { path, pathBase64: bytes.toString('base64') };
}

/** The same of a name that is carried as latin1 text, a character for each byte. */
export const pathOfLatin1 = (name: string): Pick<FileRecord, 'path' | 'pathBase64'> =>
  isAscii(name) ? { path: name } : pathOf(Buffer.from(name, 'latin1'));

/** Bytes that are read the same as latin1 and as UTF-8: of millions of names most are so. */
export const isAscii = (latin1: string): boolean => !/[\x80-\xff]/.test(latin1);

/** The raw bytes that `pathOf` was given. */
export const bytesOf = ({ path, pathBase64 }: Pick<FileRecord, 'path' | 'pathBase64'>): Buffer =>
  pathBase64 === undefined ? Buffer.from(path) : Buffer.from(pathBase64, 'base64');
