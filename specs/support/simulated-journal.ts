import { AppendRefused, type Change, type Journal, type JournalRecord, type JournalState, type RecordDraft } from '../../actors/journal.js';

/** What befalls the next append. Where the answer is lost its outcome is unknown: the record is there, or not, or gets in later if its place is still free. */
export type Fate = 'stored' | 'storage_full' | 'stored_answer_lost' | 'not_stored_answer_lost' | 'stored_late_answer_lost';

/** The journal in memory, with faults on command. Each step waits for `turn`, so that a scheduler can order them. */
export class SimulatedJournal implements Journal {
  readonly records: JournalRecord[] = [];
  readonly fates: Fate[] = [];
  /** How many appends were under way at once, at most. */
  appendsAtOnce = 0;
  createdAt = 'then';
  #first = 1;
  #appending = 0;
  readonly #turn: (label: string) => Promise<unknown>;

  constructor(turn: (label: string) => Promise<unknown> = () => Promise.resolve()) {
    this.#turn = turn;
  }

  get lastSeq(): number {
    return this.#first + this.records.length - 1;
  }

  async read(onRecord: (record: JournalRecord) => void, fromSeq = 0): Promise<JournalState> {
    await this.#turn('read');
    for (const record of this.records) if (record.seq >= fromSeq) onRecord(record);
    return this.#state();
  }

  async append(draft: RecordDraft, expectedSeq: number): Promise<void> {
    this.#appending += 1;
    this.appendsAtOnce = Math.max(this.appendsAtOnce, this.#appending);
    try {
      await this.#turn('append');
      const fate = this.fates.shift() ?? 'stored';
      if (fate === 'stored_late_answer_lost') void this.#storeLate(draft, expectedSeq);
      if (fate === 'not_stored_answer_lost' || fate === 'stored_late_answer_lost') throw new Error('no answer');
      if (expectedSeq !== this.lastSeq) throw new AppendRefused('wrong_sequence', `last is ${this.lastSeq}`);
      if (fate === 'storage_full') throw new AppendRefused('storage', 'full');
      this.#store(draft, expectedSeq);
      await this.#turn('ack');
      if (fate === 'stored_answer_lost') throw new Error('no answer');
    } finally {
      this.#appending -= 1;
    }
  }

  async state(): Promise<JournalState> {
    await this.#turn('state');
    return this.#state();
  }

  async commitAt(seq: number): Promise<string | null> {
    await this.#turn('commitAt');
    return this.records.find((record) => record.seq === seq)?.commit ?? null;
  }

  async purgeBelow(seq: number): Promise<void> {
    await this.#turn('purge');
    while (this.records[0] && this.records[0].seq < seq) {
      this.records.shift();
      this.#first += 1;
    }
  }

  /** What another manager would do. */
  appendAsStranger(): void {
    this.records.push({ seq: this.lastSeq + 1, kind: 'epoch', epoch: 99, commit: 'stranger', at: '', changes: [] });
  }

  #store({ lines, ...head }: RecordDraft, expectedSeq: number): void {
    this.records.push({ seq: expectedSeq + 1, ...head, changes: lines.map((line) => JSON.parse(line) as Change) });
  }

  async #storeLate(draft: RecordDraft, expectedSeq: number): Promise<void> {
    await this.#turn('late');
    if (expectedSeq === this.lastSeq) this.#store(draft, expectedSeq);
  }

  #state(): JournalState {
    const bytes = this.records.reduce((sum, record) => sum + JSON.stringify(record).length, 0);
    return { createdAt: this.createdAt, firstSeq: this.#first, lastSeq: this.lastSeq, bytes };
  }
}
