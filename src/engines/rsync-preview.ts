import { createHash, type Hash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import type { TransferOptions } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { isRemote } from '../../actors/paths.js';
import type { Preview } from '../answers.js';
import type { Amount, Changes, EnginePreview } from './engine.js';
import { unescapeName, type FileLine, type StatLine } from './rsync-output.js';

/** What is read of the line of a dry run; that of rclone is put in the same words. */
export type ChangeLine = Pick<FileLine, 'change' | 'isNew' | 'type' | 'bytes' | 'rawName' | 'name'>;
type Total = Pick<StatLine, 'value' | 'byType'>;

const none = (): Amount => ({ files: 0, folders: 0, bytes: 0 });

/** Adds up what the lines of a dry run say. */
export class ChangesFound {
  readonly #amounts = { create: none(), change: none(), delete: none() };
  #deletions: Hash | null = null;

  /** Tells what would become of the entry; `null` for a folder that only gets the times and rights of its source. */
  add(line: ChangeLine): 'create' | 'change' | 'delete' | null {
    const change = line.change === '*' ? 'delete' : line.isNew ? 'create' : 'change';
    if (change === 'change' && line.type === 'd') return null;
    const amount = this.#amounts[change];
    if (line.type === 'd') amount.folders++;
    else amount.files++;
    // Where only times or rights change, no byte is moved.
    if (line.type === 'f' && line.change !== '.') amount.bytes += line.bytes;
    if (change === 'delete') (this.#deletions ??= createHash('sha256')).update(`${line.rawName}\0`, 'latin1');
    return change;
  }

  changes(files: Total): Changes {
    const { create, change } = this.#amounts;
    const inSource = files.value - (files.byType['dir'] ?? 0);
    const equal = Math.max(0, inSource - create.files - change.files);
    return { ...this.#amounts, equal, deletions: this.#deletions?.copy().digest('base64url') ?? '' };
  }
}

/** `--debug=filter1` */
const RULE = /^\[(?:sender|generator)\] (\w+) (\w+) .* because of pattern (.*)$/s;

/** What a preview shows: numbers, the first names, and what the patterns do. */
export class PreviewFound {
  readonly #changes = new ChangesFound();
  readonly #unused: Set<string>;
  readonly #skip = { files: 0, folders: 0 };
  readonly #names: Record<'delete' | 'other', Preview['names']> = { delete: [], other: [] };
  #nameBytes = 0;
  #namesLeftOut = false;
  #deleted: string[] | null = [];
  #deletedBytes: number | null = null;

  constructor({ excludes, includes }: TransferOptions) {
    this.#unused = new Set([...includes, ...excludes]);
  }

  addFile(line: ChangeLine): void {
    const change = this.#changes.add(line);
    if (change === null) return;
    if (change === 'delete') {
      if (this.#deleted && this.#deleted.length < LIMITS.previewSizes) this.#deleted.push(line.rawName);
      else this.#deleted = null;
    }
    const names = this.#names[change === 'delete' ? 'delete' : 'other'];
    if (names.length >= LIMITS.previewNames || this.#nameBytes > LIMITS.previewNameBytes) {
      this.#namesLeftOut = true;
      return;
    }
    this.#nameBytes += line.rawName.length;
    names.push({ change, path: line.name, bytes: change === 'delete' ? null : line.bytes });
  }

  addText(text: string): void {
    const [, action, kind, pattern = ''] = RULE.exec(text) ?? [];
    if (action === undefined) return;
    this.#unused.delete(Buffer.from(unescapeName(Buffer.from(pattern).toString('latin1')), 'latin1').toString());
    if (action !== 'hiding') return;
    if (kind === 'directory') this.#skip.folders++;
    else this.#skip.files++;
  }

  /** rsync does not say how large a file is that it would delete. On another machine it stays unknown. */
  async lookUpSizes(destination: string): Promise<void> {
    if (!this.#deleted || (isRemote(destination) && this.#deleted.length > 0)) return;
    let sum = 0;
    for (const [index, rawName] of this.#deleted.entries()) {
      const stats = await lstat(Buffer.concat([Buffer.from(`${destination}/`), Buffer.from(rawName, 'latin1')])).catch(() => null);
      const bytes = stats?.isFile() ? stats.size : 0;
      sum += bytes;
      const shown = this.#names.delete[index];
      if (shown) shown.bytes = bytes;
    }
    this.#deletedBytes = sum;
  }

  preview(files: Total): Omit<EnginePreview, 'command' | 'failure'> {
    const changes = this.#changes.changes(files);
    const names = [...this.#names.delete, ...this.#names.other];
    return {
      changes,
      counts: {
        create: changes.create,
        change: changes.change,
        delete: { ...changes.delete, bytes: this.#deletedBytes },
        skip: this.#skip,
        equal: { files: changes.equal },
      },
      names: names.slice(0, LIMITS.previewNames),
      truncated: this.#namesLeftOut || names.length > LIMITS.previewNames,
      unusedPatterns: [...this.#unused],
    };
  }
}
