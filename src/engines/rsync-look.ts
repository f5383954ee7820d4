import { stat } from 'node:fs/promises';
import path from 'node:path';
import { hostOf } from '../../actors/host-place.js';
import type { JobFailure } from '../../actors/job.js';
import { EngineFailed, type Run, type TransferTask } from './engine.js';
import { markerMissing } from './marker-missing.js';
import { lookArgs } from './rsync-args.js';
import { saysNotThere } from './rsync-failures.js';
import type { Outcome } from './rsync-outcome.js';

/** What rsync shows of one place on another machine: its kind as `ls -l` begins a line, or why nothing is shown. */
type Look = (place: string) => Promise<{ failure: JobFailure | null; kind: string | null }>;

/** `list` runs rsync and tells each line that it prints. */
export const lookBy =
  (list: (args: string[], onText: (text: string) => void) => Promise<Pick<Outcome, 'exit' | 'errors'>>): Look =>
  async (place) => {
    let kind: string | null = null;
    const { exit, errors } = await list(lookArgs(place), (text) => (kind ??= text.charAt(0)));
    return { failure: exit.code === 0 ? null : errors.failure(exit), kind };
  };

/** That the side of a task which is on another machine can be reached, and a source is there. A destination may be made by the copy. */
export async function checkHost(task: TransferTask, run: Run, look: Look): Promise<void> {
  const { side, place } = hostSideOf(task);
  const { failure } = await look(place);
  if (failure && !(side === 'destination' && saysNotThere(failure))) throw new EngineFailed(failure);
  run.log('info', 'worker', `${hostOf(place)?.host} can be reached. How much room there is, it does not tell.`);
}

/** That the marker is there which that side is to have. */
export async function checkMarker(task: TransferTask, look: Look): Promise<void> {
  const { side, place } = hostSideOf(task);
  const name = task.options.marker?.[side];
  if (!name || !hostOf(place)) return;
  const isFolder = place.endsWith('/') || (await look(`${place}/`)).failure === null;
  const takesFolder = side === 'destination' && ((await stat(task.source).catch(() => null))?.isDirectory() ?? false);
  const folder = isFolder || takesFolder ? place.replace(/\/+$/, '') : path.posix.dirname(place);
  const { failure, kind } = await look(`${folder}/${name}`);
  if (failure && !saysNotThere(failure)) throw new EngineFailed(failure);
  if (kind !== '-') throw markerMissing(side, folder, name);
}

const hostSideOf = ({ source, destination }: TransferTask) =>
  hostOf(source) ? ({ side: 'source', place: source } as const) : ({ side: 'destination', place: destination } as const);
