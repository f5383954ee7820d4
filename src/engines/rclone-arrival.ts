import { remoteOf } from '../../actors/paths.js';
import { EngineFailed, type Run, type TransferTask } from './engine.js';
import { listArgs, moveArgs, putAsideArgs, removeFoldersArgs, trashOf } from './rclone-args.js';
import { listOf } from './rclone-names.js';
import { mustBeZero, type RcloneProgram } from './rclone-program.js';
import type { RcloneRemotes } from './rclone-remotes.js';
import { inside, nameOf, parentOf, type Sides } from './rclone-sides.js';
import { Staging } from './staging.js';

/** How the files of a copy come to their final place without standing there before they are whole. */
export interface Arrival {
  /** Where rclone copies to. */
  into: string;
  /** What is there already is not copied again. */
  compareWith: string | null;
  begin(): Promise<void>;
  /** rclone is done: everything is whole. `copied`: so many files. */
  all(run: Run, copied: number): Promise<void>;
  /** rclone failed or was stopped: moves what is certainly whole, if that can be told, and answers its paths; null: all that was copied is there. */
  whole(): Promise<ReadonlySet<string> | null>;
}

const nothing = (): Promise<void> => Promise.resolve();

export async function arrivalOf(
  sides: Sides,
  task: TransferTask,
  run: Run,
  program: RcloneProgram,
  remotes: RcloneRemotes,
): Promise<Arrival> {
  const folder = sides.isFile ? (parentOf(sides.target) ?? sides.target) : sides.target;
  // Of a single file rclone looks for the name in the source, which may be another file at the destination.
  const compareWith = !sides.isFile || nameOf(sides.source) === nameOf(sides.target) ? folder : null;
  if (!remoteOf(sides.target)) return localArrival(sides, task, program, new Staging(folder, task.jobId), compareWith);
  const into = await remotes.stagingFor(sides, task, run);
  if (into === null) {
    return { into: sides.target, compareWith: null, begin: nothing, all: nothing, whole: () => Promise.resolve(null) };
  }
  return {
    into,
    compareWith,
    begin: nothing,
    async all(moving, copied) {
      const outcome = await program.run(moveArgs(task, sides, into), task, moving);
      // The folder was never made when everything was there already.
      const isEmpty = copied === 0 && outcome.exit.code !== 0 && outcome.errors.failure(outcome.exit).code === 'source_missing';
      if (isEmpty) return;
      mustBeZero(outcome);
      await program.ask(removeFoldersArgs(sides.isFile ? (parentOf(into) ?? into) : into), task, moving).catch((error: unknown) => {
        // A folder that was moved as a whole is not there any more.
        if (!(error instanceof EngineFailed) || !['source_missing', 'destination_missing'].includes(error.failure.code)) throw error;
      });
    },
    // Times on a remote prove nothing: the next attempt finds out what is whole, and goes on with it.
    whole: () => Promise.resolve(new Set<string>()),
  };
}

function localArrival(sides: Sides, task: TransferTask, program: RcloneProgram, staging: Staging, compareWith: string | null): Arrival {
  const trash = trashOf(task);
  return {
    into: sides.isFile ? inside(staging.files, nameOf(sides.target)) : staging.files,
    compareWith,
    begin: () => staging.begin(),
    async all(run) {
      // A copy of what is replaced, so that its place is never empty.
      if (trash !== null && !sides.isFile) {
        const names = await program.list(listArgs(task, sides, staging.files, 'files'), task, run);
        const stdin = listOf(names.flatMap((name) => [name, name.replace(/\.rclonelink$/, '')]));
        mustBeZero(await program.run(putAsideArgs('copy', sides.target, trash), task, run, { stdin }));
      }
      await staging.moveAll();
    },
    whole: () => staging.moveWhole(),
  };
}
