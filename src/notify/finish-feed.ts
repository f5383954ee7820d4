import type { Journal, JournalRecord } from '../../actors/journal.js';
import { mayTell } from './notice.js';

/** Changes that may have to be told, as lines of the journal; `seq` is the record up to which they go. */
export interface Finishes {
  seq: number;
  lines: string[];
}

/** What may wait in memory: past it the rest is read from the journal later. */
const WAITING_CHARS = 16 * 1024 * 1024;
const MEANWHILE_RECORDS = 1000;

class Full extends Error {}

/**
 * Hears of every job that finishes and every run that did not happen, in the journal's order. What this manager
 * stores is heard as it is stored, which costs a look at each line; whatever
 * was missed (before the start, after a lost answer, while too much waited) is
 * read from the journal.
 */
export class FinishFeed {
  readonly #journal: Journal;
  readonly #onNews: () => void;
  readonly #onGap: (firstSeq: number, lastSeq: number) => void;
  /** The first record that was not heard. */
  #next: number;
  #lines: string[] = [];
  #chars = 0;
  #behind = true;
  /** What is heard while the journal is read. */
  #meanwhile: Finishes[] | null = null;
  #inHand = false;

  constructor(options: {
    journal: Journal;
    nextSeq: number;
    /** There is something to take. */
    onNews: () => void;
    /** These records were purged before they were read. */
    onGap: (firstSeq: number, lastSeq: number) => void;
  }) {
    this.#journal = options.journal;
    this.#next = options.nextSeq;
    this.#onNews = options.onNews;
    this.#onGap = options.onGap;
  }

  /** The journal for the manager to write: everything that goes in is heard. */
  get journal(): Journal {
    const journal = this.#journal;
    return {
      read: (onRecord, fromSeq) => journal.read(onRecord, fromSeq),
      append: async (record, expectedSeq) => {
        const appended = journal.append(record, expectedSeq);
        // Looked through while the server stores it.
        const lines = record.kind === 'commit' && record.tells !== false ? record.lines.filter(mayTell) : [];
        await appended;
        this.#hear(expectedSeq + 1, lines);
      },
      state: () => journal.state(),
      commitAt: async (seq) => {
        const commit = await journal.commitAt(seq);
        // An append whose answer was lost may have been stored.
        this.#fallBehind();
        return commit;
      },
      purgeBelow: (seq) => journal.purgeBelow(seq),
    };
  }

  /** Everything up to this record has been taken and dealt with; `null` while something waits. */
  get settledSeq(): number | null {
    return this.hasNews || this.#inHand ? null : this.#next - 1;
  }

  get hasNews(): boolean {
    return this.#lines.length > 0 || this.#behind;
  }

  /** All that waits, for the taker to deal with and then `settle`; first reads what was missed. Rejects when the journal cannot be read now. */
  async take(): Promise<Finishes> {
    if (this.#lines.length === 0 && this.#behind) await this.#catchUp();
    this.#inHand = true;
    const finishes = { seq: this.#next - 1, lines: this.#lines };
    this.#lines = [];
    this.#chars = 0;
    return finishes;
  }

  settle(): void {
    this.#inHand = false;
  }

  #hear(seq: number, lines: string[]): void {
    if (this.#meanwhile && this.#meanwhile.length < MEANWHILE_RECORDS) this.#meanwhile.push({ seq, lines });
    else if (seq !== this.#next || this.#chars > WAITING_CHARS) this.#fallBehind();
    else if (this.#keep(seq, lines)) this.#onNews();
  }

  #fallBehind(): void {
    this.#behind = true;
    this.#onNews();
  }

  #keep(seq: number, lines: string[]): boolean {
    this.#next = seq + 1;
    for (const line of lines) {
      this.#lines.push(line);
      this.#chars += line.length;
    }
    return lines.length > 0;
  }

  async #catchUp(): Promise<void> {
    const meanwhile: Finishes[] = (this.#meanwhile = []);
    this.#behind = false;
    try {
      const { lastSeq } = await this.#journal.read((record) => this.#readOne(record), this.#next);
      this.#next = Math.max(this.#next, lastSeq + 1);
      for (const { seq, lines } of meanwhile) {
        if (seq === this.#next) this.#keep(seq, lines);
        else if (seq > this.#next) this.#behind = true;
      }
    } catch (error) {
      this.#behind = true;
      if (!(error instanceof Full)) throw error;
    } finally {
      this.#meanwhile = null;
    }
  }

  #readOne({ seq, kind, changes }: JournalRecord): void {
    if (this.#chars > WAITING_CHARS) throw new Full();
    if (seq > this.#next) this.#onGap(this.#next, seq - 1);
    this.#keep(seq, kind === 'commit' ? changes.map((change) => JSON.stringify(change)).filter(mayTell) : []);
  }
}
