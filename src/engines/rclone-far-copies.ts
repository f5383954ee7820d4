import { EngineFailed, type Copied, type FarCopies, type FarState, type Run, type Sum, type TransferTask } from './engine.js';
import { deleteArgs, findProbesArgs, lookArgs, probeArgs, removeFoldersArgs, sumsArgs } from './rclone-args.js';
import { LINK_SUFFIX, listOf, rcloneName } from './rclone-names.js';
import { mustBeZero, type Outcome, type RcloneProgram } from './rclone-program.js';
import type { RcloneRemotes } from './rclone-remotes.js';
import { inside, nameOf, parentOf, type Sides } from './rclone-sides.js';

/** What is read back is compared by this. */
const READ_BACK = 'sha256';

export async function farCopiesOf(
  task: TransferTask,
  sides: Sides,
  run: Run,
  program: RcloneProgram,
  remotes: RcloneRemotes,
): Promise<FarCopies> {
  return new RcloneFarCopies(task, sides, program, remotes, await remotes.hashOf(sides.target, task, run));
}

/** Finds the copies by what rclone calls them: `--files-from-raw` asks for each by its name, and lists no folder. */
class RcloneFarCopies implements FarCopies {
  readonly place: string;
  readonly algorithm: Sum['algorithm'] | null;
  readonly #task: TransferTask;
  readonly #program: RcloneProgram;
  readonly #remotes: RcloneRemotes;
  #made: string | null = null;
  readonly #nameOf: (path: string) => string;

  constructor(task: TransferTask, sides: Sides, program: RcloneProgram, remotes: RcloneRemotes, algorithm: Sum['algorithm'] | null) {
    [this.#task, this.#program, this.#remotes, this.algorithm] = [task, program, remotes, algorithm];
    const { isFile, target } = sides;
    this.place = isFile ? (parentOf(target) ?? target) : target;
    const [name, newName] = [nameOf(task.source), nameOf(target)].map((text) => Buffer.from(text).toString('latin1'));
    const prefix = isFile || task.source.endsWith('/') ? '' : `${name}/`;
    const withoutPrefix = (path: string) => (path.startsWith(prefix) ? path.slice(prefix.length) : path);
    this.#nameOf = (path) => rcloneName(isFile && path === name ? (newName ?? '') : withoutPrefix(path));
  }

  sharing(files: readonly Copied[]): Set<string> {
    const byName = new Map<string, string>();
    const shared = new Set<string>();
    for (const file of files) {
      const name = this.#copyOf(file);
      const other = byName.get(name);
      if (other !== undefined) shared.add(other).add(file.path);
      byName.set(name, file.path);
    }
    return shared;
  }

  async look(files: readonly Copied[], run: Run): Promise<Map<string, FarState>> {
    const { asked, stdin } = this.#ask(files);
    const found = new Map<string, FarState>();
    const stdout = (line: Buffer) => {
      const [, bytes, time, name] = /^ *(-?\d+) (\S+ \S+) ([^]+)$/.exec(line.toString('latin1')) ?? [];
      const path = asked.get(name ?? '');
      if (path !== undefined && time !== undefined) found.set(path, { bytes: Number(bytes), time });
    };
    const outcome = await this.#program.run(lookArgs(this.place), this.#task, run, { stdin, stdout });
    requireLook(outcome);
    return found;
  }

  async sums(files: readonly Copied[], run: Run): Promise<Map<string, Sum>> {
    const { algorithm } = this;
    const told = algorithm === null ? new Map<string, Sum>() : await this.#sums(files, { algorithm, by: 'checksum' }, run);
    // A remote may have the hash of some files only.
    const rest = files.filter(({ path }) => !told.has(path));
    if (rest.length === 0) return told;
    return new Map([...told, ...(await this.#sums(rest, { algorithm: READ_BACK, by: 'bytes' }, run))]);
  }

  async #sums(files: readonly Copied[], kind: Pick<Sum, 'algorithm' | 'by'>, run: Run): Promise<Map<string, Sum>> {
    const { asked, stdin } = this.#ask(files);
    const sums = new Map<string, Sum>();
    const args = sumsArgs(this.place, kind.algorithm, kind.by === 'bytes' ? 'read' : 'told');
    const outcome = await this.#program.run(args, this.#task, run, {
      stdin,
      stdout: (line) => {
        const [, hex, name] = /^([0-9a-f]{32,64}) {2}([^]+)$/.exec(line.toString('latin1')) ?? [];
        const path = asked.get(name ?? '');
        if (path !== undefined && hex !== undefined) sums.set(path, { ...kind, hex });
      },
      stats: ({ bytes }) => {
        run.onProgress({ bytesTransferred: bytes });
      },
    });
    if (outcome.exit.code === 0) return sums;
    // A file that is broken there has no sum, and is not proved; what is wrong with all of them ends the attempt.
    const failure = outcome.errors.failure(outcome.exit);
    if (!['engine_error', 'source_missing'].includes(failure.code)) throw new EngineFailed(failure);
    return sums;
  }

  async hasFolder(path: string, run: Run): Promise<boolean> {
    const name = Buffer.from(this.#nameOf(path), 'latin1');
    // It would be given as an argument, which is text.
    if (!Buffer.from(name.toString()).equals(name)) return false;
    return (await this.#remotes.kindOf(inside(this.place, name.toString()), this.#task, run)) === 'folder';
  }

  async putProbe(name: string, run: Run): Promise<void> {
    this.#made = await this.#missingFolder(this.place, run);
    const stdin = Buffer.from('Tallyman looks whether two folders are one. This file can be deleted.\n');
    mustBeZero(await this.#program.run(probeArgs(inside(this.place, name)), this.#task, run, { stdin }));
  }

  /** The outermost folder that has to be made for this one; null when it is there. */
  async #missingFolder(place: string, run: Run): Promise<string | null> {
    const parent = parentOf(place);
    if (parent === null || (await this.#remotes.kindOf(place, this.#task, run)) !== 'missing') return null;
    return (await this.#missingFolder(parent, run)) ?? place;
  }

  async findProbes(prefix: string, run: Run): Promise<string[]> {
    const found: string[] = [];
    const stdout = (line: Buffer) => found.push(line.toString('latin1'));
    const outcome = await this.#program.run(findProbesArgs(this.place, prefix), this.#task, run, { stdout });
    // Where nobody may look, the copy does not go either.
    requireLook(outcome, 'permission_denied');
    return found;
  }

  async removeProbes(paths: readonly string[], run: Run): Promise<void> {
    if (paths.length === 0) return;
    requireLook(await this.#program.run(deleteArgs(this.place), this.#task, run, { stdin: listOf(paths) }));
  }

  async removeMadeFolders(run: Run): Promise<void> {
    const made = this.#made;
    if (made !== null) await this.#program.run(removeFoldersArgs(made), this.#task, run);
  }

  /** By each name there the path here. */
  #ask(files: readonly Copied[]): { asked: Map<string, string>; stdin: Buffer } {
    const asked = new Map(files.map((file) => [this.#copyOf(file), file.path]));
    // A remote that is a folder of this machine finds a link by its own name.
    const links = files.filter(({ type }) => type === 'link').map(({ path }) => this.#nameOf(path));
    return { asked, stdin: listOf([...asked.keys(), ...links]) };
  }

  #copyOf({ path, type }: Copied): string {
    return type === 'link' ? this.#nameOf(path) + LINK_SUFFIX : this.#nameOf(path);
  }
}

/** Nothing is in a folder that is not there: that is no failure. */
function requireLook(outcome: Outcome, ...alsoRight: string[]): void {
  if (outcome.exit.code === 0) return;
  if (!['source_missing', ...alsoRight].includes(outcome.errors.failure(outcome.exit).code)) mustBeZero(outcome);
}
