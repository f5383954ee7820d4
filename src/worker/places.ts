import type { Job } from '../../actors/job.js';
import { remoteOf } from '../../actors/paths.js';
import type { Engine, RemotesChecked, Run, TransferTask } from '../engines/engine.js';
import { checkSpace } from './free-space.js';
import { checkGuards } from './guards.js';
import { checkManifest } from './manifest.js';
import { checkDestination, checkPaths, checkSource, checkTrash, failed, type RealPaths } from './preflight.js';

/** The two sides of a transfer as they were found before anything ran: paths on the disk, remotes by the engine. */
export class Places {
  /** Null when a side is a remote. */
  readonly paths: RealPaths | null;
  /** Where on this machine room is needed. */
  readonly #space: Pick<RealPaths, 'target' | 'existing'> | null;
  readonly #remotes: RemotesChecked | null;

  private constructor(paths: RealPaths | null, space: Pick<RealPaths, 'target' | 'existing'> | null, remotes: RemotesChecked | null) {
    [this.paths, this.#space, this.#remotes] = [paths, space, remotes];
  }

  /** Rejects with `EngineFailed` that names what is wrong and what to do. */
  static async check(task: TransferTask, engine: Engine, roots: readonly string[], seen: Job['seen'], run: Run): Promise<Places> {
    const { source, destination, options } = task;
    const doing = options.compareOnly === true ? 'read' : 'write';
    const isRemote = { source: remoteOf(source) !== null, destination: remoteOf(destination) !== null };
    if (!isRemote.source && !isRemote.destination) {
      const paths = await checkPaths(task, roots, doing);
      await checkTrash(task, paths, roots);
      if (options.manifest) await checkManifest({ manifest: options.manifest, paths, roots });
      for (const said of await checkGuards(task, paths, seen ?? null)) run.log('info', 'worker', said);
      return new Places(paths, paths, null);
    }
    if (!engine.checkRemotes) throw failed('remote_not_allowed', `${engine.type} takes no remotes.`, 'Use a job of type rclone.');
    if (!isRemote.source) await checkSource(source, roots);
    const local = isRemote.destination ? null : await checkDestination(destination, roots, doing);
    if (local) await checkTrash(task, { source: local.real, target: local.real, existing: local.existing }, roots);
    return new Places(null, local && { target: local.real, existing: local.existing }, await engine.checkRemotes(task, run));
  }

  /** Rejects with `disk_full` when it is certain that so many bytes do not fit. */
  async requireSpace(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#space) await checkSpace(this.#space, bytes, signal);
    const free = this.#remotes?.freeBytes ?? null;
    if (free === null || bytes <= free) return;
    throw failed(
      'disk_full',
      `The copy needs ${bytes} bytes and the remote has ${free} bytes free: ${bytes - free} bytes too few. Nothing was copied.`,
      'Free space on the remote or choose another one, then retry the job.',
    );
  }
}
