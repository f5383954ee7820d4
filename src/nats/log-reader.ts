import { deferred, type NatsConnection } from 'nats';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import type { ReaderRequests } from '../../actors/requests.js';
import type { LogLine } from '../log-line.js';
import { subjectsOf, type Subjects } from '../subjects.js';
import { monitorOf } from './connection-monitor.js';
import { messageOf } from './line-place.js';
import { decodeLines } from './log-batch.js';
import { ownFeed } from './stream-feed.js';
import { StreamTail, type StreamMessage } from './stream-tail.js';

export type LogQuery = ReaderRequests['logs'];

/** `last` is the place up to which lines were looked at: pass it as `after` to go on. */
export interface LogPage {
  lines: LogLine[];
  last: number;
}

const LEVELS: readonly LogLine['level'][] = ['debug', 'info', 'warning', 'error'];
/** How long reading may take when it does not wait for new lines. */
const READ_TIMEOUT_MS = 10_000;
/** What a line takes beside its text. */
const FIELDS_BYTES = 150;

/** Reads the log lines of one job, by the subject of the job or of one attempt alone. */
export class LogReader {
  readonly #nc: NatsConnection;
  readonly #subjects: Subjects;
  #open = 0;

  constructor({ nc, prefix }: { nc: NatsConnection; prefix: string }) {
    this.#nc = nc;
    monitorOf(nc);
    this.#subjects = subjectsOf(prefix);
  }

  /**
   * The lines after `query.after` that fit, the oldest first, at most
   * `query.limit` and about `LIMITS.answerBytes`; with `query.last` the newest
   * so many, for which all are read through. When there is none yet it waits
   * up to `waitMs` for the first. A job without a log has no lines. `signal` ends
   * the waiting. Throws `unavailable` and `overloaded`.
   */
  async read(query: LogQuery, signal?: AbortSignal): Promise<LogPage> {
    const page = query.last === undefined ? new Page(query) : new LastPage(query, query.last);
    const done = deferred<true>();
    const isEnough = (left: number): boolean => page.isFull || (left === 0 && (page.lines.length > 0 || query.waitMs === 0));
    const { started, stop } = this.#tail(query, (lines, left) => {
      page.add(lines);
      if (isEnough(left)) done.resolve(true);
    });
    const leave = (): void => done.resolve(true);
    const late = (): void => done.reject(new JobError('unavailable', 'The log could not be read in time. Try again in a moment.'));
    const timer = query.waitMs > 0 ? setTimeout(leave, query.waitMs) : setTimeout(late, READ_TIMEOUT_MS);
    signal?.addEventListener('abort', leave);
    try {
      if (!signal?.aborted && !isEnough(await started)) await done;
      return { lines: page.lines, last: page.last };
    } finally {
      done.catch(() => undefined);
      clearTimeout(timer);
      signal?.removeEventListener('abort', leave);
      stop();
    }
  }

  /**
   * Hands over the lines after `query.after` that fit (with `query.last` the newest of them), then every new one, in
   * order and once, until stopped; through reconnects. `limit` and `waitMs` are
   * not looked at: for a long log, `read` its pages first and follow from `last`.
   * A sink that throws is dropped. Throws `unavailable` and `overloaded`.
   */
  async follow({ last: newest, ...query }: LogQuery, sink: (lines: LogLine[]) => void): Promise<{ stop(): void }> {
    if (newest !== undefined) {
      const { lines, last } = await this.read({ ...query, last: newest, waitMs: 0 });
      if (lines.length > 0) sink(lines);
      return this.follow({ ...query, after: last }, sink);
    }
    const fits = fitting(query);
    const { started, stop } = this.#tail(query, (lines) => {
      const fit = lines.filter(fits);
      if (fit.length === 0) return;
      try {
        sink(fit);
      } catch {
        stop();
      }
    });
    await started;
    return { stop };
  }

  #tail(query: LogQuery, onLines: (lines: LogLine[], left: number) => void): { started: Promise<number>; stop: () => void } {
    if (this.#open >= LIMITS.logReaders)
      throw new JobError('overloaded', `${LIMITS.logReaders} logs are being read already. Try again later.`);
    let after = query.after;
    const tail = new StreamTail({
      feed: () => Promise.resolve(ownFeed('gateway')),
      nc: this.#nc,
      stream: this.#subjects.logsStream,
      filterSubject: query.attempt === undefined ? this.#subjects.logsOfJob(query.id) : this.#subjects.log(query.id, query.attempt),
      // Whatever is there now was not seen: it is newer, or of a stream that was made anew.
      onLost: () => (after = 0),
      onMessage: (message: StreamMessage) => {
        const lines = decodeLines(message).filter((line) => line.seq > after);
        after = lines.at(-1)?.seq ?? after;
        onLines(lines, message.left);
      },
    });
    this.#open++;
    let isOpen = true;
    const stop = (): void => {
      if (isOpen) this.#open--;
      isOpen = false;
      tail.stop();
    };
    const started = tail.start((state) => {
      // A place in a stream that was there before: this one is read from its beginning.
      if (messageOf(after) > state.lastSeq) after = 0;
      return Math.max(0, messageOf(after) - 1);
    });
    started.catch(stop);
    return { started, stop };
  }
}

const bytesOf = ({ text }: LogLine): number => Buffer.byteLength(text) + FIELDS_BYTES;

/** What `read` gathers. */
class Page {
  readonly lines: LogLine[] = [];
  readonly #fits: (line: LogLine) => boolean;
  readonly #limit: number;
  protected bytes = 0;
  last: number;

  constructor(query: LogQuery) {
    this.#fits = fitting(query);
    this.#limit = query.limit;
    this.last = query.after;
  }

  get isFull(): boolean {
    return this.lines.length >= this.#limit || this.bytes >= LIMITS.answerBytes;
  }

  add(lines: readonly LogLine[]): void {
    for (const line of lines) {
      if (this.isFull) return;
      this.last = line.seq;
      if (!this.#fits(line)) continue;
      this.lines.push(line);
      this.bytes += bytesOf(line);
    }
  }
}

/** The newest lines: older ones make room for them. */
class LastPage extends Page {
  readonly #newest: number;

  constructor(query: LogQuery, newest: number) {
    super(query);
    this.#newest = newest;
  }

  override get isFull(): boolean {
    return false;
  }

  override add(lines: readonly LogLine[]): void {
    super.add(lines);
    let old = Math.max(0, this.lines.length - this.#newest);
    for (const line of this.lines.slice(0, old)) this.bytes -= bytesOf(line);
    for (; this.bytes > LIMITS.answerBytes && old < this.lines.length - 1; old += 1) this.bytes -= bytesOf(this.lines[old] as LogLine);
    this.lines.splice(0, old);
  }
}

function fitting({ attempt, level, stream, text }: LogQuery): (line: LogLine) => boolean {
  const from = LEVELS.indexOf(level ?? 'debug');
  const part = text?.toLowerCase();
  return (line) =>
    (attempt === undefined || line.attempt === attempt) &&
    LEVELS.indexOf(line.level) >= from &&
    (stream === undefined || line.stream === stream) &&
    (part === undefined || line.text.toLowerCase().includes(part));
}
