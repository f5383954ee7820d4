import type { Verification } from '../../actors/job.js';
import { remoteOf } from '../../actors/paths.js';
import { BoundedRun } from './bounded-run.js';
import { EngineFailed, EngineStopped, type Counted, type Engine, type Run, type TransferTask, type Transferred } from './engine.js';
import { checkArgs, copyArgs, hashArgs, sizeArgs } from './rclone-args.js';
import { arrivalOf, type Arrival } from './rclone-arrival.js';
import { CheckReport } from './rclone-check.js';
import { RcloneProgram, mustBeZero, notSaid, requireStats, type Outcome, type RcloneOptions } from './rclone-program.js';
import { RcloneProgress } from './rclone-progress.js';
import { RcloneRemotes } from './rclone-remotes.js';
import { sidesOf, type Sides } from './rclone-sides.js';

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

  async count(task: TransferTask, run: Run): Promise<Counted> {
    const sides = await this.#sidesOf(task, run);
    const outcome = await this.#program.run(copyArgs(task, sides, await this.#arrivalOf(sides, task, run), true), task, run);
    mustBeZero(outcome);
    const { totalTransfers, totalBytes } = requireStats(outcome);
    return { filesTotal: totalTransfers, bytesTotal: totalBytes };
  }

  async transfer(task: TransferTask, counted: Counted, run: Run): Promise<Transferred> {
    const bounded = new BoundedRun(run);
    try {
      const sides = await this.#sidesOf(task, bounded);
      const progress = new RcloneProgress(counted);
      bounded.onProgress(progress.start());
      bounded.log('info', 'worker', 'rclone cannot go on inside of a file: one that was cut off is copied again from its start.');
      const outcome = await this.#copy(task, sides, progress, bounded);
      const stats = requireStats(outcome);
      bounded.onProgress(progress.end(stats));
      return {
        filesTransferred: stats.transfers,
        bytesTransferred: stats.bytes,
        warnings: outcome.errors.warnings(remoteOf(sides.target) !== null),
      };
    } finally {
      bounded.flush();
    }
  }

  async verify(task: TransferTask, method: 'size' | 'checksum', run: Run): Promise<Verification> {
    const bounded = new BoundedRun(run);
    try {
      const sides = await this.#sidesOf(task, bounded);
      return await (sides.isFile ? this.#compareFile(task, sides, method, bounded) : this.#check(task, sides, method, bounded));
    } finally {
      bounded.flush();
    }
  }

  /** Copies beside the final place and moves whole files in, also when it fails or is stopped. */
  async #copy(task: TransferTask, sides: Sides, progress: RcloneProgress, run: Run): Promise<Outcome> {
    const arrival = await this.#arrivalOf(sides, task, run);
    if (run.signal.aborted) throw new EngineStopped();
    await arrival.begin();
    try {
      const outcome = await this.#program.run(copyArgs(task, sides, arrival), task, run, {
        stats: (stats) => run.onProgress(progress.onStats(stats)),
      });
      // Somebody else ended it: this worker may have lost the job, and another one may go on with what is there.
      if (outcome.exit.code !== null && outcome.exit.code !== 0) await arrival.whole();
      mustBeZero(outcome);
      await arrival.all(run);
      return outcome;
    } catch (error) {
      if (error instanceof EngineStopped) await arrival.whole();
      throw error;
    }
  }

  #sidesOf(task: TransferTask, run: Run): Promise<Sides> {
    return sidesOf(task, (place) => this.#remotes.kindOf(place, task, run));
  }

  #arrivalOf(sides: Sides, task: TransferTask, run: Run): Promise<Arrival> {
    return arrivalOf(sides, task, run, this.#program, this.#remotes);
  }

  async #check(task: TransferTask, sides: Sides, method: 'size' | 'checksum', run: Run): Promise<Verification> {
    const filesExpected = (await this.#sizeOf(task, sides, sides.source, run)).count;
    const compare = async (how: '--size-only' | '--download' | null) => {
      const report = new CheckReport();
      run.onProgress({ ...report.progress(), filesTotal: filesExpected });
      const outcome = await this.#program.run(checkArgs(task, sides, how), task, run, {
        stdout: (line) => {
          if (!report.add(line)) run.log('warning', 'stdout', line);
          run.onProgress(report.progress());
        },
      });
      return { report, outcome };
    };
    if (method === 'size') {
      const { report, outcome } = await compare('--size-only');
      return report.verdict(outcome, { method: 'size', algorithm: null, filesExpected });
    }
    const { report, outcome } = await compare(null);
    const { algorithm, hashesMissing } = outcome.errors;
    if (algorithm !== null && !hashesMissing) return report.verdict(outcome, { method: 'checksum', algorithm, filesExpected });
    run.log('warning', 'worker', 'The two sides have no hash in common for every file: reading both and comparing the bytes.');
    const read = await compare('--download');
    return read.report.verdict(read.outcome, { method: 'bytes', algorithm: null, filesExpected });
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
    const filesEqual = source === target ? 1 : 0;
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
