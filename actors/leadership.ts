import { JournalUnreadable, type JournalState, type RecordDraft } from './journal.js';
import type { ManagerInput } from './manager-input.js';

/** Where this manager stands in the journal, and how sure it is that nobody else has taken over. Only the journal decides. */
export class Leadership {
  /** The last sequence that the journal acknowledged to us, or that we read. */
  seq = 0;
  epoch = 0;
  journal: JournalState = { createdAt: '', firstSeq: 0, lastSeq: 0, bytes: 0 };

  /** On the monotonic clock: when it was last proved that nobody else leads. */
  #provedAtMs = -Infinity;
  readonly #input: Pick<ManagerInput, 'journal' | 'clock' | 'settings'>;

  constructor(input: Pick<ManagerInput, 'journal' | 'clock' | 'settings'>) {
    this.#input = input;
  }

  /** Whether reads may be answered from memory. */
  get isProved(): boolean {
    return this.#input.clock.monotonicMs() - this.#provedAtMs <= this.#input.settings.leadLeaseMs;
  }

  /** One publish, with the sequence that we expect: the fence. The proof counts from before it was sent. */
  async append(record: RecordDraft): Promise<void> {
    const sentAtMs = this.#input.clock.monotonicMs();
    await this.#input.journal.append(record, this.seq);
    this.#provedAtMs = sentAtMs;
  }

  /** What became of an append whose answer was lost or bad. */
  async readBack(commit: string): Promise<'ours' | 'absent' | 'foreign' | 'untrusted'> {
    const state = await this.#input.journal.state();
    if (this.#isUntrusted(state)) return 'untrusted';
    if (state.lastSeq === this.seq) return 'absent';
    try {
      return (await this.#input.journal.commitAt(this.seq + 1)) === commit ? 'ours' : 'foreign';
    } catch (error) {
      if (error instanceof JournalUnreadable) return 'foreign';
      throw error;
    }
  }

  /** Proves that nobody else has appended. */
  async confirm(): Promise<'ours' | 'foreign' | 'untrusted'> {
    const askedAtMs = this.#input.clock.monotonicMs();
    const state = await this.#input.journal.state();
    if (this.#isUntrusted(state)) return 'untrusted';
    if (state.lastSeq > this.seq) return 'foreign';
    this.journal = state;
    this.#provedAtMs = askedAtMs;
    return 'ours';
  }

  /** The connection to the journal was away: nothing is answered from memory before a new proof. */
  doubt(): void {
    this.#provedAtMs = -Infinity;
  }

  /** Made anew under the same name, or shorter than what it acknowledged to us. */
  #isUntrusted(state: JournalState): boolean {
    return state.createdAt !== this.journal.createdAt || state.lastSeq < this.seq;
  }
}
