import type { Job } from '../../actors/job.js';
import { isRemote } from '../../actors/paths.js';
import type { Engine, RemotesChecked, Run, TransferTask } from '../engines/engine.js';
import { requireAnswers } from './disk-answers.js';
import { checkSpace } from './free-space.js';
import { checkGuards } from './guards.js';
import { checkManifest } from './manifest.js';
import { checkDestination, checkPaths, checkSource, checkTrash, failed, type LocalSides, type RealPaths } from './preflight.js';

/** The two sides of a transfer as they were found before anything ran: paths on the disk, remotes by the engine. */
export class Places {
  readonly local: LocalSides;
  readonly #remotes: RemotesChecked | null;

  private constructor(local: LocalSides, remotes: RemotesChecked | null) {
    [this.local, this.#remotes] = [local, remotes];
  }

  /** Whether they can be used at all. Rejects with `EngineFailed` that names what is wrong and what to do. */
  static async look(task: TransferTask, engine: Engine, roots: readonly string[], run: Run): Promise<Places> {
    return Places.#withRemotes(await lookHere(task, roots), task, engine, run);
  }

  static async #withRemotes(local: LocalSides, task: TransferTask, engine: Engine, run: Run): Promise<Places> {
    if (![task.source, task.destination].some(isRemote)) return new Places(local, null);
    if (!engine.checkRemotes) throw failed('remote_not_allowed', `${engine.type} takes no remotes.`, 'Use a job of type rclone.');
    return new Places(local, await engine.checkRemotes(task, run));
  }

  /** The same, and whether they are the ones that are meant. */
  static async check(task: TransferTask, engine: Engine, roots: readonly string[], seen: Job['seen'], run: Run): Promise<Places> {
    const local = await lookHere(task, roots);
    await checkTrash(task, local, roots);
    const places = await Places.#withRemotes(local, task, engine, run);
    if (task.options.manifest && places.paths) await checkManifest({ manifest: task.options.manifest, paths: places.paths, roots });
    for (const said of await checkGuards(task, local, seen ?? null)) run.log('info', 'worker', said);
    await engine.checkMarkers?.(task, run);
    return places;
  }

  /** Null when a side is a remote. */
  get paths(): RealPaths | null {
    const { source, target, existing } = this.local;
    return source === null || target === null || existing === null ? null : { source, target, existing };
  }

  /** Rejects with `disk_full` when it is certain that so many bytes do not fit. */
  async requireSpace(bytes: number, signal: AbortSignal): Promise<void> {
    const { target, existing } = this.local;
    if (target !== null && existing !== null) await checkSpace({ target, existing }, bytes, signal);
    const free = this.#remotes?.freeBytes ?? null;
    if (free === null || bytes <= free) return;
    throw failed(
      'disk_full',
      `The copy needs ${bytes} bytes and the remote has ${free} bytes free: ${bytes - free} bytes too few. Nothing was copied.`,
      'Free space on the remote or choose another one, then retry the job.',
    );
  }
}

/** The sides on this machine. */
async function lookHere(task: TransferTask, roots: readonly string[]): Promise<LocalSides> {
  const { source, destination, options } = task;
  await requireAnswers([source, destination]);
  const doing = options.compareOnly === true ? 'read' : 'write';
  if (!isRemote(source) && !isRemote(destination)) return checkPaths(task, roots, doing);
  const from = isRemote(source) ? null : await checkSource(source, roots);
  const to = isRemote(destination) ? null : await checkDestination(destination, roots, doing);
  return { source: from?.real ?? null, target: to?.real ?? null, existing: to?.existing ?? null };
}
