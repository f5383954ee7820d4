import type { Outcome, StepRun } from '../../actors/attempt-steps.js';
import type { Deletion, Job, TransferOptions, Verification } from '../../actors/job.js';
import { isRemote } from '../../actors/paths.js';
import { BoundedRun } from '../engines/bounded-run.js';
import { EngineFailed, type Engine, type Run, type TransferTask } from '../engines/engine.js';
import { pathOfLatin1, type FileEntry } from '../file-record.js';
import type { JobClient } from '../job-client.js';
import type { LogLine } from '../log-line.js';
import type { RunOf } from './apart.js';
import type { Announced } from './announcement.js';
import { number } from './number.js';
import type { Copies } from './copies.js';
import { FarCopies } from './far-copies.js';
import { NearCopies } from './near-copies.js';
import { failed, type LocalSides } from './preflight.js';
import { showPath } from '../show-path.js';
import { SourceDeletion, type DeletionRun } from './source-deletion.js';
import { listSource, type SourceList } from './source-list.js';
import { isMoved, uncounted, type IsCopy } from './source-past.js';

/** What the attempt lends to it. */
export interface SourceStepHost {
  say(level: LogLine['level'], text: string): void;
  /** Stores lines in the job's log, and the files that they are about; rejects when that cannot be done. */
  store(lines: string[], files: FileEntry[]): Promise<void>;
  runOf(run: StepRun): Run;
  /** Ends a step in which nothing moves any more. */
  watched<T>(run: StepRun, step: (run: StepRun) => Promise<T>): Promise<T>;
  client: Pick<JobClient, 'ask'>;
}

/** When there is nothing left to copy. */
const NOTHING_LEFT: Pick<Engine, 'count' | 'transfer'> = {
  count: () => Promise.resolve({ filesTotal: 0, bytesTotal: 0 }),
  transfer: () => Promise.resolve({ filesTransferred: 0, bytesTransferred: 0, warnings: [] }),
};
/** Of the single file whose copy was compared with the sum that stands in the records of this job. */
const MOVED: Verification = { method: 'bytes', algorithm: 'sha256', filesExpected: 1, filesEqual: 1, mismatches: 0 };

/** The part of an attempt that deletes its source: listed before the copy, proved after it, then deleted. */
export class SourceStep {
  readonly #job: Job;
  readonly #task: TransferTask;
  readonly #options: TransferOptions['deleteSource'];
  readonly #host: SourceStepHost;
  #source: SourceDeletion | null = null;
  /** What attempts deleted that ended without a word; null until it is known. */
  #past: Deletion | null = null;
  #isMoved = false;

  constructor(job: Job, task: TransferTask, host: SourceStepHost) {
    this.#job = job;
    this.#task = task;
    this.#options = task.options.deleteSource;
    this.#host = host;
  }

  /** What is proved so far. */
  get verification(): Verification | null {
    return this.#source?.verification ?? null;
  }

  /** What was deleted so far, and what is kept; null when nothing was to be deleted. */
  get deletion(): Deletion | null {
    const [past, now] = [this.#past, this.#source?.deletion];
    if (!past) return null;
    return {
      filesDeleted: past.filesDeleted + (now?.filesDeleted ?? 0),
      bytesDeleted: past.bytesDeleted + (now?.bytesDeleted ?? 0),
      foldersDeleted: past.foldersDeleted + (now?.foldersDeleted ?? 0),
      filesKept: now?.filesKept ?? 0,
      kept: now?.kept ?? [],
      upToAttempt: this.#task.attempt,
    };
  }

  /** The engine, until nothing is left to copy. */
  copierOf(engine: Engine): Pick<Engine, 'count' | 'transfer'> {
    return this.#isMoved ? NOTHING_LEFT : engine;
  }

  /** A single file that is missing was moved already when an earlier attempt of this job did so, and could not say it. */
  async requireMoved(missing: unknown, engine: Engine, run: StepRun): Promise<void> {
    const isMissing = missing instanceof EngineFailed && missing.failure.code === 'source_missing';
    const { attempt } = this.#task;
    if (!isMissing || attempt === 1 || !(await this.#recall(this.#isMovedBefore(engine, run), false))) throw missing;
    this.#isMoved = true;
    await this.#recallPast();
    this.#host.say('info', 'An earlier attempt has proved and deleted this file, and its copy is as it was proved: nothing is left to do.');
  }

  /** What may be deleted is what is there before the first byte is copied. */
  async list(engine: Engine, paths: Pick<LocalSides, 'source' | 'target'>, run: StepRun): Promise<void> {
    if (!engine.list) {
      throw failed('invalid_job', `${engine.type} cannot delete a source: nothing was copied.`, 'Use rsync, or a job that only copies.');
    }
    const list = await listSource(this.#task, paths, await engine.list(this.#task, this.#host.runOf(run)));
    this.#host.say('info', `Listed ${number(list.files.length)} files that may be deleted once their copies are proved.`);
    const copies = list.target === null ? await this.#farCopies(engine, list, run) : new NearCopies(list.target);
    await copies.requireTwoPlaces(list.source, 'copy', run.signal);
    this.#source = new SourceDeletion(list, copies);
    await this.#recallPast();
  }

  async #farCopies(engine: Engine, list: SourceList, { signal }: StepRun): Promise<Copies> {
    const runOf: RunOf = (one, onProgress = () => undefined) => this.#host.runOf({ signal: one, onProgress });
    const port = await engine.farCopies?.(this.#task, runOf(signal));
    if (!port)
      throw failed('invalid_job', `${engine.type} cannot prove copies elsewhere: nothing was copied.`, 'Use a job that only copies.');
    return new FarCopies(port, list.files, this.#task, runOf);
  }

  #isMovedBefore(engine: Engine, run: StepRun): Promise<boolean> {
    const { attempt } = this.#task;
    const engineRun = this.#host.runOf(run);
    const isCopyThere: IsCopy = async (_destination, name, checksum) => {
      const port = await engine.farCopies?.(this.#task, engineRun);
      const sum = (await port?.sums([{ path: name, type: 'file' }], engineRun))?.get(name);
      return sum !== undefined && `${sum.algorithm}:${sum.hex}` === checksum;
    };
    return isRemote(this.#task.destination)
      ? isMoved(this.#host.client, this.#job, attempt, isCopyThere)
      : isMoved(this.#host.client, this.#job, attempt);
  }

  async proveAll(run: StepRun): Promise<Verification> {
    if (this.#isMoved) return MOVED;
    this.#host.say('info', `Comparing every file with its copy, ${this.#source?.how ?? ''}.`);
    const verification = await this.#with(run, (source, deletionRun) => source.proveAll(this.#task.attempt, deletionRun));
    this.#host.say(
      'info',
      `Proved: ${number(verification.filesEqual)} files are equal, and their copies are ${this.#source?.where ?? ''}.`,
    );
    return verification;
  }

  /** Answers the proof when it was made on the way, file by file. */
  async delete(run: StepRun): Promise<Verification | null> {
    const perFile = this.#options.mode === 'per_file';
    if (this.#isMoved) return perFile ? MOVED : null;
    await this.#source?.requireTwoPlaces(run.signal);
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

  /** A remote may fall silent. */
  #with<T>(run: StepRun, work: (source: SourceDeletion, run: DeletionRun) => Promise<T>): Promise<T> {
    const doIt = (one: StepRun) => this.#do(one, work);
    return isRemote(this.#task.destination) ? this.#host.watched(run, doIt) : doIt(run);
  }

  async #do<T>(run: StepRun, work: (source: SourceDeletion, run: DeletionRun) => Promise<T>): Promise<T> {
    if (!this.#source) throw new Error('the source was not listed');
    const bounded = new BoundedRun(this.#host.runOf(run));
    try {
      return await work(this.#source, {
        signal: run.signal,
        onProgress: (progress) => {
          bounded.onProgress(progress);
        },
        announce: async (entries) => {
          await this.#announce(entries);
          await bounded.roomForFiles();
        },
        tell: ({ path, bytes }, outcome, why, proof) => {
          if (outcome === 'kept') this.#host.say('warning', `Kept in the source: ${showPath(path)}: ${why}`);
          bounded.file({ ...pathOfLatin1(path), outcome, bytes, ...proofOf(proof), why });
        },
      });
    } finally {
      bounded.flush();
    }
  }

  async #recallPast(): Promise<void> {
    const { attempt } = this.#task;
    const none = { filesDeleted: 0, bytesDeleted: 0, foldersDeleted: 0, filesKept: 0, kept: [] };
    this.#past = attempt === 1 ? none : await this.#recall(uncounted(this.#host.client, this.#job, attempt - 1), none);
  }

  /** What the records say, or what to go on with when they cannot be read. */
  async #recall<T>(looking: Promise<T>, otherwise: T): Promise<T> {
    return looking.catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      this.#host.say('warning', `What earlier attempts deleted cannot be looked up: ${why}`);
      return otherwise;
    });
  }

  async #announce(entries: Announced[]): Promise<void> {
    try {
      await this.#host.store(
        entries.map(({ text }) => text),
        entries.map(({ path, bytes, proof }) => ({ ...pathOfLatin1(path), outcome: 'deleting', bytes, ...proofOf(proof), why: null })),
      );
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

const proofOf = (proof: Announced['proof']): Pick<FileEntry, 'provedBy' | 'checksum'> => ({
  provedBy: proof?.provedBy ?? null,
  checksum: proof?.checksum ?? null,
});

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
