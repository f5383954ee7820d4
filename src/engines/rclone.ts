import type { Verification } from '../../actors/job.js';
import { remoteOf } from '../../actors/paths.js';
import { showPath } from '../show-path.js';
import { BoundedRun } from './bounded-run.js';
import {
  EngineFailed,
  EngineStopped,
  type Counted,
  type Engine,
  type EnginePreview,
  type FarCopies,
  type ListedEntry,
  type Run,
  type TransferTask,
  type Transferred,
} from './engine.js';
import { checkArgs, copyArgs, hashArgs, isMirror, listArgs, listFoldersArgs, listTheseArgs, sizeArgs } from './rclone-args.js';
import { arrivalOf, type Arrival } from './rclone-arrival.js';
import { dryRun, namesOf } from './rclone-changes.js';
import { CheckReport } from './rclone-check.js';
import { RcloneFiles, entryOf } from './rclone-files.js';
import { farCopiesOf } from './rclone-far-copies.js';
import { deleteExtraneous } from './rclone-mirror.js';
import { listOf, realName } from './rclone-names.js';
import { folderRules, unclearFolder } from './rclone-patterns.js';
import { RcloneProgram, mustBeZero, notSaid, requireStats, type Outcome, type RcloneOptions } from './rclone-program.js';
import { RcloneProgress } from './rclone-progress.js';
import { RcloneRemotes } from './rclone-remotes.js';
import { nameOf, type Sides } from './rclone-sides.js';
import { ChangesFound, PreviewFound } from './rsync-preview.js';

/** The hash that single files are compared by; rclone computes it from what it reads. */
const FILE_HASH = 'sha1';

/** The engine that runs rclone. */
export function createRcloneEngine(options: RcloneOptions): Engine {
  return new RcloneEngine(options);
}

class RcloneEngine implements Engine {
  readonly type = 'rclone';
  readonly #program: RcloneProgram;
  readonly #remotes: RcloneRemotes;

  constructor(options: RcloneOptions) {
    this.#program = new RcloneProgram(options);
    this.#remotes = new RcloneRemotes(this.#program);
  }

  probe() {
    return this.#program.probe();
  }

  checkRemotes(task: TransferTask, run: Run) {
    return this.#remotes.check(task, run);
  }

  checkMarkers(task: TransferTask, run: Run) {
    return this.#remotes.checkMarkers(task, run);
  }

  async count(task: TransferTask, run: Run): Promise<Counted> {
    const sides = await this.#remotes.sidesOf(task, run);
    await this.#refuseUnclear(task, sides, run);
    const arrival = await this.#arrivalOf(sides, task, run);
    const outcome = await this.#program.run(copyArgs(task, sides, arrival, true), task, run, {
      stdin: await this.#theseOf(task, sides),
    });
    mustBeZero(outcome);
    const { totalTransfers, totalBytes } = requireStats(outcome);
    const all = await this.#sizeOf(task, sides, sides.source, run);
    const source = { files: all.count, bytes: all.bytes };
    const totals = { filesTotal: totalTransfers, bytesTotal: totalBytes, ...(task.only ? {} : { source }) };
    if (!isMirror(task) && !task.countChanges) return totals;
    const dry = await dryRun(task, sides, run, this.#program);
    mustBeZero(dry.outcome);
    const found = new ChangesFound();
    for (const line of dry.lines) found.add(line);
    return { ...totals, changes: found.changes({ value: all.count, byType: {} }) };
  }

  async preview(task: TransferTask, run: Run): Promise<EnginePreview> {
    const sides = await this.#remotes.sidesOf(task, run);
    await this.#refuseUnclear(task, sides, run);
    const { lines, outcome } = await dryRun(task, sides, run, this.#program);
    const { exit, errors } = outcome;
    const failure = exit.code === 0 ? null : errors.failure(exit);
    if (failure && !outcome.stats) throw new EngineFailed(failure);
    const found = new PreviewFound({ ...task.options, includes: [], excludes: [] });
    for (const line of lines) found.addFile(line);
    const count = (patterns = task.options) => this.#filesIn({ ...task, options: patterns }, sides, run, failure !== null);
    const files = await count();
    const preview = found.preview(files);
    const sizes = new Map(lines.map(({ name, bytes }) => [name, bytes]));
    for (const shown of preview.names) shown.bytes = sizes.get(shown.path) ?? null;
    preview.counts.delete.bytes = preview.changes.delete.bytes;
    if (!sides.isFile && task.options.excludes.length > 0) {
      const all = await count({ ...task.options, includes: [], excludes: [] });
      preview.counts.skip.files = Math.max(0, all.value - files.value);
    }
    const shown = { ...task, jobId: 'JOB', attempt: 1 };
    const command = this.#program.command(copyArgs(shown, sides, await this.#arrivalOf(sides, shown, run)), task);
    return { ...preview, command, failure };
  }

  async transfer(task: TransferTask, counted: Counted, run: Run): Promise<Transferred> {
    const bounded = new BoundedRun(run);
    try {
      const sides = await this.#remotes.sidesOf(task, bounded);
      const progress = new RcloneProgress(counted);
      bounded.onProgress(progress.start());
      bounded.log('info', 'worker', 'rclone cannot go on inside of a file: one that was cut off is copied again from its start.');
      const { outcome, warnings } = await this.#copy(task, sides, progress, bounded);
      if (isMirror(task) && !sides.isFile) await deleteExtraneous(task, sides, bounded, this.#program);
      const stats = requireStats(outcome);
      bounded.onProgress(progress.end(stats));
      return {
        filesTransferred: stats.transfers,
        bytesTransferred: stats.bytes,
        warnings: [...outcome.errors.warnings(remoteOf(sides.target) !== null), ...warnings],
      };
    } finally {
      bounded.flush();
    }
  }

  async verify({ only: _only, ...task }: TransferTask, method: 'size' | 'checksum', run: Run): Promise<Verification> {
    const bounded = new BoundedRun(run);
    try {
      const sides = await this.#remotes.sidesOf(task, bounded);
      return await (sides.isFile ? this.#compareFile(task, sides, method, bounded) : this.#check(task, sides, method, bounded));
    } finally {
      bounded.flush();
    }
  }

  /** Only of a source on this machine: nothing else can be deleted. */
  async list(task: TransferTask, run: Run): Promise<ListedEntry[]> {
    const sides = await this.#remotes.sidesOf(task, run);
    const special = new Set<string>();
    const listed: string[] = [];
    const outcome = await this.#program.run(listArgs(task, sides, sides.source, 'all'), task, run, {
      stdout: (line) => listed.push(line.toString('latin1')),
      message: ({ name, text }) => {
        if (name !== null && text.endsWith("Can't transfer non file/directory")) special.add(name);
      },
    });
    mustBeZero(outcome);
    const names = namesOf(sides.source, () => Promise.resolve([]));
    const prefix = sides.isFile || task.source.endsWith('/') ? '' : `${Buffer.from(nameOf(task.source)).toString('latin1')}/`;
    const entries: ListedEntry[] = [];
    for (const name of listed) {
      const path = await names.onDisk(name);
      const type = name.endsWith('/') ? 'folder' : path === realName(name) ? 'file' : 'link';
      entries.push({ path: prefix + path, type });
    }
    for (const name of await names.ofTexts(special)) entries.push({ path: prefix + realName(name), type: 'special' });
    return entries;
  }

  async farCopies(task: TransferTask, run: Run): Promise<FarCopies> {
    // A file that was moved is not there any more; a folder is.
    const sides = await this.#remotes.sidesOf(task, run, 'file');
    return farCopiesOf(task, sides, run, this.#program, this.#remotes);
  }

  /** Copies beside the final place and moves whole files in, also when it fails or is stopped. Tells what became of each file. */
  async #copy(task: TransferTask, sides: Sides, progress: RcloneProgress, run: Run): Promise<{ outcome: Outcome; warnings: string[] }> {
    const arrival = await this.#arrivalOf(sides, task, run);
    if (run.signal.aborted) throw new EngineStopped();
    const names = namesOf(sides.source, () => this.#program.listReadable(listArgs(task, sides, sides.source, 'files'), task, run));
    const files = new RcloneFiles(task, names);
    const sizesIn = sides.isFile ? null : [sides.target, sides.source].find((side) => !remoteOf(side));
    await arrival.begin();
    try {
      const outcome = await this.#program.run(copyArgs(task, sides, arrival), task, run, {
        stdin: await this.#theseOf(task, sides),
        stats: (stats) => run.onProgress(progress.onStats(stats)),
        message: (message) => {
          files.onMessage(message);
        },
      });
      if (outcome.exit.code === 0) await arrival.all(run, requireStats(outcome).transfers);
      // Somebody else ended it: this worker may have lost the job, and another one may go on with what is there.
      const moved = outcome.exit.code === 0 ? null : outcome.exit.code === null ? new Set<string>() : await arrival.whole();
      const there = await files.tell(moved, sizesIn ?? null, run);
      if (outcome.exit.code !== 0) {
        throw new EngineFailed(files.explained(outcome.errors.failure(outcome.exit), outcome, there));
      }
      return { outcome, warnings: await this.#notThere(task, sides, files, run) };
    } catch (error) {
      if (error instanceof EngineStopped) await arrival.whole();
      throw error;
    }
  }

  /** Rejects when rsync would enter a folder that rclone does not. */
  async #refuseUnclear(task: TransferTask, { isFile, source }: Sides, run: Run): Promise<void> {
    const rules = isFile || task.only ? null : folderRules(task.options);
    if (!rules) return;
    const foldersUnder = (which: string[]) => this.#program.listReadable(listFoldersArgs(source, which), task, run);
    const entered = new Set(await foldersUnder(rules.entered));
    const left = (await foldersUnder(rules.toEnter)).find((folder) => !entered.has(folder));
    if (left !== undefined) throw unclearFolder(showPath(realName(left)));
  }

  async #notThere(task: TransferTask, sides: Sides, files: RcloneFiles, run: Run): Promise<string[]> {
    const stdin = await this.#theseOf(task, sides);
    return stdin ? files.tellNotThere(await this.#program.list(listTheseArgs(sides.source), task, run, stdin), run) : [];
  }

  /** The list of the files that are taken; a source that is one file is copied as a whole. */
  async #theseOf({ only }: TransferTask, sides: Sides): Promise<Buffer | undefined> {
    if (!only || sides.isFile) return undefined;
    const names = namesOf(sides.source, () => Promise.resolve([]));
    return listOf((await Promise.all(only.map((path) => names.ofDisk(path.toString('latin1'))))).flat());
  }

  /** `readable`: of those that can be read, since not all can. */
  async #filesIn(
    task: TransferTask,
    sides: Sides,
    run: Run,
    readable: boolean,
  ): Promise<{ value: number; byType: Record<string, number> }> {
    if (!readable) return { value: (await this.#sizeOf(task, sides, sides.source, run)).count, byType: {} };
    const names = await this.#program.listReadable(listArgs(task, sides, sides.source, 'files'), task, run);
    return { value: names.length, byType: {} };
  }

  #arrivalOf(sides: Sides, task: TransferTask, run: Run): Promise<Arrival> {
    return arrivalOf(sides, task, run, this.#program, this.#remotes);
  }

  async #check(task: TransferTask, sides: Sides, method: 'size' | 'checksum', run: Run): Promise<Verification> {
    const filesExpected = (await this.#sizeOf(task, sides, sides.source, run)).count;
    const names = namesOf(sides.source, () => Promise.resolve([]));
    const compare = async (how: '--size-only' | '--download' | null) => {
      const report = new CheckReport(task.options);
      run.onProgress({ ...report.progress(), filesTotal: filesExpected });
      const outcome = await this.#program.run(checkArgs(task, sides, how), task, run, {
        stdout: (line) => {
          if (!report.add(line)) run.log('warning', 'stdout', line.toString('utf8'));
          run.onProgress(report.progress());
        },
      });
      return { report, outcome };
    };
    const verdict = async ({ report, outcome }: Awaited<ReturnType<typeof compare>>, by: Pick<Verification, 'method' | 'algorithm'>) => {
      await report.tell(by.method, names, run);
      return report.verdict(outcome, { ...by, filesExpected });
    };
    if (method === 'size') return verdict(await compare('--size-only'), { method: 'size', algorithm: null });
    const compared = await compare(null);
    const { algorithm, hashesMissing } = compared.outcome.errors;
    if (algorithm !== null && !hashesMissing) return verdict(compared, { method: 'checksum', algorithm });
    run.log('warning', 'worker', 'The two sides have no hash in common for every file: reading both and comparing the bytes.');
    return verdict(await compare('--download'), { method: 'bytes', algorithm: null });
  }

  /** `rclone check` compares folders: a single file, which may have another name at its destination, is read on both sides. */
  async #compareFile(task: TransferTask, sides: Sides, method: 'size' | 'checksum', run: Run): Promise<Verification> {
    const read = (place: string) =>
      method === 'size' ? this.#sizeOf(task, sides, place, run).then(({ bytes }) => String(bytes)) : this.#hashOf(task, place, run);
    const source = await read(sides.source);
    const target = await read(sides.target).catch((error: unknown) => {
      if (error instanceof EngineFailed && error.failure.code === 'source_missing') return null;
      throw error;
    });
    const isEqual = source === target;
    const outcome = isEqual ? 'equal' : target === null ? 'missing' : 'differs';
    const checksum = method === 'checksum' ? `${FILE_HASH}:${source}` : null;
    run.file(entryOf(Buffer.from(nameOf(sides.source)).toString('latin1'), outcome, { provedBy: isEqual ? method : null, checksum }));
    const filesEqual = isEqual ? 1 : 0;
    return { method, algorithm: method === 'size' ? null : FILE_HASH, filesExpected: 1, filesEqual, mismatches: 1 - filesEqual };
  }

  async #sizeOf(task: TransferTask, sides: Sides, place: string, run: Run): Promise<{ count: number; bytes: number }> {
    const said = await this.#program.ask(sizeArgs(task, sides, place), task, run);
    const [, count, bytes] = /^\{"count":(\d+),"bytes":(\d+)/m.exec(said) ?? [];
    if (count === undefined) throw notSaid('how many files there are');
    return { count: Number(count), bytes: Number(bytes) };
  }

  async #hashOf(task: TransferTask, place: string, run: Run): Promise<string> {
    const [, hash] = /^([0-9a-f]{40}) /m.exec(await this.#program.ask(hashArgs(FILE_HASH, place), task, run)) ?? [];
    if (hash === undefined) throw notSaid('the hash');
    return hash;
  }
}
