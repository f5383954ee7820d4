import type { HistoryEntry, Job } from './job.js';
import { withNotes, type Entry, type JobTable } from './job-table.js';
import type { StoredKey } from './journal.js';

/** What a change adds to the job's history: who did what. */
export interface Note {
  verb: string;
  note?: string | null;
}

interface Undo {
  id: string;
  before: Entry | undefined;
  /** What the round had added to its history; undefined: the round had not changed it. */
  notes: readonly string[] | undefined;
  bytes: number;
}

/**
 * The changes of one round, not stored yet. They are made in the table at once,
 * so that requests of the round see those before them, and every one can be
 * taken back: nobody else looks at the table until the journal has acknowledged
 * the round or the draft is dropped.
 */
export class Draft {
  readonly table: JobTable;
  #undo: Undo[] = [];
  /** Ids that changed, with what this round adds to their history. */
  #changed = new Map<string, readonly string[]>();
  #tombstones = new Map<string, { key: StoredKey | undefined; untilMs: number }>();
  /** Keys of the jobs that this round deleted. */
  #goneKeys = new Map<string, { id: string; digest: string }>();
  #bytes = 0;

  constructor(table: JobTable) {
    this.table = table;
  }

  get isEmpty(): boolean {
    return this.#changed.size === 0 && this.#tombstones.size === 0;
  }

  /** About how many bytes the record will have; never less than it will. */
  get bytes(): number {
    return this.#bytes;
  }

  put(job: Job, why: Note | null, key?: StoredKey): Entry {
    const before = this.table.get(job.id);
    const added = why ? [JSON.stringify(historyOf(job, why))] : [];
    const notesBefore = this.#changed.get(job.id);
    const entry = withNotes({
      job,
      text: JSON.stringify(job),
      key: key ?? before?.key,
      notes: added.length > 0 ? [...(before?.notes ?? []), ...added] : (before?.notes ?? []),
      notesDropped: before?.notesDropped ?? 0,
      sinceSeq: before?.sinceSeq ?? 0,
    });
    this.#undo.push({ id: job.id, before, notes: notesBefore, bytes: this.#bytes });
    this.#changed.set(job.id, added.length > 0 ? [...(notesBefore ?? []), ...added] : (notesBefore ?? []));
    this.table.put(entry);
    const addedBytes = added.reduce((sum, note) => sum + bytesAtMost(note), 0);
    this.#bytes += bytesAtMost(entry.text) + addedBytes + keyBytes(entry.key) + 64;
    return entry;
  }

  delete(id: string, keyUntilMs: number): void {
    const before = this.table.get(id);
    if (!before) return;
    this.#undo.push({ id, before, notes: this.#changed.get(id), bytes: this.#bytes });
    this.#changed.delete(id);
    this.#tombstones.set(id, { key: before.key, untilMs: keyUntilMs });
    this.table.delete(id);
    if (before.key) this.#goneKeys.set(before.key[0], { id, digest: before.key[1] });
    this.#bytes += 128 + keyBytes(before.key);
  }

  /** What an idempotency key stands for: a job that is there, or one that is gone, be it by this round. */
  findKey(key: string): { id: string; digest: string } | undefined {
    return this.#goneKeys.get(key) ?? this.table.findKey(key);
  }

  /** A place to go back to. */
  mark(): number {
    return this.#undo.length;
  }

  rollbackTo(mark: number): void {
    for (const { id, before, notes, bytes } of this.#undo.splice(mark).reverse()) {
      this.#bytes = bytes;
      this.#tombstones.delete(id);
      if (before?.key) this.#goneKeys.delete(before.key[0]);
      if (before) this.table.put(before);
      else this.table.delete(id);
      if (notes) this.#changed.set(id, notes);
      else this.#changed.delete(id);
    }
  }

  /** The record's lines, one change each. */
  lines(): string[] {
    const lines: string[] = [];
    for (const [id, notes] of this.#changed) lines.push(putLine(this.table.get(id) as Entry, notes));
    for (const [id, { key, untilMs }] of this.#tombstones) {
      lines.push(key ? `{"del":"${id}","key":${JSON.stringify(key)},"until":${untilMs}}` : `{"del":"${id}"}`);
    }
    return lines;
  }

  /** The journal has it: what was deleted is gone for good, what changed is at `seq`. */
  settle(seq: number): { deleted: string[] } {
    for (const id of this.#changed.keys()) (this.table.get(id) as Entry).sinceSeq ||= seq;
    for (const [id, { key, untilMs }] of this.#tombstones) {
      if (key) this.table.remember(key, id, untilMs);
    }
    return { deleted: [...this.#tombstones.keys()] };
  }
}

/** One line of a record: the whole job, and the given part of its history. */
export function putLine(entry: Entry, notes: readonly string[], notesDropped = 0): string {
  const key = entry.key ? `,"key":${JSON.stringify(entry.key)}` : '';
  const history = notes.length > 0 ? `,"notes":[${notes.join(',')}]` : '';
  const dropped = notesDropped > 0 ? `,"notesDropped":${notesDropped}` : '';
  return `{"put":${entry.text}${key}${history}${dropped}}`;
}

function historyOf(job: Job, why: Note): HistoryEntry {
  const { status, version, attempt, worker } = job;
  return { at: job.updatedAt, verb: why.verb, status, version, attempt, worker, note: why.note ?? null };
}

// eslint-disable-next-line no-control-regex -- ASCII is what is looked for
const ASCII_ONLY = /^[\x00-\x7f]*$/;
const keyBytes = (key: StoredKey | undefined): number => (key ? bytesAtMost(JSON.stringify(key)) : 0);
export const bytesAtMost = (text: string): number => (ASCII_ONLY.test(text) ? text.length : text.length * 3);
