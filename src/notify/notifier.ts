import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { headers, type NatsConnection } from 'nats';
import type { Change, Journal } from '../../actors/journal.js';
import type { NoticeEvent } from '../../actors/notify.js';
import type { Config } from '../config.js';
import { LogWriter } from '../nats/log-writer.js';
import { subjectsOf, type Subjects } from '../subjects.js';
import { DeliveryFailed } from './delivery.js';
import { FinishFeed, type Finishes } from './finish-feed.js';
import { bodyOf, noticesOf, notifyOf, subjectOf, type Notice } from './notice.js';
import { NoticeStore, type Due, type Receiver } from './notice-store.js';
import { runNotifyCommand } from './notify-command.js';
import { Outbox, type OutboxOptions } from './outbox.js';
import { signingKey } from './signature.js';
import { Webhook } from './webhook.js';

export interface NotifierOptions {
  config: Pick<Config, 'prefix' | 'dataDir' | 'notify'>;
  /** A connection of its own. */
  nc: NatsConnection;
  journal: Journal;
  log: (message: string) => void;
  /** For specs that do not wait for hours. */
  outbox?: Pick<OutboxOptions, 'backoffMs' | 'limits'>;
}

const RETRY_MS = 1000;
const SAVE_EVERY_MS = 1000;
const TOLD_TOGETHER = 100;

/**
 * Tells of every job that finishes and of every run of a schedule that did not happen: an event on NATS, and a notice to each
 * receiver, at least once. A notice is stored before the place in the journal
 * is, and removed when it was delivered, so a crash at any point repeats a
 * notice at worst.
 */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #subjects: Subjects;
  readonly #store: NoticeStore;
  readonly #journalCreatedAt: string;
  readonly #feed: FinishFeed;
  readonly #outbox: Outbox;
  readonly #webhook: Webhook;
  readonly #jobLog: LogWriter;
  #toldSeq = 0;
  #savedSeq: number;
  #savedAtMs = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  #telling: Promise<void> | null = null;
  #stopped = false;

  /** Begins where it stopped; the first time at the end of the journal: the past is not told. */
  static async open(options: NotifierOptions): Promise<Notifier> {
    const { config, nc, journal } = options;
    const store = await NoticeStore.open(nc, config.prefix);
    const { createdAt, lastSeq } = await journal.state();
    let cursor = await store.readCursor();
    if (cursor?.journal !== createdAt) await store.saveCursor((cursor = { journal: createdAt, seq: lastSeq }));
    const key = await signingKey(config.dataDir, config.notify.webhookSecret);
    return new Notifier(options, store, cursor.seq, createdAt, new Webhook({ key, privateAllowed: config.notify.webhookPrivate }));
  }

  private constructor(options: NotifierOptions, store: NoticeStore, seq: number, journalCreatedAt: string, webhook: Webhook) {
    const { config, nc, journal, log } = options;
    this.#options = options;
    this.#subjects = subjectsOf(config.prefix);
    this.#store = store;
    this.#savedSeq = seq;
    this.#journalCreatedAt = journalCreatedAt;
    this.#webhook = webhook;
    this.#jobLog = new LogWriter(nc, config.prefix);
    this.#feed = new FinishFeed({
      journal,
      nextSeq: seq + 1,
      onNews: () => this.#wake(),
      onGap: (from, to) => log(`notices: records ${from} to ${to} of the journal were purged unread: what finished there is not told`),
    });
    this.#outbox = new Outbox({
      keyOf: (due) => (due.receiver === 'command' ? 'command' : hostOf(this.#urlOf(due))),
      deliver: (due, signal) => this.#deliver(due, signal),
      onEnd: (place, due, why) => this.#end(place, due, why),
      ...options.outbox,
    });
  }

  /** What the manager writes to, so that it is heard here. */
  get journal(): Journal {
    return this.#feed.journal;
  }

  /** Begins to tell: what waits in the store first. */
  start(): void {
    this.#timer = setInterval(() => void this.#save(), SAVE_EVERY_MS).unref();
    this.#telling = this.#insist(() => this.#tellWaiting()).finally(() => this.#rest());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#outbox.stop();
    await this.#telling;
    await this.#save();
    await this.#jobLog.flush();
  }

  // --- from the journal to the store ---

  #wake(): void {
    if (this.#timer && !this.#stopped) this.#telling ??= this.#tellAll().finally(() => this.#rest());
  }

  #rest(): void {
    this.#telling = null;
    if (this.#feed.hasNews) this.#wake();
  }

  async #tellAll(): Promise<void> {
    while (this.#feed.hasNews && !this.#isStopped()) {
      const finishes = await this.#insist(() => this.#feed.take());
      if (!finishes) return;
      await this.#insist(() => this.#tell(finishes));
    }
  }

  /** A few at a time: the manager shares this thread. */
  async #tell({ seq, lines }: Finishes): Promise<void> {
    for (let start = 0; start < lines.length; start += TOLD_TOGETHER) {
      await nextTurn();
      await this.#tellSome(lines.slice(start, start + TOLD_TOGETHER));
    }
    this.#feed.settle();
    this.#toldSeq = seq;
    if (performance.now() - this.#savedAtMs > SAVE_EVERY_MS) await this.#save();
  }

  async #tellSome(lines: string[]): Promise<void> {
    const notices = lines.flatMap((line) => noticesOf(JSON.parse(line) as Change));
    if (notices.length === 0) return;
    const dues = notices.flatMap((notice) => this.#receiversOf(notice).map((receiver): Due => ({ receiver, notice })));
    const places = await Promise.all(dues.map((due) => this.#store.put(due)));
    for (const notice of notices) this.#publish(notice);
    await this.#options.nc.flush();
    dues.forEach((due, index) => this.#outbox.add(places[index] as number, due));
  }

  #publish(notice: Notice): void {
    // A stream that somebody keeps of the events drops a repeat by this.
    const header = headers();
    header.set('Nats-Msg-Id', notice.id);
    this.#options.nc.publish(this.#subjects.event(notice.event, subjectOf(notice)), bodyOf(notice), { headers: header });
  }

  #receiversOf(notice: Notice): Receiver[] {
    const { webhook, command, on } = this.#options.config.notify;
    const own = notifyOf(notice);
    const isWanted = (events: readonly NoticeEvent[]) => events.includes(notice.event);
    if (own && !isWanted(own.on)) return [];
    const receivers: Receiver[] = own?.webhook === undefined ? [] : ['job'];
    if (webhook !== null && isWanted(on)) receivers.push('everyones');
    if (command !== null && isWanted(on)) receivers.push('command');
    return receivers;
  }

  /** Not after every notice: each is a wait for the disk. What was told since the last one comes again after a crash. */
  async #save(): Promise<void> {
    const seq = this.#feed.settledSeq ?? this.#toldSeq;
    if (seq <= this.#savedSeq) return;
    this.#savedAtMs = performance.now();
    try {
      await this.#store.saveCursor({ journal: this.#journalCreatedAt, seq });
      this.#savedSeq = seq;
    } catch {
      // The next time.
    }
  }

  // --- from the store to the receivers ---

  async #tellWaiting(): Promise<void> {
    for await (const { seq, due } of this.#store.all()) {
      if (due) this.#outbox.add(seq, due);
      else await this.#store.remove(seq);
    }
  }

  async #deliver(due: Due, signal: AbortSignal): Promise<void> {
    const { receiver, notice } = due;
    const { command } = this.#options.config.notify;
    const url = this.#urlOf(due);
    if (receiver === 'command' && command) {
      await runNotifyCommand(command, notice, signal);
      return;
    }
    if (receiver !== 'command' && url !== null) {
      await this.#webhook.post(url, notice.id, bodyOf(notice), signal);
      return;
    }
    throw new DeliveryFailed('the settings name it no more', { isFinal: true });
  }

  #urlOf({ receiver, notice }: Due): string | null {
    return receiver === 'job' ? (notifyOf(notice)?.webhook ?? null) : this.#options.config.notify.webhook;
  }

  async #end(seq: number, due: Due, why: string | null): Promise<void> {
    if (why !== null) this.#sayGivenUp(due, why);
    await this.#insist(() => this.#store.remove(seq));
  }

  #sayGivenUp(due: Due, why: string): void {
    const { notice } = due;
    const whom = due.receiver === 'command' ? 'The program of TALLYMAN_NOTIFY_COMMAND' : `The webhook at ${hostOf(this.#urlOf(due))}`;
    const what = 'job' in notice ? `this job is "${notice.event}"` : `a run at ${notice.skip.at} did not happen`;
    const text = `${whom} was not told that ${what} (notice ${notice.id}). Given up: ${why}`;
    this.#options.log(`${'job' in notice ? 'job' : 'schedule'} ${subjectOf(notice)}: ${text}`);
    if (!('job' in notice)) return;
    const { job } = notice;
    this.#jobLog.write({ at: new Date().toISOString(), job: job.id, attempt: job.attempt, level: 'error', stream: 'worker', text });
  }

  /** Until it succeeds: NATS may be away for a while. Answers nothing when it is stopped before. */
  async #insist<T>(act: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 0; ; failures++) {
      try {
        return await act();
      } catch (error) {
        if (this.#isStopped()) return undefined;
        if (failures === 0) this.#options.log(`notices wait: ${error instanceof Error ? error.message : String(error)}`);
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  /** A function, since the compiler would take the field for unchanged over an await. */
  #isStopped(): boolean {
    return this.#stopped;
  }
}

/** Says where, without the rest of the URL, which may hold a key. */
const hostOf = (url: string | null): string => (url !== null && URL.canParse(url) ? new URL(url).host : 'nowhere');
