import type { BigIntStats } from 'node:fs';
import { lstat, opendir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { askedMetadata } from '../../actors/metadata.js';
import { within } from './byte-path.js';
import type { Counted, TransferTask } from './engine.js';
import { PARTIAL_DIR } from './rsync-args.js';

/** So many entries are looked at here before an rsync has started, looked and ended: its ending alone takes 40 ms. */
const MOST_ENTRIES = 100;
/** A mount that hangs is left to rsync, which can be watched and ended. */
const TIME_LIMIT_MS = 500;
const SECOND_NS = 1_000_000_000n;

/**
 * Counts a small tree as rsync's dry run would: a file is to be copied where the
 * destination has none of its size and time, to the second. `null` wherever the
 * two might not agree: with patterns, for a mirror, and over anything that is
 * neither file, folder nor link, that cannot be looked at, or that is of another
 * kind in the destination.
 */
export async function countSmall(task: TransferTask): Promise<Counted | null> {
  if (!isPlain(task)) return null;
  const over = new AbortController();
  const walk = new SmallTree(over.signal).count(task);
  // What cannot be read or vanished just now, too: rsync tells what it means.
  walk.catch(() => undefined);
  const late = delay(TIME_LIMIT_MS, null, { signal: over.signal }).catch(() => null);
  return Promise.race([walk, late])
    .catch(() => null)
    .finally(() => over.abort());
}

/** What is in the two folders decides alone, and nothing of an earlier attempt can still write there. */
function isPlain({ source, destination, options, attempt, only, countChanges }: TransferTask): boolean {
  const { includes, excludes, deleteExtraneous, parallel = 1 } = options;
  if (!path.isAbsolute(source) || !path.isAbsolute(destination)) return false;
  if (attempt > 1 || only || countChanges || deleteExtraneous || parallel > 1) return false;
  return includes.length === 0 && excludes.length === 0 && askedMetadata(options).length === 0;
}

/** Names are bytes: they may be no UTF-8. */
class SmallTree {
  readonly #over: AbortSignal;
  #left = MOST_ENTRIES;
  readonly #all = { files: 0, bytes: 0 };
  readonly #toCopy = { files: 0, bytes: 0 };

  constructor(over: AbortSignal) {
    this.#over = over;
  }

  async count({ source, destination }: TransferTask): Promise<Counted> {
    const there = await this.#look(stat, Buffer.from(destination));
    const from = Buffer.from(source);
    if (source.endsWith('/')) await this.#folder(from, asFolder(there) && Buffer.from(destination));
    else if (there?.isDirectory() || destination.endsWith('/') || (await lstat(from)).isDirectory()) {
      await this.#entry(from, asFolder(there) && within(Buffer.from(destination), Buffer.from(path.basename(source))));
    } else await this.#entry(from, there && Buffer.from(destination));
    return { source: this.#all, filesTotal: this.#toCopy.files, bytesTotal: this.#toCopy.bytes };
  }

  /** `target` is null where nothing can be there, since its folder is not. */
  async #entry(file: Buffer, target: Buffer | null): Promise<void> {
    const stats = await lstat(file, { bigint: true });
    const there = target && (await this.#look(lstat, target));
    if (--this.#left < 0 || !kindOf(stats) || (there && kindOf(there) !== kindOf(stats))) throw new ForRsync();
    if (stats.isDirectory()) return this.#folder(file, there && target);
    add(this.#all, stats);
    if (stats.isFile() && !(there && isEqual(stats, there))) add(this.#toCopy, stats);
  }

  async #folder(folder: Buffer, target: Buffer | null): Promise<void> {
    for (const name of await this.#namesIn(folder)) await this.#entry(within(folder, name), target && within(target, name));
  }

  async #namesIn(folder: Buffer): Promise<Buffer[]> {
    const names: Buffer[] = [];
    for await (const entry of await opendir(folder, { encoding: 'buffer' as BufferEncoding })) {
      const name = entry.name as unknown as Buffer;
      if (names.push(name) > this.#left || name.toString() === PARTIAL_DIR) throw new ForRsync();
    }
    return names;
  }

  async #look(how: typeof lstat, file: Buffer): Promise<BigIntStats | null> {
    if (this.#over.aborted) throw new ForRsync();
    return how(file, { bigint: true }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    });
  }
}

/** It takes an rsync to say. */
class ForRsync extends Error {}

function asFolder(there: BigIntStats | null): BigIntStats | null {
  if (there && !there.isDirectory()) throw new ForRsync();
  return there;
}

const kindOf = (stats: BigIntStats): string | null =>
  stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : null;

const isEqual = (one: BigIntStats, other: BigIntStats): boolean => one.size === other.size && secondOf(one) === secondOf(other);

/** Also of a time before 1970, as the system counts it. */
const secondOf = ({ mtimeNs }: BigIntStats): bigint => (mtimeNs - (((mtimeNs % SECOND_NS) + SECOND_NS) % SECOND_NS)) / SECOND_NS;

function add(sum: { files: number; bytes: number }, { size }: BigIntStats): void {
  sum.files++;
  sum.bytes += Number(size);
}
