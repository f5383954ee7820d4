import {
  DiscardPolicy,
  ErrorCode,
  NatsError,
  RetentionPolicy,
  StorageType,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
} from 'nats';
import {
  AppendRefused,
  JournalUnreadable,
  type Journal,
  type JournalRecord,
  type JournalState,
  type RecordDraft,
} from '../../actors/journal.js';
import { subjectsOf } from '../subjects.js';
import { monitorOf, type ConnectionMonitor } from './connection-monitor.js';
import { decodeRecord, encodeRecord } from './journal-record.js';
import { ownFeed } from './stream-feed.js';
import { StreamTail, type StreamMessage } from './stream-tail.js';

const WRONG_LAST_SEQUENCE = 10071;
const NO_MESSAGE_FOUND = 10037;
const TIMEOUT_MS = 5000;

export interface JetStreamJournalOptions {
  nc: NatsConnection;
  prefix: string;
  /** So long the journal may take to answer. An append that it has not answered by then is read back. Default 5000. */
  timeoutMs?: number;
}

/** The journal in JetStream: one stream, one subject, one record a commit. */
export class JetStreamJournal implements Journal {
  readonly #nc: NatsConnection;
  readonly #connection: ConnectionMonitor;
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #stream: string;
  readonly #subject: string;
  readonly #timeoutMs: number;

  /** Makes the stream if it is not there. A stream that is there is taken as it is. */
  static async open(options: JetStreamJournalOptions): Promise<JetStreamJournal> {
    const { timeoutMs = TIMEOUT_MS } = options;
    const jsm = await options.nc.jetstreamManager({ checkAPI: false, timeout: timeoutMs });
    const { journal, journalStream } = subjectsOf(options.prefix);
    const wanted = {
      name: journalStream,
      subjects: [journal],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      // A full journal refuses, it never forgets.
      discard: DiscardPolicy.New,
      max_age: 0,
      deny_delete: true,
      allow_direct: false,
    };
    try {
      await jsm.streams.info(journalStream);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await jsm.streams.add(wanted);
    }
    return new JetStreamJournal(options, jsm);
  }

  private constructor({ nc, prefix, timeoutMs = TIMEOUT_MS }: JetStreamJournalOptions, jsm: JetStreamManager) {
    const { journal, journalStream } = subjectsOf(prefix);
    this.#nc = nc;
    this.#connection = monitorOf(nc);
    this.#js = nc.jetstream({ timeout: timeoutMs });
    this.#jsm = jsm;
    this.#stream = journalStream;
    this.#subject = journal;
    this.#timeoutMs = timeoutMs;
  }

  async read(onRecord: (record: JournalRecord) => void, fromSeq = 0): Promise<JournalState> {
    const state = await this.state();
    const first = Math.max(fromSeq, state.firstSeq);
    if (first > state.lastSeq) return state;
    await new Promise<void>((resolve, reject) => {
      let next = first;
      const take = ({ seq, data }: StreamMessage) => {
        if (seq > next) throw new JournalUnreadable(next, `Record ${next} of the journal is missing: after ${next - 1} comes ${seq}.`);
        onRecord(decodeRecord(data, seq));
        next += 1;
        if (seq === state.lastSeq) end(resolve);
      };
      const tail = new StreamTail({
        nc: this.#nc,
        stream: this.#stream,
        feed: () => Promise.resolve(ownFeed('journal')),
        onMessage: (message) => {
          if (message.seq < next || message.seq > state.lastSeq) return;
          try {
            take(message);
          } catch (error) {
            end(() => {
              reject(error instanceof Error ? error : new Error(String(error)));
            });
          }
        },
        onLost: () => {
          end(() => {
            reject(new JournalUnreadable(next, `The journal lost record ${next}, or was made anew, while it was read.`));
          });
          return next;
        },
      });
      const end = (settle: () => void) => {
        tail.stop();
        settle();
      };
      tail.start(() => first - 1).catch(reject);
    });
    return state;
  }

  async append(record: RecordDraft, expectedSeq: number): Promise<void> {
    try {
      const { seq } = await this.#asked(() =>
        this.#js.publish(this.#subject, encodeRecord(record), {
          timeout: this.#timeoutMs,
          expect: { streamName: this.#stream, lastSequence: expectedSeq },
        }),
      );
      if (seq !== expectedSeq + 1) throw new Error(`the journal acknowledged ${seq} where ${expectedSeq + 1} was due`);
    } catch (error) {
      throw refusal(error);
    }
  }

  async state(): Promise<JournalState> {
    const info = await this.#asked(() => this.#jsm.streams.info(this.#stream)).catch((error: unknown) => {
      if (isNotFound(error)) return null;
      throw error;
    });
    if (!info) return { createdAt: '', firstSeq: 1, lastSeq: 0, bytes: 0 };
    const { created, state } = info;
    return { createdAt: created, firstSeq: Math.max(1, state.first_seq), lastSeq: state.last_seq, bytes: state.bytes };
  }

  async commitAt(seq: number): Promise<string | null> {
    try {
      const message = await this.#asked(() => this.#jsm.streams.getMessage(this.#stream, { seq }));
      return decodeRecord(message.data, seq).commit;
    } catch (error) {
      if (error instanceof NatsError && (error.api_error?.err_code === NO_MESSAGE_FOUND || error.code === ErrorCode.JetStream404NoMessages))
        return null;
      throw error;
    }
  }

  async purgeBelow(seq: number): Promise<void> {
    await this.#asked(() => this.#jsm.streams.purge(this.#stream, { seq }));
  }

  /**
   * What is sent while the connection is down may be lost, and the answer to what was sent before it broke is: so a
   * question waits for the connection, and is given up at once when that breaks.
   */
  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    await this.#connection.connectedWithin(this.#timeoutMs);
    return await new Promise((resolve, reject) => {
      const leave = this.#connection.onChange(() => {
        reject(new Error('the connection broke before the journal had answered'));
      });
      void ask().then(resolve, reject).finally(leave);
    });
  }
}

const isNotFound = (error: unknown): boolean => error instanceof NatsError && error.api_error?.err_code === 10059;

/** What JetStream answered is a certain no; anything else (a lost answer, a broken connection) leaves the outcome open. */
function refusal(error: unknown): unknown {
  if (error instanceof NatsError && error.code === (ErrorCode.MaxPayloadExceeded as string)) {
    return new AppendRefused('storage', 'The record is larger than the NATS server takes (max_payload).', { cause: error });
  }
  const api = error instanceof NatsError ? error.api_error : undefined;
  if (!api) return error;
  const reason = api.err_code === WRONG_LAST_SEQUENCE ? 'wrong_sequence' : 'storage';
  return new AppendRefused(reason, `JetStream refused it: ${api.description} (${api.err_code}).`, { cause: error });
}
