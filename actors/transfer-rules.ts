import { JobError } from './errors.js';
import type { TransferOptions } from './job.js';
import { checkPlace, isIn, isRemote, onOneMachine, overlaps, type Allowed } from './paths.js';
import { askedMetadata } from './metadata.js';
import type { CreateTransfer } from './requests.js';

/** What of a job says which files it moves, and how. */
export type Transfer = Pick<CreateTransfer, 'type' | 'source' | 'destination' | 'options'>;

/** What can be said of a transfer before anybody looks at a disk. */
export function checkTransfer(allowed: Allowed, transfer: Transfer): void {
  const { type, source, destination, options } = transfer;
  requireSomethingToCompare(options);
  if (type !== 'rsync' && (options.parallel ?? 1) > 1)
    throw refuse('options.parallel', 'it is for rsync. rclone copies several files at once by itself.');
  checkPlace('source', source, type, allowed);
  checkPlace('destination', destination, type, allowed);
  requireConfirmed(transfer);
  checkOverlap(transfer);
  refuseMountOnRemotes(transfer);
  refuseMetadata(transfer);
  refuseForHosts(transfer);
  checkMirror(transfer, allowed);
  checkManifest(transfer, allowed);
  if (options.listUnchanged && type !== 'rsync') throw refuse('options.listUnchanged', 'only rsync tells what it does not copy.');
}

/** Source files go only when the request itself says yes: a setting or a template cannot say it for a person. */
function requireConfirmed({ type, source, destination, options: { deleteSource } }: Transfer): void {
  if (deleteSource.mode === 'never') return;
  const field = 'options.deleteSource.mode';
  if (isRemote(source))
    throw refuse(
      field,
      'only files of this machine are deleted, and the source is elsewhere. Give "never": copy, verify, then delete there.',
    );
  if (type === 'rsync' && isRemote(destination))
    throw refuse(field, 'rsync cannot prove each copy on another machine. Use type "rclone" and a remote, or give "never".');
  if (deleteSource.confirmed) return;
  throw new JobError(
    'invalid_request',
    `options.deleteSource.confirmed: "${deleteSource.mode}" deletes files of the source once their copies are proved. Give true if that is meant.`,
    { field: 'options.deleteSource.confirmed' },
  );
}

function requireSomethingToCompare({ compareOnly, verify, deleteSource }: TransferOptions): void {
  if (!compareOnly || (verify !== 'none' && deleteSource.mode === 'never')) return;
  throw new JobError('invalid_request', 'options.compareOnly: needs verify "checksum" or "size", and deletes nothing.', {
    field: 'options.compareOnly',
  });
}

const refuse = (field: string, message: string): JobError => new JobError('invalid_request', `${field}: ${message}`, { field });

/** What is written down has to be proved, in the destination, and may be no file of either side. */
function checkManifest({ type, source, destination, options }: Transfer, allowed: Allowed): void {
  const { manifest, verify, deleteSource } = options;
  if (typeof manifest !== 'string') return;
  const field = 'options.manifest';
  if (type !== 'rsync' || isRemote(source) || isRemote(destination)) throw refuse(field, 'it is for rsync between folders of one machine.');
  if (deleteSource.mode !== 'never') throw refuse(field, 'the list of files of a move has the SHA-256 of each already. Leave it out.');
  if (verify !== 'checksum') throw refuse(field, 'it holds what is proved. Give verify "checksum" too.');
  checkPlace(field, manifest, type, allowed);
  if (manifest.endsWith('/')) throw refuse(field, 'give the name of a file, without "/" at its end.');
  for (const side of [source, targetOf({ source, destination })]) {
    if (overlaps(manifest, side)) throw refuse(field, `it must neither be ${side} nor lie in it. Choose a file beside it.`);
  }
}

/** Refuses a copy over itself or into itself, as far as the words of the paths tell; links are looked at by the worker. */
function checkOverlap({ source, destination }: Pick<Transfer, 'source' | 'destination'>): void {
  const target = targetOf({ source, destination });
  const [inSource, inTarget] = [isIn(target, source), isIn(source, target)];
  if (inSource && inTarget) throw refuse('destination', `the copy would be its own source, ${source}. Choose another destination.`);
  if (inSource) {
    throw refuse(
      'destination',
      `it lies in the source ${source}: the copy would copy itself. Where a link leads out, give the place itself.`,
    );
  }
  if (inTarget) throw refuse('destination', `the source ${source} lies in ${target}, which is written. Choose another destination.`);
}

/** Without a slash at its end the source becomes an entry in the destination. */
function targetOf({ source, destination }: Pick<Transfer, 'source' | 'destination'>): string {
  const name = source.split('/').filter(Boolean).at(-1) ?? '';
  return source.endsWith('/') ? destination : `${destination}/${name}`;
}

/** What is mounted is seen on this machine alone. */
function refuseMountOnRemotes({ source, destination, options: { requireMount } }: Transfer): void {
  for (const [side, place] of [
    ['source', source],
    ['destination', destination],
  ] as const) {
    if (!isRemote(place)) continue;
    if (requireMount === side || requireMount === 'both')
      throw refuse('options.requireMount', `the ${side} is on another machine, whose disks nobody here can see. Give a marker instead.`);
  }
}

/** What rsync cannot do with another machine. */
function refuseForHosts({ type, source, destination, options }: Transfer): void {
  if (type !== 'rsync') return;
  if (isRemote(source) && isRemote(destination)) {
    throw refuse(
      'destination',
      'rsync copies from or to another machine, not between two others. Give a path of this machine on one side.',
    );
  }
  if (options.trash && isRemote(destination))
    throw refuse('options.trash', 'it is a folder of this machine, and the destination is on another one.');
}

function refuseMetadata({ type, options }: Transfer): void {
  const [first] = askedMetadata(options);
  if (type === 'rsync' || first === undefined) return;
  throw refuse(`options.metadata.${first}`, `${type} cannot copy that. Give false, or use a job of type "rsync".`);
}

/** Refuses a mirror that does not say how much it may delete, or whose trash would be mirrored too. */
function checkMirror({ type, source, destination, options }: Transfer, allowed: Allowed): void {
  const { deleteExtraneous, maxDelete, trash } = options;
  if (!deleteExtraneous) return refuseWithoutMirror(options);
  if (typeof maxDelete !== 'number') {
    throw refuse(
      'options.maxDelete',
      'say how many files and folders deleteExtraneous may delete at most; a preview tells how many would go.',
    );
  }
  if (options.deleteSource.mode !== 'never') {
    throw refuse('options.deleteSource.mode', 'a mirror of a source that is deleted would delete the copies next time. Give "never".');
  }
  if (typeof trash !== 'string') return;
  checkPlace('options.trash', trash, type, allowed);
  if (!onOneMachine(trash, destination))
    throw refuse('options.trash', `it must be on the same side as the destination ${destination}: files are moved there, not copied.`);
  for (const side of [source, destination]) {
    if (overlaps(trash, side)) throw refuse('options.trash', `it must neither hold ${side} nor lie in it. Choose a folder beside it.`);
  }
}

function refuseWithoutMirror({ maxDelete, trash }: TransferOptions): void {
  if (typeof maxDelete === 'number') throw refuse('options.maxDelete', 'it is for deleteExtraneous: true.');
  if (typeof trash === 'string') throw refuse('options.trash', 'it is for deleteExtraneous: true.');
}
