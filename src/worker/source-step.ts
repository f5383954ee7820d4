import type { Outcome, StepRun } from '../../actors/attempt-steps.js';
import type { Deletion, Job, TransferOptions, Verification } from '../../actors/job.js';
import { BoundedRun } from '../engines/bounded-run.js';
import type { Engine, Run, TransferTask } from '../engines/engine.js';
import { pathOf } from '../file-record.js';
import type { LogLine } from '../log-line.js';
import { number } from './number.js';
import { failed, type RealPaths } from './preflight.js';
import { showPath } from '../show-path.js';
import { SourceDeletion, type DeletionRun } from './source-deletion.js';
import { listSource } from './source-list.js';
import { requireTwoPlaces } from './two-places.js';

/** What the attempt lends to it. */
export interface SourceStepHost {
  say(level: LogLine['level'], text: string): void;
  /** Stores lines in the job's log; rejects when that cannot be done. */
  store(lines: string[]): Promise<void>;
  runOf(run: StepRun): Run;
}

/** The part of an attempt that deletes its source: listed before the copy, proved after it, then deleted. */
export class SourceStep {
  readonly #task: TransferTask;
  readonly #options: TransferOptions['deleteSource'];
  readonly #host: SourceStepHost;
  #source: SourceDeletion | null = null;

  constructor(task: TransferTask, host: SourceStepHost) {
    this.#task = task;
    this.#options = task.options.deleteSource;
    this.#host = host;
  }

  /** What was deleted so far, and what is kept; null when nothing was to be deleted. */
  get deletion(): Deletion | null {
    return this.#source?.deletion ?? null;
  }

  /** What may be deleted is what is there before the first byte is copied. */
  async list(engine: Engine, paths: RealPaths, run: StepRun): Promise<void> {
    if (!engine.list) {
      throw failed('invalid_job', `${engine.type} cannot delete a source: nothing was copied.`, 'Use rsync, or a job that only copies.');
    }
    const list = await listSource(this.#task, paths, await engine.list(this.#task, this.#host.runOf(run)));
    this.#host.say('info', `Listed ${number(list.files.length)} files that may be deleted once their copies are proved.`);
    this.#source = new SourceDeletion(list);
  }

  async proveAll(run: StepRun): Promise<Verification> {
    this.#host.say('info', 'Comparing every file with its copy, byte by byte.');
    const verification = await this.#with(run, (source, deletionRun) => source.proveAll(this.#task.attempt, deletionRun));
    this.#host.say('info', `Proved: ${number(verification.filesEqual)} files are equal, and their copies are on the disk.`);
    return verification;
  }

  /** Answers the proof when it was made on the way, file by file. */
  async delete(run: StepRun): Promise<Verification | null> {
    const perFile = this.#options.mode === 'per_file';
    if (this.#source) await requireTwoPlaces(this.#source.list.source, this.#source.list.target);
    this.#host.say('info', perFile ? 'Comparing and deleting the source, file by file.' : 'Deleting the source.');
    return this.#with(run, async (source, deletionRun) => {
      const verification = perFile ? await source.proveAndDelete(this.#task.attempt, deletionRun) : null;
      if (!perFile) await source.deleteProved(deletionRun);
      if (this.#options.emptyFolders) await source.removeEmptyFolders(deletionRun);
      const { filesDeleted, bytesDeleted, foldersDeleted, filesKept } = source.deletion;
      const rest = `${number(foldersDeleted)} empty folders went too, ${number(filesKept)} files are kept`;
      this.#host.say('info', `Deleted ${number(filesDeleted)} files with ${number(bytesDeleted)} bytes in the source; ${rest}.`);
      return verification;
    });
  }

  async close(): Promise<void> {
    await this.#source?.close();
  }

  async #with<T>(run: StepRun, work: (source: SourceDeletion, run: DeletionRun) => Promise<T>): Promise<T> {
    if (!this.#source) throw new Error('the source was not listed');
    const bounded = new BoundedRun(this.#host.runOf(run));
    try {
      return await work(this.#source, {
        signal: run.signal,
        onProgress: (progress) => {
          bounded.onProgress(progress);
        },
        announce: async (lines) => {
          await this.#announce(lines);
          await bounded.roomForFiles();
        },
        tell: ({ path, bytes }, outcome, why, sha256) => {
          if (outcome === 'kept') this.#host.say('warning', `Kept in the source: ${showPath(path)}: ${why}`);
          const [provedBy, checksum] = outcome === 'kept' ? [null, null] : (['bytes', sha256 && `sha256:${sha256}`] as const);
          bounded.file({ ...pathOf(Buffer.from(path, 'latin1')), outcome, bytes, provedBy, checksum, why });
        },
      });
    } finally {
      bounded.flush();
    }
  }

  async #announce(lines: string[]): Promise<void> {
    try {
      await this.#host.store(lines);
    } catch (error) {
      throw failed(
        'log_unavailable',
        `What is to be deleted cannot be written to the log (${error instanceof Error ? error.message : String(error)}), so it was not deleted.`,
        'See whether NATS has room and can be reached. The job is tried again by itself.',
        true,
      );
    }
  }
}

/** Of a run that was asked to delete nothing: everything is kept. */
export function skippedDeletion(job: Job | null, outcome: Outcome): Deletion | null {
  if (!job?.skipDeletion || outcome.verb !== 'complete') return null;
  const files = outcome.verification?.filesExpected ?? 0;
  const kept = [{ why: 'the deletion was skipped in this run, as asked', files }];
  return { filesDeleted: 0, bytesDeleted: 0, foldersDeleted: 0, filesKept: files, kept };
}

/** What a person reads of what was left. */
export const keptWarnings = ({ kept }: Deletion): string[] =>
  kept.map(({ files, why }) => `${number(files)} ${files === 1 ? 'file is' : 'files are'} kept in the source: ${why}.`);
