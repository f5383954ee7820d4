import { Entry } from './entry.js';
import type { HistoryEntry, Job } from './job.js';
import type { JobTable } from './job-table.js';
import type { StoredKey } from './journal.js';
import { LIMITS } from './limits.js';
import { patchOf } from './patch.js';
import { ScheduleDraft } from './schedule-draft.js';

/** What a change adds to the job's history: who did what. */
export interface Note {
  verb: string;
  note?: string | null;
}

/** A job that the round changed, as it is by now, with what the round adds to its history. */
interface Changed {
  entry: Entry;
  notes: readonly string[];
  /** When progress is all that the round changed: the line of the record, and the job before the round. */
  patch: { line: string; over: Job } | null;
}

interface Undo {
  id: string;
  before: Entry | undefined;
  /** What the round had made of it; undefined: the round had not changed it. */
  changed: Changed | undefined;
  bytes: number;
}

const NO_NOTES: readonly string[] = [];

/**
 * The changes of one round, not stored yet. They are made in the table at once,
 * so that requests of the round see those before them, and every one can be
 * taken back: nobody else looks at the table until the journal has acknowledged
 * the round or the draft is dropped.
 */
export class Draft {
  readonly table: JobTable;
  readonly schedules: ScheduleDraft;
  #undo: (Undo | { undo(): void; bytes: number })[] = [];
  #changed = new Map<string, Changed>();
  #tombstones = new Map<string, { key: StoredKey | undefined; untilMs: number }>();
  /** Keys of the jobs that this round deleted. */
  #goneKeys = new Map<string, { id: string; digest: string }>();
  #bytes = 0;
  #bandwidth: JobTable['bandwidth'] | undefined;
  #finishes = false;
  readonly #seq: number;

  /** `seq` is what the record will get. */
  constructor(table: JobTable, seq: number) {
    this.table = table;
    this.schedules = new ScheduleDraft(table.schedules, (undo, text) => {
      this.#undo.push({ undo, bytes: this.#bytes });
      this.#bytes += bytesAtMost(text);
    });
    this.#seq = seq;
  }

  get isEmpty(): boolean {
    return this.#changed.size === 0 && this.#tombstones.size === 0 && this.schedules.isEmpty && this.#bandwidth === undefined;
  }

  /** Whether it may have finished a job or changed a schedule. */
  get tells(): boolean {
    return this.#finishes || !this.schedules.isEmpty;
  }

  /** About how many bytes the record will have; never less than it will. */
  get bytes(): number {
    return this.#bytes;
  }

  put(job: Job, why: Note | null, key?: StoredKey): Entry {
    const before = this.table.get(job.id);
    const changed = this.#changed.get(job.id);
    const added = why ? [JSON.stringify(historyOf(job, why))] : NO_NOTES;
    const entry = new Entry({
      job,
      key: key ?? before?.key,
      notes: joined(before?.notes, added),
      notesDropped: before?.notesDropped ?? 0,
      sinceSeq: before?.sinceSeq ?? 0,
    });
    const addedBytes = added.reduce((sum, note) => sum + bytesAtMost(note), 0);
    const bytes = bytesAtMost(entry.text) + addedBytes + keyBytes(entry.key) + 64;
    this.#finishes ||= job.finishedAt !== null;
    return this.#change(before, { entry, notes: joined(changed?.notes, added), patch: null }, bytes);
  }

  /** New progress and nothing else. While the whole job is near in the journal the record has that alone. */
  patch(job: Job): Entry {
    const before = this.table.get(job.id);
    const changed = this.#changed.get(job.id);
    const isNear = changed ? changed.patch !== null : before && this.#seq - before.wholeSeq <= LIMITS.patchReachRecords;
    if (!before || !isNear) return this.put(job, null);
    const over = changed?.patch?.over ?? before.job;
    const line = `{"patch":${JSON.stringify(patchOf(over, job))},"over":${over.version}}`;
    return this.#change(before, { entry: before.withProgress(job), notes: NO_NOTES, patch: { line, over } }, bytesAtMost(line) + 1);
  }

  delete(id: string, keyUntilMs: number): void {
    const before = this.table.get(id);
    if (!before) return;
    this.#undo.push({ id, before, changed: this.#changed.get(id), bytes: this.#bytes });
    this.#changed.delete(id);
    this.#tombstones.set(id, { key: before.key, untilMs: keyUntilMs });
    this.table.delete(id);
    if (before.key) this.#goneKeys.set(before.key[0], { id, digest: before.key[1] });
    this.#bytes += 128 + keyBytes(before.key);
  }

  /** The bandwidth limit in all that this round sets, if it does. */
  get bandwidth(): JobTable['bandwidth'] | undefined {
    return this.#bandwidth;
  }

  setBandwidth(limit: JobTable['bandwidth']): void {
    const before = this.#bandwidth;
    this.#undo.push({ undo: () => (this.#bandwidth = before), bytes: this.#bytes });
    this.#bandwidth = limit;
    this.#bytes += bytesAtMost(JSON.stringify(limit));
  }

  /** What an idempotency key stands for: a job or schedule that is there, or one that is gone, be it by this round. */
  findKey(key: string): { id: string; digest: string } | undefined {
    return this.#goneKeys.get(key) ?? this.schedules.findKey(key) ?? this.table.findKey(key);
  }

  #change(before: Entry | undefined, changed: Changed, bytes: number): Entry {
    const { entry } = changed;
    const { id } = entry.job;
    this.#undo.push({ id, before, changed: this.#changed.get(id), bytes: this.#bytes });
    this.#changed.set(id, changed);
    this.table.put(entry, before);
    this.#bytes += bytes;
    return entry;
  }

  /** A place to go back to. */
  mark(): number {
    return this.#undo.length;
  }

  rollbackTo(mark: number): void {
    for (const step of this.#undo.splice(mark).reverse()) {
      this.#bytes = step.bytes;
      if ('undo' in step) {
        step.undo();
        continue;
      }
      const { id, before, changed } = step;
      this.#tombstones.delete(id);
      if (before?.key) this.#goneKeys.delete(before.key[0]);
      if (before) this.table.put(before, this.table.get(id));
      else this.table.delete(id);
      if (changed) this.#changed.set(id, changed);
      else this.#changed.delete(id);
    }
  }

  /** The record's lines, one change each. */
  lines(): string[] {
    const lines: string[] = this.schedules.lines();
    for (const { entry, notes, patch } of this.#changed.values()) lines.push(patch ? patch.line : putLine(entry, notes));
    for (const [id, { key, untilMs }] of this.#tombstones) {
      lines.push(key ? `{"del":"${id}","key":${JSON.stringify(key)},"until":${untilMs}}` : `{"del":"${id}"}`);
    }
    return lines;
  }

  /** The journal has it: what was deleted is gone for good, what changed is at `seq`. */
  settle(seq: number): { deleted: string[]; skipped: ReturnType<ScheduleDraft['settle']>['skipped'] } {
    if (this.#bandwidth !== undefined) this.table.bandwidth = this.#bandwidth;
    for (const { entry, patch } of this.#changed.values()) {
      entry.sinceSeq ||= seq;
      if (!patch) entry.wholeSeq = seq;
      entry.forgetText();
    }
    for (const [id, { key, untilMs }] of this.#tombstones) {
      if (key) this.table.remember(key, id, untilMs);
    }
    const { gone, skipped } = this.schedules.settle(seq);
    for (const { id, key, untilMs } of gone) if (key) this.table.remember(key, id, untilMs);
    return { deleted: [...this.#tombstones.keys()], skipped };
  }
}

/** Arrays of one note are shared, not copied: most rounds add one to a job, or none. */
const joined = (before: readonly string[] = NO_NOTES, added: readonly string[]): readonly string[] =>
  added.length === 0 ? before : before.length === 0 ? added : [...before, ...added];

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
