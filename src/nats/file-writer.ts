import { setImmediate as immediate } from 'node:timers/promises';
import { LIMITS } from '../../actors/limits.js';
import type { FileCounts, FileOutcome } from '../../actors/job.js';
import type { FileEntry, FileSink } from '../file-record.js';
import { subjectsOf, type Subjects } from '../subjects.js';
import { encodeEntry } from './file-batch.js';
import { LINES_PER_MESSAGE } from './line-place.js';
import type { StreamPublisher } from './stream-publisher.js';

const MESSAGE_BYTES = 64 * 1024;
const SEND_AFTER_MS = 500;

export interface FileWriterOptions {
  publisher: StreamPublisher;
  prefix: string;
  job: string;
  attempt: number;
}

/** The lines of one outcome that are not in a message yet. */
interface Batch {
  lines: string[];
  bytes: number;
}

interface Message {
  subject: string;
  text: string;
}

/**
 * Writes what became of the files of one attempt to the FILES stream, many in
 * one message, each outcome under a subject of its own, and at last how many
 * there were of each. Nothing is left out while NATS is away: `room` makes who
 * writes wait. Past `LIMITS.filesPerAttempt` files are only counted; those that
 * are to be deleted are always written, and not counted.
 */
export class FileWriter implements FileSink {
  readonly #options: FileWriterOptions;
  readonly #subjects: Subjects;
  readonly #batches = new Map<FileOutcome, Batch>();
  readonly #counts: FileCounts = {};
  #written = 0;
  #countsTold = true;
  #queue: Message[] = [];
  #bytes = 0;
  #sending: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: FileWriterOptions) {
    this.#options = options;
    this.#subjects = subjectsOf(options.prefix);
  }

  write(entry: FileEntry): void {
    if (entry.outcome === 'deleting') this.#add(entry);
    else this.#count(entry);
    this.#timer ??= setTimeout(() => this.#sealAll(), SEND_AFTER_MS).unref();
  }

  /** Lets others have a turn too, also while there is room: what was written is sent meanwhile, and leases are renewed. */
  async room(): Promise<void> {
    await immediate();
    while (this.#bytes > LIMITS.fileQueueBytes && !this.#options.publisher.isClosed) await this.#sending;
  }

  async flush(signal: AbortSignal): Promise<boolean> {
    this.#sealAll();
    if (!this.#countsTold) this.#push('counts', JSON.stringify(this.#counts));
    this.#countsTold = true;
    while (this.#sending && !signal.aborted && !this.#options.publisher.isClosed) {
      const left = new AbortController();
      await Promise.race([this.#sending, new Promise((resolve) => signal.addEventListener('abort', resolve, { signal: left.signal }))]);
      left.abort();
    }
    return this.#queue.length === 0;
  }

  #count(entry: FileEntry): void {
    this.#counts[entry.outcome] = (this.#counts[entry.outcome] ?? 0) + 1;
    this.#countsTold = false;
    if (this.#written > LIMITS.filesPerAttempt) return;
    this.#add(this.#written++ < LIMITS.filesPerAttempt ? entry : full());
  }

  #add(entry: FileEntry): void {
    const line = encodeEntry(entry, new Date());
    const batch = this.#batches.get(entry.outcome) ?? { lines: [], bytes: 0 };
    const bytes = Buffer.byteLength(line) + 1;
    batch.lines.push(line);
    batch.bytes += bytes;
    this.#bytes += bytes;
    this.#batches.set(entry.outcome, batch);
    if (batch.bytes >= MESSAGE_BYTES || batch.lines.length === LINES_PER_MESSAGE) this.#seal(entry.outcome, batch);
  }

  #sealAll(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [outcome, batch] of this.#batches) this.#seal(outcome, batch);
  }

  #seal(outcome: FileOutcome, { lines, bytes }: Batch): void {
    this.#batches.delete(outcome);
    this.#bytes -= bytes;
    this.#push(outcome, lines.join('\n'));
  }

  #push(kind: FileOutcome | 'counts', text: string): void {
    const { job, attempt } = this.#options;
    this.#queue.push({ subject: this.#subjects.files(job, attempt, kind), text });
    this.#bytes += Buffer.byteLength(text);
    this.#sending ??= this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    const { publisher } = this.#options;
    // What is told in one go belongs together.
    await Promise.resolve();
    for (let some = this.#next(); some.length > 0; some = this.#next()) {
      const sent = await Promise.all(some.map(({ subject, text }) => publisher.publish(subject, text)));
      if (sent.includes(false)) break;
      this.#queue.splice(0, some.length);
      for (const { text } of some) this.#bytes -= Buffer.byteLength(text);
    }
    this.#sending = null;
  }

  /** What is sent at once: of a kind only one, so that its order stays when one is sent again. */
  #next(): Message[] {
    const some = new Map<string, Message>();
    for (const message of this.#queue) {
      if (some.has(message.subject)) break;
      some.set(message.subject, message);
    }
    return [...some.values()];
  }
}

const full = (): FileEntry => ({
  path: '',
  outcome: 'skipped',
  bytes: null,
  provedBy: null,
  checksum: null,
  why: `The list has reached ${LIMITS.filesPerAttempt} files: what comes after is only counted.`,
});
