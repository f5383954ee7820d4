import type { TransferOptions } from '../../actors/job.js';
import { askedMetadata, type Metadata } from '../../actors/metadata.js';
import { EngineFailed } from './engine.js';
import type { FileLine } from './rsync-output.js';

const FLAGS: Record<Metadata, string> = { acls: '-A', xattrs: '-X', hardLinks: '-H', sparse: '-S' };
/** What `rsync --version` calls it; without it, or with "no" before it, rsync was built without. */
const CAPABILITIES: Record<Metadata, RegExp | null> = {
  acls: /(?<!no )\bACLs\b/,
  xattrs: /(?<!no )\bxattrs\b/,
  hardLinks: /(?<!no )\bhardlinks\b/,
  sparse: null,
};
const WORDS = { acls: 'access control lists', xattrs: 'extended attributes', hardLinks: 'hard links', sparse: 'holes in files' };

export const metadataArgs = (options: TransferOptions): string[] => askedMetadata(options).map((kind) => FLAGS[kind]);

const isCapable = (versionText: string, kind: Metadata): boolean => CAPABILITIES[kind]?.test(versionText) ?? true;

/** Refuses what this rsync was built without: it would fail only after it had begun. */
export function requireCapable(versionText: string, options: TransferOptions): void {
  const missing = askedMetadata(options).find((kind) => !isCapable(versionText, kind));
  if (missing === undefined) return;
  throw new EngineFailed({
    code: 'metadata_not_supported',
    message: `The rsync of this worker was built without ${WORDS[missing]}. Nothing was copied.`,
    exitCode: null,
    retriable: false,
    advice: `Install an rsync that has them ("rsync --version" tells), or set options.metadata.${missing} to false.`,
  });
}

/** A hole is no loss. */
const LOSABLE = ['acls', 'xattrs', 'hardLinks'] as const satisfies Metadata[];
type Losable = (typeof LOSABLE)[number];

/** The flags of what is not copied, as far as this rsync can see it. */
export const lostFlags = (versionText: string, { metadata }: TransferOptions): string[] =>
  LOSABLE.filter((kind) => !metadata?.[kind] && isCapable(versionText, kind)).map((kind) => FLAGS[kind]);

/** Counts the entries whose copies have not got what the source has, by the lines of a dry run. */
export class LostMetadata {
  readonly #counts = new Map<Losable, number>();

  /** The last two letters of what differs are of access control lists and extended attributes. */
  add({ change, flags, isNew }: FileLine): void {
    if (isNew || change === '*') return;
    if (flags.at(-2) === 'a') this.#count('acls');
    if (flags.at(-1) === 'x') this.#count('xattrs');
    if (change === 'h') this.#count('hardLinks');
  }

  get warnings(): string[] {
    return [...this.#counts].map(([kind, count]) => `${LOST[kind]}: ${count}. options.metadata.${kind} copies them.`);
  }

  #count(kind: Losable): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }
}

const LOST: Record<Losable, string> = {
  acls: 'Files and folders whose access control lists are not in the copy',
  xattrs: 'Files and folders whose extended attributes are not in the copy',
  hardLinks: 'Names that are hard links in the source, and files of their own in the copy',
};
