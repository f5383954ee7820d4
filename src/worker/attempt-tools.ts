import type { AttemptId } from '../../actors/worker.js';
import type { Engine } from '../engines/engine.js';
import type { Keeper } from '../engines/keeper.js';
import type { FileSink } from '../file-record.js';
import type { JobClient } from '../job-client.js';
import type { LogLine } from '../log-line.js';
import type { AttemptFiles } from './attempt-files.js';

/** Where the lines of a job's log go. */
export interface LogSink {
  write(line: Omit<LogLine, 'seq'>): void;
  /** Resolves when the lines, all of one attempt, are stored; rejects when they could not be. */
  store(lines: Omit<LogLine, 'seq'>[]): Promise<void>;
  flush(): Promise<void>;
}

/** What all attempts of a worker share. */
export interface AttemptTools {
  name: string;
  client: JobClient;
  engines: ReadonlyMap<string, Engine>;
  roots: readonly string[];
  files: AttemptFiles;
  keeper: Pick<Keeper, 'extend' | 'forget'>;
  log: LogSink;
  /** Takes what becomes of the files of one attempt. */
  fileSink: (attempt: AttemptId) => FileSink;
  /** How long a question about the lease may take. */
  renewTimeoutMs: number;
}
