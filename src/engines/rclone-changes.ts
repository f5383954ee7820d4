import { remoteOf } from '../../actors/paths.js';
import { latin1 } from './byte-path.js';
import type { Run, TransferTask } from './engine.js';
import { dryRunArgs, listArgs } from './rclone-args.js';
import { RcloneNames, realName } from './rclone-names.js';
import type { Outcome, RcloneProgram } from './rclone-program.js';
import type { Sides } from './rclone-sides.js';
import type { ChangeLine } from './rsync-preview.js';

/** What a dry run would do to the destination. */
export interface DryRun {
  lines: ChangeLine[];
  /** Of those that would be deleted, as rclone calls them, byte by byte (latin1). */
  files: string[];
  folders: string[];
  outcome: Outcome;
}

/** Runs it dry, straight to the final place: what is equal there, and what the source does not have, is seen there alone. */
export async function dryRun(task: TransferTask, sides: Sides, run: Run, program: RcloneProgram): Promise<DryRun> {
  const found = { copy: new Map<string, number>(), make: new Set<string>(), files: new Map<string, number>(), folders: new Set<string>() };
  const outcome = await program.run(dryRunArgs(task, sides), task, run, {
    message: ({ skipped }) => {
      if (skipped?.what === 'copy') found.copy.set(skipped.name, skipped.bytes);
      else if (skipped?.what === 'make directory') found.make.add(skipped.name);
      else if (skipped?.what === 'delete') found.files.set(skipped.name, skipped.bytes);
      else if (skipped?.what === 'remove directory') found.folders.add(skipped.name);
    },
  });
  const there = await program.list(listArgs(task, sides, sides.target, 'all'), task, run);
  const thereNames = namesOf(sides.target, () => Promise.resolve(there));
  const sourceNames = namesOf(sides.source, () => program.listReadable(listArgs(task, sides, sides.source, 'all'), task, run));
  const isThere = new Set(there);
  const lines: ChangeLine[] = [];
  const add = (change: '>' | '*', isNew: boolean, type: 'f' | 'd', rawName: string, bytes: number) =>
    lines.push({ change, isNew, type, bytes, rawName, name: Buffer.from(rawName, 'latin1').toString('utf8') });
  for (const [text, bytes] of found.copy) {
    for (const name of await sourceNames.ofTexts([text]))
      add('>', sides.isFile ? there.length === 0 : !isThere.has(name), 'f', await sourceNames.onDisk(name), bytes);
  }
  for (const name of madeFolders(await sourceNames.ofTexts([...found.copy.keys()]), await sourceNames.ofTexts(found.make), isThere)) {
    add('>', true, 'd', realName(`${name}/`), 0);
  }
  const keep = task.options.marker?.destination;
  const files: string[] = [];
  // In one order whenever it is run: a digest is made of the names.
  for (const [text, bytes] of [...found.files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const name of await extraneous(text, thereNames, sourceNames)) {
      const path = await thereNames.onDisk(name);
      if (path === latin1(keep ?? '')) continue;
      files.push(name);
      add('*', false, 'f', path, bytes);
    }
  }
  const folders: string[] = [];
  for (const text of [...found.folders].sort().reverse()) {
    for (const name of await extraneous(`${text}/`, thereNames, sourceNames)) folders.push(name.slice(0, -1));
  }
  for (const name of folders) add('*', false, 'd', realName(`${name}/`), 0);
  return { lines, files, folders, outcome };
}

/** Two names that are no UTF-8 may look alike in the log: the one that the source has as well is not meant. */
async function extraneous(text: string, there: RcloneNames, source: RcloneNames): Promise<string[]> {
  const names = await there.ofTexts([text]);
  if (!text.includes('\ufffd')) return names;
  const kept = await source.ofTexts([text]);
  return names.filter((name) => !kept.includes(name));
}

export const namesOf = (place: string, list: () => Promise<string[]>): RcloneNames => new RcloneNames(remoteOf(place) ? null : place, list);

/** A dry run tells of empty folders alone: those that files need are told by the files. */
function madeFolders(files: string[], folders: string[], there: ReadonlySet<string>): string[] {
  const made = new Set<string>();
  const parents = (name: string) => {
    for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) made.add(name.slice(0, at));
  };
  for (const name of files) parents(name);
  for (const name of folders) parents(`${name}/`);
  return [...made].filter((name) => !there.has(`${name}/`)).sort();
}
