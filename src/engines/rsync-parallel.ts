import { EngineFailed, EngineStopped, type Run, type TransferTask } from './engine.js';
import { asFolders } from './rsync-args.js';
import type { Part } from './rsync-split.js';

export function partsOf(task: TransferTask, lists: readonly (readonly string[])[]): Part[] {
  const [source, destination] = asFolders(task.source, task.destination);
  return lists.map((list, index) => ({ ...task, source, destination, list, part: index + 1, parts: lists.length }));
}

/**
 * Does all of it at once. The first that fails stops the others. Settles when
 * nothing runs any more; rejects with the failure that weighs most, and one that
 * a person has to do something about weighs more than one that passes by itself.
 */
export async function allAtOnce<T>(works: readonly ((run: Run) => Promise<T>)[], run: Run): Promise<T[]> {
  const others = new AbortController();
  const stoppable = withSignal(run, AbortSignal.any([run.signal, others.signal]));
  const ended = await Promise.allSettled(
    works.map(async (work) => {
      try {
        return await work(stoppable);
      } catch (error) {
        others.abort();
        throw error;
      }
    }),
  );
  if (run.signal.aborted) throw new EngineStopped();
  const failures = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (failures.length > 0) throw failures.sort((a, b) => weightOf(b) - weightOf(a))[0];
  return ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

function weightOf(error: unknown): number {
  if (error instanceof EngineStopped) return 0;
  if (error instanceof EngineFailed) return error.failure.retriable ? 1 : 2;
  return 3;
}

const withSignal = (run: Run, signal: AbortSignal): Run => ({
  signal,
  onProgress: (progress) => run.onProgress(progress),
  log: (level, stream, text) => run.log(level, stream, text),
  file: (entry) => run.file(entry),
  roomForFiles: () => run.roomForFiles(),
});
