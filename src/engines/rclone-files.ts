import { lstat } from 'node:fs/promises';
import type { JobFailure } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { pathOfLatin1, type FileEntry } from '../file-record.js';
import type { Run, TransferTask } from './engine.js';
import type { RcloneNames } from './rclone-names.js';
import type { RcloneMessage } from './rclone-output.js';
import type { Outcome } from './rclone-program.js';

const ROOM_EVERY = 1000;
/** Said at the end of a run that failed, of all of it. The last line is plain text, which a name may break into several. */
const SUMMARY = /^Attempt \d+\/\d+ failed/;
const LAST_LINE = /^Failed to \w+/;

/** What became of the files in one run of `rclone copy`, by what its log says of each. */
export class RcloneFiles {
  readonly #task: TransferTask;
  readonly #names: RcloneNames;
  /** By the name in the log. */
  readonly #transferred = new Set<string>();
  readonly #failed = new Map<string, string>();
  readonly #special = new Map<string, string>();
  #beyond = 0;
  #otherErrors = 0;
  #isEnded = false;

  constructor(task: TransferTask, names: RcloneNames) {
    this.#task = task;
    this.#names = names;
  }

  onMessage({ level, text, file, name }: RcloneMessage): void {
    const said = file === null ? text : text.slice(file.length + 2);
    if (name !== null && /^Copied \(/.test(said)) {
      if (this.#transferred.size < LIMITS.filesPerAttempt) this.#transferred.add(name);
      else this.#beyond++;
    } else if (name !== null && /^Can't (?:transfer non file|follow symlink)/.test(said)) this.#special.set(name, said);
    else if (level !== 'error') return;
    else if (name !== null) this.#failed.set(name, said);
    else if (LAST_LINE.test(text)) this.#isEnded = true;
    else if (!SUMMARY.test(text) && !this.#isEnded) this.#otherErrors++;
  }

  /** Tells of every file, once rclone has ended. `moved`: just these came to their final place; null: all that were copied. */
  async tell(moved: ReadonlySet<string> | null, sizesIn: string | null, run: Run): Promise<number> {
    for (const name of [...this.#failed.keys(), ...this.#special.keys()]) this.#transferred.delete(name);
    const tell = async (names: Iterable<string>, entryOf: (path: string) => Promise<FileEntry | null> | FileEntry) => {
      let told = 0;
      for (const name of await this.#names.ofTexts(names)) {
        const entry = await entryOf(await this.#names.onDisk(name));
        if (entry) run.file(entry);
        if (++told % ROOM_EVERY === 0) await run.roomForFiles();
      }
    };
    for (const [name, why] of this.#failed) await tell([name], (path) => entryOf(path, 'failed', { why }));
    for (const [name] of this.#special) await tell([name], (path) => entryOf(path, 'skipped', { why: 'rclone does not copy such files.' }));
    let there = 0;
    await tell(this.#transferred, async (path) => {
      if (moved && !moved.has(path)) return null;
      there++;
      const bytes = sizesIn === null ? null : await sizeOf(sizesIn, path);
      return entryOf(path, 'transferred', { bytes, provedBy: 'none' });
    });
    for (let index = 0; index < this.#beyond; index++) run.file(entryOf('', 'transferred', {}));
    return there;
  }

  /** Of a run over given files: those that are not in the source are told, and warned of. */
  async tellNotThere(there: readonly string[], run: Run): Promise<string[]> {
    const found = new Set(await Promise.all(there.map((name) => this.#names.onDisk(name))));
    const missing = (this.#task.only ?? []).map((name) => name.toString('latin1')).filter((name) => !found.has(name));
    const why = 'It is not in the source any more.';
    for (const name of missing) run.file(entryOf(name, 'skipped', { why }));
    const [first] = missing;
    if (first === undefined) return [];
    const shown = JSON.stringify(Buffer.from(first, 'latin1').toString('utf8'));
    return [
      `${missing.length} of the files that had failed were not taken again: they are not in the source any more (the first: ${shown}).`,
    ];
  }

  /** The failure with the files that it is about. `there`: so many of those that were copied are at their final place. */
  explained(failure: JobFailure, { exit, stats }: Outcome, there: number): JobFailure {
    const [first] = this.#failed;
    if (!first) return failure;
    const { size } = this.#failed;
    const { jobId, options } = this.#task;
    const deletes = options.deleteExtraneous === true || options.deleteSource.mode !== 'never';
    const isRest =
      !deletes &&
      exit.code !== null &&
      this.#otherErrors === 0 &&
      this.#beyond === 0 &&
      stats?.errors === size &&
      there === this.#transferred.size &&
      there === stats.transfers;
    const files = `${size === 1 ? '1 file' : `${size} files`} failed, the first: ${JSON.stringify(first[0])} (${first[1]}).`;
    const advice = [
      failure.advice,
      `"tallyman files ${jobId} --failed" lists the files that failed.`,
      ...(isRest ? [`All others are done: "tallyman retry ${jobId} --only-failed" takes just these.`] : []),
    ];
    return { ...failure, message: `${files}\n${failure.message}`, advice: advice.join(' '), ...(isRest && { filesFailed: size }) };
  }
}

/** Of a path on the disk, byte by byte (latin1). */
export const entryOf = (path: string, outcome: FileEntry['outcome'], fields: Partial<FileEntry>): FileEntry => ({
  ...pathOfLatin1(path),
  outcome,
  bytes: null,
  provedBy: null,
  checksum: null,
  why: null,
  ...fields,
});

async function sizeOf(folder: string, path: string): Promise<number | null> {
  const at = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, 'latin1')]);
  return (await lstat(at).catch(() => null))?.size ?? null;
}
