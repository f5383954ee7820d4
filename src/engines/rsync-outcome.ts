import { EngineFailed, type Counted, type TransferTask } from './engine.js';
import type { ChildExit } from './process.js';
import { tellsChanges } from './rsync-args.js';
import type { RsyncErrors } from './rsync-failures.js';
import type { StatLine } from './rsync-output.js';
import type { ChangesFound } from './rsync-preview.js';

/** How one run of rsync ended, and the totals that it told. */
export interface Outcome {
  exit: ChildExit;
  errors: RsyncErrors;
  stats: Map<string, StatLine>;
}

/** The exit code of a run in which files vanished meanwhile. */
export const VANISHED = 24;
export const FILES = 'Number of files';
const BYTES = 'Total file size';
export const FILES_TRANSFERRED = 'Number of regular files transferred';
export const FILES_DELETED = 'Number of deleted files';
export const BYTES_TRANSFERRED = 'Total transferred file size';

export function mustBeZero({ exit, errors }: Outcome): void {
  if (exit.code !== 0) throw new EngineFailed(errors.failure(exit));
}

export function totalOf({ exit, stats }: Outcome, key: string): StatLine {
  const stat = stats.get(key);
  if (stat) return stat;
  throw new EngineFailed({
    code: 'engine_error',
    message: `rsync ended with exit code ${exit.code}, but did not say the total ${JSON.stringify(key)}.`,
    exitCode: exit.code,
    retriable: false,
    advice: 'Run "tallyman doctor": this may be a version of rsync that prints other words.',
  });
}

/** What a dry run counted. */
export function countedBy(outcome: Outcome, task: TransferTask, found: ChangesFound): Counted {
  const all = totalOf(outcome, FILES);
  return {
    ...(task.only ? {} : { source: { files: all.value - (all.byType['dir'] ?? 0), bytes: totalOf(outcome, BYTES).value } }),
    ...(tellsChanges(task) ? { changes: found.changes(all) } : {}),
    filesTotal: totalOf(outcome, FILES_TRANSFERRED).value,
    bytesTotal: totalOf(outcome, BYTES_TRANSFERRED).value,
  };
}
