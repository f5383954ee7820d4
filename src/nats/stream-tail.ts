import {
  AckPolicy,
  DeliverPolicy,
  createInbox,
  nanos,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  type Subscription,
} from 'nats';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../actors/errors.js';
import { monitorOf } from './connection-monitor.js';
import type { StreamFeed } from './stream-feed.js';

/** A message as it stands in a stream. `left` is how many more wait behind it now; `atMs` is when it was stored. */
export interface StreamMessage {
  seq: number;
  subject: string;
  atMs: number;
  left: number;
  data: Uint8Array;
}

export interface StreamState {
  /** Tells this stream from one that was made anew under the same name. */
  created: string;
  firstSeq: number;
  lastSeq: number;
}

export interface StreamTailOptions {
  nc: NatsConnection;
  stream: string;
  filterSubject?: string | string[];
  /** The way to the stream. Asked for whenever it is opened. */
  feed: () => Promise<StreamFeed>;
  /** Called in the order of the stream; may be called before `start` has resolved. */
  onMessage: (message: StreamMessage) => void;
  /** What came after the tail's `seq` is gone: purged, or the stream was made anew. Answers the sequence to go on after. */
  onLost: (state: StreamState) => number;
}

const HEARTBEAT_MS = 1000;
const SILENCE_MS = 3500;
const INACTIVE_MS = 10_000;
const API_TIMEOUT_MS = 5000;
const RETRY_MAX_MS = 2000;

/**
 * Reads a stream from a sequence and goes on for ever: through reconnects,
 * restarts of the server and purges, each message once and in order.
 *
 * The ordered consumer of the library does not find out that the last messages
 * before a reconnect were lost on the way until a later one shows the gap, and
 * never that a stream was made anew. So this one makes a new consumer behind
 * the last message seen after every reconnect, silence or gap, and compares
 * what the stream keeps before it does.
 */
export class StreamTail {
  readonly #options: StreamTailOptions;
  readonly #leaveMonitor: () => void;
  readonly #watchdog: NodeJS.Timeout;
  #manager: Promise<JetStreamManager> | null = null;
  #created = '';
  #seq = 0;
  #delivered = 0;
  #subscription: Subscription | null = null;
  #consumer: string | null = null;
  #heardAtMs = 0;
  #retries = 0;
  #reopening = false;
  #stopped = false;

  constructor(options: StreamTailOptions) {
    this.#options = options;
    this.#leaveMonitor = monitorOf(options.nc).onChange((connected) => {
      this.#retries = 0;
      if (connected && this.#created !== '') void this.#reopen();
    });
    this.#watchdog = setInterval(() => this.#checkSilence(), HEARTBEAT_MS).unref();
  }

  /** The last sequence handed over. */
  get seq(): number {
    return this.#seq;
  }

  /** Begins behind the sequence that `after` chooses; answers how many messages wait there. Throws `unavailable`. */
  async start(after: (state: StreamState) => number): Promise<number> {
    try {
      const state = await this.state();
      this.#created = state.created;
      this.#seq = after(state);
      const left = this.#stopped ? 0 : await this.#open();
      if (this.#stopped) this.#close();
      return left;
    } catch (cause) {
      this.stop();
      throw cause;
    }
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#watchdog);
    this.#leaveMonitor();
    this.#close();
  }

  /** What the stream keeps now. Throws `unavailable`. */
  async state(): Promise<StreamState> {
    try {
      // A request would wait for the connection, and might be done when nobody wants it any more.
      if (!monitorOf(this.#options.nc).connected) throw new Error('the connection to NATS is down');
      const { created, state } = await (await this.#jsm()).streams.info(this.#options.stream);
      return { created, firstSeq: state.first_seq, lastSeq: state.last_seq };
    } catch (cause) {
      throw unreadable(this.#options.stream, cause);
    }
  }

  async #open(): Promise<number> {
    const { nc, stream, filterSubject } = this.#options;
    const inbox = createInbox((await this.#options.feed()).inboxPrefix);
    this.#delivered = 0;
    this.#heardAtMs = performance.now();
    const subscription = nc.subscribe(inbox, {
      // A consumer that was left behind may go on for a moment: only the newest counts.
      callback: (error, msg) => {
        if (this.#subscription === subscription) this.#hear(error, msg);
      },
    });
    this.#subscription = subscription;
    try {
      const jsm = await this.#jsm();
      const info = await jsm.consumers.add(stream, {
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- only a push consumer's heartbeats tell how much was sent
        deliver_subject: inbox,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: this.#seq + 1,
        ack_policy: AckPolicy.None,
        flow_control: true,
        idle_heartbeat: nanos(HEARTBEAT_MS),
        inactive_threshold: nanos(INACTIVE_MS),
        mem_storage: true,
        num_replicas: 1,
        ...filterOf(filterSubject),
      });
      if (this.#subscription === subscription) this.#consumer = info.name;
      return info.num_pending;
    } catch (cause) {
      throw unreadable(stream, cause);
    }
  }

  #jsm(): Promise<JetStreamManager> {
    return (this.#manager ??= this.#connect());
  }

  async #connect(): Promise<JetStreamManager> {
    try {
      const { apiPrefix } = await this.#options.feed();
      return await this.#options.nc.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS, ...(apiPrefix ? { apiPrefix } : {}) });
    } catch (error) {
      this.#manager = null;
      throw error;
    }
  }

  async #forget(stream: string, consumer: string): Promise<void> {
    await (await this.#jsm()).consumers.delete(stream, consumer);
  }

  #close(): void {
    const { nc, stream } = this.#options;
    const consumer = this.#consumer;
    if (!nc.isClosed()) this.#subscription?.unsubscribe();
    this.#subscription = null;
    this.#consumer = null;
    // The server forgets it by itself after INACTIVE_MS; this only is sooner.
    if (consumer && !nc.isClosed() && monitorOf(nc).connected) void this.#forget(stream, consumer).catch(() => undefined);
  }

  #hear(error: Error | null, msg: Msg): void {
    if (error) return void this.#reopen();
    this.#heardAtMs = performance.now();
    this.#retries = 0;
    if (msg.headers?.code === 100) return this.#hearControl(msg);
    const place = placeOf(msg.reply);
    if (!place) return;
    if (place.delivered !== this.#delivered + 1) return void this.#reopen();
    this.#delivered = place.delivered;
    this.#seq = place.seq;
    this.#options.onMessage({ ...place, subject: msg.subject, data: msg.data });
  }

  /** A heartbeat tells how many messages were sent: fewer here means that some were lost on the way. */
  #hearControl(msg: Msg): void {
    const stalled = msg.headers?.get('Nats-Consumer-Stalled');
    if (stalled) this.#options.nc.publish(stalled);
    if (msg.reply) return void msg.respond();
    const sent = msg.headers?.get('Nats-Last-Consumer');
    if (sent && Number(sent) !== this.#delivered) void this.#reopen();
  }

  #checkSilence(): void {
    if (this.#subscription && performance.now() - this.#heardAtMs > SILENCE_MS) void this.#reopen();
  }

  async #reopen(): Promise<void> {
    if (this.#reopening || this.#stopped) return;
    this.#reopening = true;
    while (!this.#isStopped()) {
      this.#close();
      if (this.#retries > 0) await sleep(Math.min(25 * 2 ** this.#retries, RETRY_MAX_MS), undefined, { ref: false });
      this.#retries++;
      // The reconnect begins it again.
      if (!monitorOf(this.#options.nc).connected) break;
      try {
        const state = await this.state();
        if (this.#isStopped()) break;
        if (this.#isLost(state)) this.#seq = this.#options.onLost(state);
        this.#created = state.created;
        await this.#open();
        break;
      } catch {
        // Tried again until it is stopped: the server may be starting.
      }
    }
    this.#reopening = false;
    if (this.#isStopped()) this.#close();
  }

  #isLost(state: StreamState): boolean {
    return state.created !== this.#created || state.lastSeq < this.#seq || state.firstSeq > this.#seq + 1;
  }

  /** A function, since the compiler would take the field for unchanged over an await. */
  #isStopped(): boolean {
    return this.#stopped || this.#options.nc.isClosed();
  }
}

function filterOf(subject: string | string[] | undefined): { filter_subject?: string; filter_subjects?: string[] } {
  const [first, ...others] = [subject ?? []].flat();
  if (first === undefined) return {};
  return others.length === 0 ? { filter_subject: first } : { filter_subjects: [first, ...others] };
}

/** Where a message stands, from its reply subject: `$JS.ACK.[domain.account.]stream.consumer.tries.seq.delivered.ns.left[.token]`. */
function placeOf(reply: string | undefined): { seq: number; delivered: number; atMs: number; left: number } | null {
  const words = reply?.split('.') ?? [];
  if (words[0] !== '$JS' || words[1] !== 'ACK' || words.length < 9) return null;
  const [seq, delivered, ns, left] = words.slice(words.length === 9 ? 5 : 7).map(Number) as [number, number, number, number];
  return { seq, delivered, atMs: Math.floor(ns / 1e6), left };
}

const unreadable = (stream: string, cause: unknown): JobError =>
  new JobError(
    'unavailable',
    `The stream ${stream} cannot be read now (${cause instanceof Error ? cause.message : String(cause)}). Start the service ("npm start") or try again in a moment.`,
    {},
    { cause },
  );
