import { overlaps, remoteOf } from '../../actors/paths.js';
import { EngineFailed, type RemotesChecked, type Run, type Sum, type TransferTask } from './engine.js';
import { COMMON, comparesContent } from './rclone-args.js';
import { notSaid, type RcloneProgram } from './rclone-program.js';
import { markerMissing } from './marker-missing.js';
import { inside, nameOf, parentOf, sidesOf, type Kind, type Sides } from './rclone-sides.js';
import { STAGING_PREFIX } from './staging.js';

/** The best first. Weaker ones, as CRC-32, prove nothing. */
const HASHES = ['sha256', 'sha1', 'md5'] as const;
/** They lead to other remotes, and some keep the hash of what was once written: that says nothing of what is there. */
const REMEMBERING: ReadonlySet<string> = new Set(['hasher', 'chunker', 'union', 'combine', 'compress', 'cache', 'crypt']);

/** What `rclone backend features` says. */
interface Told {
  Name?: unknown;
  Hashes?: unknown;
  Features?: { Move?: unknown };
}

/** What rclone tells of the remotes in its configuration. */
export class RcloneRemotes {
  readonly #program: RcloneProgram;
  readonly #moves = new Map<string, boolean>();

  constructor(program: RcloneProgram) {
    this.#program = program;
  }

  async check(task: TransferTask, run: Run): Promise<RemotesChecked> {
    const { source, destination } = task;
    const configured = (await this.#program.ask(['listremotes', ...COMMON], task, run)).split('\n');
    for (const place of [source, destination]) {
      const name = remoteOf(place)?.name;
      if (name === undefined || configured.includes(`${name}:`)) continue;
      throw refusal(
        'remote_not_configured',
        `rclone has no remote ${name} in its configuration.`,
        'Make it with "rclone config", for the user that runs the worker or in the file that TALLYMAN_RCLONE_CONFIG names.',
      );
    }
    if (remoteOf(source) && (await this.kindOf(source, task, run)) === 'missing')
      throw refusal('source_missing', `The source ${source} does not exist.`, 'Check the path of the source, then retry the job.');
    if (remoteOf(source) && overlaps(source, destination))
      throw refusal('source_is_destination', `${source} and ${destination} are or hold one another.`, 'Choose another destination.');
    return { freeBytes: remoteOf(destination) ? await this.#freeBytes(destination, task, run) : null };
  }

  /** Of sides that are remotes. Where one file is copied, the marker is to lie beside it. */
  async checkMarkers(task: TransferTask, run: Run): Promise<void> {
    const { marker } = task.options;
    if (!marker || ![task.source, task.destination].some(remoteOf)) return;
    const { isFile, source, target } = await this.sidesOf(task, run);
    const folders = { source: isFile ? parentOf(source) : source, destination: isFile ? parentOf(target) : task.destination };
    for (const side of ['source', 'destination'] as const) {
      const [folder, name] = [folders[side], marker[side]];
      if (!name || folder === null || !remoteOf(folder)) continue;
      if ((await this.kindOf(inside(folder, name), task, run)) !== 'file') throw markerMissing(side, folder, name);
    }
  }

  /** What the places of a job are. */
  async sidesOf(task: TransferTask, run: Run, missingIs?: Kind): Promise<Sides> {
    const sides = await sidesOf(task, (place) => this.kindOf(place, task, run), missingIs);
    if (!comparesContent(task) || !remoteOf(sides.target)) return sides;
    return { ...sides, hasNoHash: (await this.hashOf(sides.target, task, run)) === null };
  }

  async kindOf(place: string, task: TransferTask, run: Run): Promise<Kind> {
    const args = ['lsjson', '--stat', '--no-modtime', '--no-mimetype', ...COMMON, '--', place];
    const said = await this.#program.ask(args, task, run).catch((error: unknown) => {
      if (error instanceof EngineFailed && error.failure.code === 'source_missing') return 'null';
      throw error;
    });
    const found = JSON.parse(said) as { IsDir?: unknown } | null;
    if (found === null) return 'missing';
    return found.IsDir === true ? 'folder' : 'file';
  }

  /**
   * Where to copy to first when the remote would show a truncated file; null when
   * it does not, or cannot rename. Beside the target: rclone moves nothing out of
   * a folder into the folder that holds it.
   */
  async stagingFor({ target, isFile }: Sides, task: TransferTask, run: Run): Promise<string | null> {
    const parent = parentOf(target);
    if (parent === null || !(await this.#canMove(target, task, run)) || !(await this.#program.writesInPlace())) return null;
    const folder = inside(parent, `${STAGING_PREFIX}${task.jobId}`);
    return isFile ? inside(folder, nameOf(target)) : folder;
  }

  /** Stores of objects cannot, and show an object only when it is whole. */
  async #canMove(place: string, task: TransferTask, run: Run): Promise<boolean> {
    const name = remoteOf(place)?.name ?? '';
    const known = this.#moves.get(name);
    if (known !== undefined) return known;
    const { Move } = (await this.#told(name, task, run)).Features;
    this.#moves.set(name, Move === true);
    return Move === true;
  }

  /** The hash that it tells of its files as they are there; null: of none that is known here. */
  async hashOf(place: string, task: TransferTask, run: Run): Promise<Sum['algorithm'] | null> {
    const name = remoteOf(place)?.name ?? '';
    const told = await this.#told(name, task, run);
    const types = await this.#program.ask(['listremotes', '--long', ...COMMON], task, run);
    const typeOf = (remote: string) =>
      types
        .split('\n')
        .find((line) => line.startsWith(`${remote}:`))
        ?.slice(remote.length + 1)
        .trim();
    // An alias tells what it stands for.
    const type = typeOf(String(told.Name).replace(/\{.*\}$/, '')) ?? typeOf(name);
    const hashes = Array.isArray(told.Hashes) ? told.Hashes : [];
    return REMEMBERING.has(type ?? '') ? null : (HASHES.find((hash) => hashes.includes(hash)) ?? null);
  }

  async #told(name: string, task: TransferTask, run: Run): Promise<Told & { Features: NonNullable<Told['Features']> }> {
    const told = JSON.parse(await this.#program.ask(['backend', 'features', ...COMMON, '--', `${name}:`], task, run)) as Told;
    if (!told.Features) throw notSaid(`what the remote ${name} can do`);
    return { ...told, Features: told.Features };
  }

  async #freeBytes(place: string, task: TransferTask, run: Run): Promise<number | null> {
    const name = remoteOf(place)?.name ?? '';
    try {
      const { free } = JSON.parse(await this.#program.ask(['about', '--json', ...COMMON, '--', `${name}:`], task, run)) as {
        free?: unknown;
      };
      return typeof free === 'number' && free >= 0 ? free : null;
    } catch (error) {
      // Many cannot tell: then it is not known, which is not the same as none.
      if (error instanceof EngineFailed && !error.failure.retriable) return null;
      throw error;
    }
  }
}

const refusal = (code: string, message: string, advice: string): EngineFailed =>
  new EngineFailed({ code, message, exitCode: null, retriable: false, advice });
