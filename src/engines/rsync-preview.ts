import type { Amount, Changes } from './engine.js';
import type { FileLine, StatLine } from './rsync-output.js';

const none = (): Amount => ({ files: 0, folders: 0, bytes: 0 });

/** Adds up what the lines of a dry run say. */
export class ChangesFound {
  readonly #amounts = { create: none(), change: none(), delete: none() };

  /** Tells what would become of the entry. */
  add(line: FileLine): 'create' | 'change' | 'delete' {
    const change = line.change === '*' ? 'delete' : line.isNew ? 'create' : 'change';
    const amount = this.#amounts[change];
    if (line.type === 'd') amount.folders++;
    else amount.files++;
    // Where only times or rights change, no byte is moved.
    if (line.type === 'f' && line.change !== '.') amount.bytes += line.bytes;
    return change;
  }

  changes(files: StatLine): Changes {
    const { create, change } = this.#amounts;
    const inSource = files.value - (files.byType['dir'] ?? 0);
    return { ...this.#amounts, equal: Math.max(0, inSource - create.files - change.files) };
  }
}
