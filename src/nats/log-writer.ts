import type { NatsConnection } from 'nats';
import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../../actors/limits.js';
import type { LogLine } from '../log-line.js';
import { subjectsOf, type Subjects } from '../subjects.js';
import { encodeLine } from './log-batch.js';
import { LINES_PER_MESSAGE } from './line-place.js';
import { LogQueue } from './log-queue.js';
import { StreamPublisher } from './stream-publisher.js';

const FLUSH_EVERY_MS = 200;
const MESSAGE_BYTES = 64 * 1024;
const FLUSH_TIMEOUT_MS = 3000;
const STORE_TIMEOUT_MS = 10_000;
/** Jobs whose bytes are counted: far more than run at once in one worker. */
const COUNTED_JOBS = 1000;

/**
 * Writes log lines to the LOGS stream, several in one message. `write` never
 * waits and never throws: while NATS is away lines are kept up to
 * `LIMITS.logQueueBytes` an attempt, and then the oldest go, errors last. A job
 * has `LIMITS.logBytesPerJob` in one worker; what comes after is left out. Both
 * are said in the log.
 */
export class LogWriter {
  readonly #publisher: StreamPublisher;
  readonly #subjects: Subjects;
  readonly #queues = new Map<string, LogQueue>();
  readonly #written = new Map<string, number>();
  #isSending = false;
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;

  constructor(nc: NatsConnection, prefix: string) {
    this.#publisher = new StreamPublisher(nc);
    this.#subjects = subjectsOf(prefix);
  }

  write(line: Omit<LogLine, 'seq'>): void {
    const written = this.#written.get(line.job) ?? 0;
    if (written >= LIMITS.logBytesPerJob) return;
    const queue = this.#queueOf(line);
    let total = written + queue.push(line);
    if (total >= LIMITS.logBytesPerJob) {
      const text = `The log of this job has reached ${LIMITS.logBytesPerJob} bytes: what comes after is left out.`;
      total += queue.push({ ...line, level: 'error', stream: 'worker', text });
    }
    this.#count(line.job, total);
    if (queue.bytes >= MESSAGE_BYTES) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), FLUSH_EVERY_MS).unref();
  }

  /** Stores lines of one attempt, whatever was written before; rejects when that cannot be done in a moment. */
  async store(lines: Omit<LogLine, 'seq'>[]): Promise<void> {
    const [first] = lines;
    if (!first) return;
    for (const text of batchesOf(lines.map(encodeLine))) {
      const late = AbortSignal.timeout(STORE_TIMEOUT_MS);
      if (!(await this.#publisher.publish(this.#subjects.log(first.job, first.attempt), text, late)))
        throw new Error(`The log store took nothing for ${STORE_TIMEOUT_MS} ms.`);
    }
  }

  /** Resolves when everything written so far is stored, or after some seconds when NATS is away. */
  async flush(): Promise<void> {
    const late = AbortSignal.timeout(FLUSH_TIMEOUT_MS);
    while (this.#hasWork() && !late.aborted && !this.#publisher.isClosed) {
      this.#send();
      await Promise.race([this.#sending, sleep(FLUSH_TIMEOUT_MS, undefined, { signal: late, ref: false }).catch(() => undefined)]);
    }
  }

  #queueOf({ job, attempt }: Pick<LogLine, 'job' | 'attempt'>): LogQueue {
    const subject = this.#subjects.log(job, attempt);
    let queue = this.#queues.get(subject);
    if (!queue) this.#queues.set(subject, (queue = new LogQueue(job, attempt)));
    return queue;
  }

  #count(job: string, bytes: number): void {
    this.#written.delete(job);
    this.#written.set(job, bytes);
    for (const oldest of this.#written.keys()) if (this.#written.size > COUNTED_JOBS) this.#written.delete(oldest);
  }

  #hasWork(): boolean {
    return this.#isSending || this.#queues.size > 0;
  }

  #send(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = null));
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    for (let batch = this.#nextBatch(); batch && (await this.#publisher.publish(batch.subject, batch.text));) batch = this.#nextBatch();
    this.#isSending = false;
  }

  /** Of the attempts in turn, so that a chatty one does not hold up the others. */
  #nextBatch(): { subject: string; text: string } | null {
    for (const [subject, queue] of this.#queues) {
      this.#queues.delete(subject);
      const text = queue.take(MESSAGE_BYTES);
      if (!queue.isEmpty) this.#queues.set(subject, queue);
      return { subject, text };
    }
    return null;
  }
}

/** Texts of messages: as many lines each as one message holds. */
function* batchesOf(lines: readonly string[]): Generator<string> {
  let [from, bytes] = [0, 0];
  for (const [index, line] of lines.entries()) {
    bytes += Buffer.byteLength(line) + 1;
    if (index === from || (bytes <= MESSAGE_BYTES && index - from < LINES_PER_MESSAGE)) continue;
    yield lines.slice(from, index).join('\n');
    [from, bytes] = [index, Buffer.byteLength(line) + 1];
  }
  if (from < lines.length) yield lines.slice(from).join('\n');
}
