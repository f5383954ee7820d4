import { randomUUID } from 'node:crypto';
import { lstat, open, readdir, realpath, rm, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import type { FarCopies, Run, TransferTask } from '../engines/engine.js';
import { PROBE_PREFIX } from '../engines/staging.js';
import type { Folder, FolderWalk } from './folder.js';
import { failed } from './preflight.js';
import type { SourceFile } from './source-list.js';

/** What a question to the remote is given to run with. */
export type RunOf = (signal: AbortSignal, onProgress?: Run['onProgress']) => Run;

const REMOVE_TIMEOUT_MS = 20_000;

type Task = Pick<TransferTask, 'jobId' | 'attempt' | 'source'>;

/**
 * Makes sure that a folder here and one on a remote are two, and that neither
 * lies in the other. What a remote stands for only the remote knows: it may be an
 * alias, or a server on this very machine. So a file is put into each and
 * looked for on the other side. Those that a killed attempt left are removed.
 */
export async function requireApart(port: FarCopies, task: Task, runOf: RunOf, signal: AbortSignal): Promise<void> {
  const mine = `${PROBE_PREFIX}${task.jobId}-`;
  const real = await realpath(task.source).catch(wentAway(task.source));
  const isFolder = (await stat(real)).isDirectory();
  const source = isFolder ? real : path.dirname(real);
  const run = runOf(signal);
  if (task.attempt > 1) await port.removeProbes(await port.findProbes(mine, run), run);
  await removeOwn(Buffer.from(source), mine);
  await requireFarElsewhere(port, { mine, source, isFolder }, runOf, signal);
  await requireNearElsewhere(port, { mine, source, isFolder }, run);
}

/** `isFolder`: the whole folder is moved, and not one file of it. */
interface Here {
  mine: string;
  source: string;
  isFolder: boolean;
}

/** What is put there must not show here: in the source, below it or above it. */
async function requireFarElsewhere(port: FarCopies, { mine, source, isFolder }: Here, runOf: RunOf, signal: AbortSignal): Promise<void> {
  const probe = `${mine}${randomUUID()}`;
  let isRefused = true;
  try {
    await port.putProbe(probe, runOf(signal));
    if (await isThere(path.join(source, probe))) throw sameFolder(source, port.place);
    const below = isFolder ? await findBelow(Buffer.from(source), probe, mine, signal) : null;
    if (below !== null) {
      throw failed(
        'destination_in_source',
        `The destination ${port.place} is ${below.toString()}, which lies in the source ${source}. Nothing was copied or deleted.`,
        'Choose a destination outside of the source.',
      );
    }
    if (isFolder && (await isAbove(source, probe))) throw sourceInside(source, port.place);
    isRefused = false;
  } finally {
    // Also when it was stopped, and when it is not known whether it came there.
    const removing = runOf(AbortSignal.timeout(REMOVE_TIMEOUT_MS));
    await port
      .removeProbes([probe], removing)
      .then(() => (isRefused ? port.removeMadeFolders(removing) : undefined))
      .catch(() => {
        removing.log('warning', 'worker', `The file ${probe} may be left in ${port.place}; the next attempt removes it.`);
      });
  }
}

/** What is put into the source must not show there. */
async function requireNearElsewhere(port: FarCopies, { mine, source, isFolder }: Here, run: Run): Promise<void> {
  const probe = `${mine}${randomUUID()}`;
  const file = path.join(source, probe);
  try {
    await (await open(file, 'wx', 0o600).catch(cannotProbe(source))).close();
    const found = (await port.findProbes(probe, run)).sort((a, b) => a.length - b.length)[0];
    if (found === probe) throw sameFolder(source, port.place);
    if (found !== undefined && isFolder) throw sourceInside(source, port.place);
  } finally {
    await rm(file, { force: true });
  }
}

/**
 * The same of the folders of single files: deep in the tree one may be mounted,
 * or lead, to the place of the other. Called right before the files are deleted.
 */
export async function requireOtherFolders(
  port: FarCopies,
  task: Task,
  { files, source }: { files: readonly SourceFile[]; source: FolderWalk },
  run: Run,
): Promise<void> {
  const probe = `${PROBE_PREFIX}${task.jobId}-${randomUUID()}`;
  const probes = [...new Set(files.map(({ path: file }) => file.slice(0, file.lastIndexOf('/') + 1)))].map((folder) => folder + probe);
  try {
    for (const one of probes) await put(one, source);
    const [found] = await port.look(
      probes.map((one) => ({ path: one, type: 'file' as const })),
      run,
    );
    if (found) throw sameFolder(Buffer.from(path.dirname(found[0]), 'latin1').toString(), port.place);
  } finally {
    for (const one of probes) await takeAway(one, source);
  }
}

async function put(probe: string, source: FolderWalk): Promise<void> {
  const at = await placeOf(probe, source);
  // Where nothing can be put, nothing can be deleted.
  if (at) await (await open(at, 'wx', 0o600).catch(() => null))?.close();
}

async function takeAway(probe: string, source: FolderWalk): Promise<void> {
  const at = await placeOf(probe, source);
  if (at) await unlink(at).catch(() => undefined);
}

const placeOf = async (probe: string, source: FolderWalk): Promise<Buffer | null> => {
  const holder: { folder: Folder; name: Buffer } | null = await source.holderOf(probe).catch(() => null);
  return holder && holder.folder.at(holder.name);
};

/** The folder below `folder` that has the probe. Looked for by its name: a list may be an old one. On the way what a killed attempt left is removed. */
async function findBelow(folder: Buffer, probe: string, mine: string, signal: AbortSignal): Promise<Buffer | null> {
  signal.throwIfAborted();
  const at = (name: Buffer) => Buffer.concat([folder, Buffer.from('/'), name]);
  for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch(() => [])) {
    const name = at(entry.name);
    if (!entry.isDirectory()) continue;
    if (await isThere(Buffer.concat([name, Buffer.from(`/${probe}`)]))) return name;
    await removeOwn(name, mine);
    const found = await findBelow(name, probe, mine, signal);
    if (found) return found;
  }
  return null;
}

async function isAbove(source: string, probe: string): Promise<boolean> {
  const above = path.dirname(source);
  return above !== source && ((await isThere(path.join(above, probe))) || isAbove(above, probe));
}

/** What a killed attempt of this job has left in a folder. */
async function removeOwn(folder: Buffer, mine: string): Promise<void> {
  for (const name of await readdir(folder, { encoding: 'buffer' }).catch(() => [])) {
    if (name.toString('latin1').startsWith(mine)) await unlink(Buffer.concat([folder, Buffer.from('/'), name])).catch(() => undefined);
  }
}

const isThere = (file: string | Buffer): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  );

const wentAway = (source: string) => () => {
  throw failed('source_changed', `The source ${source} went away meanwhile.`, 'The job is tried again by itself.', true);
};

const cannotProbe = (folder: string) => (error: unknown) => {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  throw failed(
    'permission_denied',
    `The worker may not write in ${folder} (${code}), so nothing was deleted.`,
    'Give the user that runs the worker the right to write there, then retry the job.',
  );
};

const sameFolder = (source: string, place: string) =>
  failed(
    'source_is_destination',
    `${source} and ${place} are one and the same folder: what looks like a copy is the source. Nothing more was copied or deleted.`,
    'Choose another destination.',
  );

const sourceInside = (source: string, place: string) =>
  failed(
    'source_in_destination',
    `The source ${source} lies in the destination ${place}: the copy could overwrite what it copies from. Nothing was copied or deleted.`,
    'Choose a destination that does not hold the source.',
  );
