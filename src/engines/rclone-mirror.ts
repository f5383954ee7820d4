import { rmdir } from 'node:fs/promises';
import { remoteOf } from '../../actors/paths.js';
import { showPath } from '../show-path.js';
import { EngineFailed, type Run, type TransferTask } from './engine.js';
import { FailureCauses } from './failure-causes.js';
import { deleteArgs, putAsideArgs, removeFoldersArgs, trashOf } from './rclone-args.js';
import { dryRun, namesOf } from './rclone-changes.js';
import { entryOf } from './rclone-files.js';
import { listOf, realName } from './rclone-names.js';
import { mustBeZero, type RcloneProgram } from './rclone-program.js';
import { inside, type Sides } from './rclone-sides.js';

/**
 * Deletes what the source does not have, after a copy that failed nowhere.
 * `rclone sync --max-delete` deletes up to its limit and then stops. So the names
 * are listed first, by a dry run; when they are too many none goes; each is in
 * the log before it goes; and rclone is given this list and nothing else.
 */
export async function deleteExtraneous(task: TransferTask, sides: Sides, run: Run, program: RcloneProgram): Promise<void> {
  const { files, folders, outcome } = await dryRun(task, sides, run, program);
  mustBeZero(outcome);
  requireFew(files.length + folders.length, task.options.maxDelete ?? 0);
  const names = namesOf(sides.target, () => Promise.resolve([]));
  const paths = await Promise.all(files.map((name) => names.onDisk(name)));
  for (const path of [...paths, ...folders.map((name) => `${realName(name)}/`)]) run.log('info', 'worker', `*deleting   ${showPath(path)}`);
  if (files.length > 0) {
    const trash = trashOf(task);
    const stdin = listOf((await Promise.all(paths.map((path) => names.ofDisk(path)))).flat());
    const args = trash === null ? deleteArgs(sides.target) : putAsideArgs('move', sides.target, trash);
    mustBeZero(await program.run(args, task, run, { stdin }));
  }
  const removed = await removeFolders(folders, task, sides, run, program);
  const why = 'The source does not have it.';
  for (const path of [...paths, ...removed.map((name) => `${realName(name)}/`)]) run.file(entryOf(path, 'deleted', { why }));
  await run.roomForFiles();
}

function requireFew(deletions: number, maxDelete: number): void {
  if (deletions <= maxDelete) return;
  const causes = new FailureCauses();
  causes.add('delete_limit', `${deletions} files and folders would be deleted, and options.maxDelete allows ${maxDelete}: none was.`);
  throw new EngineFailed(causes.failure('The copy is done, the deletion is not.', null, 'delete_limit'));
}

/** Those in others come first. A folder that still holds something, which an exclude names, stays. Answers what went. */
async function removeFolders(
  folders: string[],
  task: TransferTask,
  { target }: Sides,
  run: Run,
  program: RcloneProgram,
): Promise<string[]> {
  if (remoteOf(target)) {
    for (const name of topmost(folders)) {
      const outcome = await program.run(removeFoldersArgs(inside(target, Buffer.from(name, 'latin1').toString('utf8'))), task, run);
      // Stores of objects have no folders that could be left.
      if (outcome.exit.code !== 0 && outcome.errors.failure(outcome.exit).code !== 'source_missing') mustBeZero(outcome);
    }
    return folders;
  }
  const removed: string[] = [];
  for (const name of folders) {
    try {
      await rmdir(Buffer.concat([Buffer.from(`${target}/`), Buffer.from(realName(name), 'latin1')]));
      removed.push(name);
    } catch (error) {
      run.log('warning', 'worker', `The folder ${showPath(realName(name))} stays: ${(error as Error).message}`);
    }
  }
  return removed;
}

const topmost = (folders: readonly string[]): string[] => folders.filter((name) => !folders.some((other) => name.startsWith(`${other}/`)));
