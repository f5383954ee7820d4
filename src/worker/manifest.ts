import { constants } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { overlaps } from '../../actors/paths.js';
import { LIMITS } from '../../actors/limits.js';
import type { Run, TransferTask } from '../engines/engine.js';
import { bytesOf, type FileEntry } from '../file-record.js';
import { manifestLines, parseManifest, sha256Of } from '../manifest.js';
import { showPath } from '../show-path.js';
import { BoundedRun } from '../engines/bounded-run.js';
import { Folder, FolderWalk } from './folder.js';
import { number } from './number.js';
import { checkDestination, failed, type RealPaths } from './preflight.js';

interface Where {
  /** As it was asked for. */
  manifest: string;
  paths: RealPaths;
  roots: readonly string[];
}

/** Refuses a place that is not allowed, or where something else than a manifest is. Answers its real path. */
export async function checkManifest({ manifest, paths, roots }: Where): Promise<string> {
  const { real, isThere, isFile } = await checkDestination(manifest, roots, 'write');
  const side = [paths.source, paths.target].find((other) => overlaps(real, other));
  if (side !== undefined)
    throw failed('path_not_allowed', `The manifest ${manifest} lies in ${side}, or is it.`, 'Choose a file beside source and destination.');
  if (isThere && !(isFile && (await isManifest(real)))) {
    throw failed(
      'destination_invalid',
      `${manifest} is there already and is no manifest: it is not written over.`,
      'Choose another file for the manifest.',
    );
  }
  return real;
}

/** Its first file is enough to know one by. */
async function isManifest(file: string): Promise<boolean> {
  try {
    return parseManifest(await readFile(file)).length > 0;
  } catch {
    return false;
  }
}

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The SHA-256 of every file that a verification found equal, read from the destination and written down in one piece. */
export class Manifest {
  readonly #task: TransferTask;
  readonly #where: Where;
  readonly #proved: Pick<FileEntry, 'path' | 'pathBase64' | 'bytes'>[] = [];

  constructor(task: TransferTask, where: Where) {
    [this.#task, this.#where] = [task, where];
  }

  /** A run that also hears here which files are proved. */
  listening(run: Run): Run {
    return {
      ...run,
      file: (entry) => {
        if (entry.outcome === 'equal') this.#proved.push(entry);
        run.file(entry);
      },
    };
  }

  /** Answers what to say of it. Whatever goes wrong, an older manifest stays as it was. */
  async write(run: Run): Promise<string> {
    if (this.#proved.length > LIMITS.manifestFiles) throw tooMany();
    const { manifest } = this.#where;
    const real = await checkManifest(this.#where);
    await mkdir(path.dirname(real), { recursive: true });
    const temporary = path.join(path.dirname(real), `.tallyman-${this.#task.jobId}.new`);
    await rm(temporary, { force: true });
    const bounded = new BoundedRun(run);
    const out = await open(temporary, 'wx', 0o644);
    try {
      const { root, files } = await this.#writeAll(out, bounded);
      await out.sync();
      await rename(temporary, real);
      await syncFolder(path.dirname(real));
      return `Wrote ${manifest} with the SHA-256 of ${number(files)} files in ${root}: "tallyman verify" and "sha256sum --check" read it.`;
    } finally {
      bounded.flush();
      await out.close();
      await rm(temporary, { force: true });
    }
  }

  async #writeAll(out: FileHandle, run: Run): Promise<{ root: string; files: number }> {
    const { target } = this.#where.paths;
    const isFolder = (await stat(target)).isDirectory();
    const root = isFolder ? target : path.dirname(target);
    const walk = new FolderWalk(root);
    let files = 0;
    try {
      for (const entry of this.#proved) {
        const name = isFolder ? bytesOf(entry) : Buffer.from(path.basename(target));
        const lines = await linesOf(walk, name, entry.bytes, run.signal);
        if (lines) await out.writeFile(lines);
        if (lines) files++;
        run.onProgress({ currentFile: entry.path });
      }
    } finally {
      await walk.close();
    }
    return { root, files };
  }
}

/** Null for what is no regular file: links are left out. */
async function linesOf(walk: FolderWalk, name: Buffer, bytes: number | null, signal: AbortSignal): Promise<Buffer | null> {
  const { folder, name: last } = await walk.holderOf(name.toString('latin1')).catch(() => Promise.reject(changed(name)));
  const file = await open(folder.at(last), FLAGS).catch((error: unknown) => {
    // A link, a socket.
    if (['ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw changed(name);
  });
  if (!file) return null;
  try {
    const before = await file.stat();
    if (!before.isFile()) return null;
    const sum = await sha256Of(file.createReadStream({ autoClose: false }), signal);
    const after = await file.stat();
    if ([before, after].some(({ size }) => size !== bytes) || after.mtimeMs !== before.mtimeMs) throw changed(name);
    return manifestLines({ sum, name }, after);
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await Folder.open(Buffer.from(folder));
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const changed = (name: Buffer) =>
  failed(
    'verification_failed',
    `${showPath(name.toString('latin1'))} changed in the destination after it was compared, so no manifest was written.`,
    'Retry the job while nothing writes to the destination.',
  );

const tooMany = () =>
  failed(
    'too_many_files',
    `More than ${LIMITS.manifestFiles} files: no manifest was written.`,
    'Make a job for each folder of the source.',
  );
