import { z } from 'zod';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import { parseRequest } from '../../actors/parse-request.js';
import { ALL_VERBS, READER_REQUESTS, type AnyVerb } from '../../actors/requests.js';
import type { LogLine } from '../log-line.js';
import { withWait } from './ask-options.js';
import type { GatewayContext } from './context.js';
import { changeMembers, jobText } from './job-text.js';
import { WatchOutbox } from './watch-outbox.js';

/** The text of an answer, and what to do when it is on its way. */
export interface MethodAnswer {
  text: string;
  afterwards?: () => void;
}

/** The way back to the socket. */
export interface SocketWire {
  bufferedBytes(): number;
  /** `params` is JSON text. */
  notify(method: string, params: string): void;
  cutOff(): void;
}

interface Subscription {
  stop(): void;
  flush(): void;
}

const watchSchema = READER_REQUESTS.changes.omit({ waitMs: true });
const unwatchSchema = z.strictObject({ watch: z.number().int() });
const followSchema = READER_REQUESTS.logs.omit({ waitMs: true, limit: true });
const unfollowSchema = z.strictObject({ follow: z.number().int() });
const verbs: ReadonlySet<string> = new Set(ALL_VERBS);

/**
 * The methods of one WebSocket:
 * - `jobs.<verb>`: the verb with its body and answer.
 * - `jobs.watch { since?, ids?, status? }` → `{ watch, seq, jobs, deleted, reset, total? }`, then notifications
 *   `jobs.changed` and `jobs.reset` `{ watch, seq, jobs, deleted }`; `jobs.unwatch { watch }` → `{}`.
 * - `logs.follow { id, after?, … }` → `{ follow }`, then notifications `logs.lines { follow, lines }`;
 *   `logs.unfollow { follow }` → `{}`.
 */
export class SocketMethods {
  readonly #context: GatewayContext;
  readonly #wire: SocketWire;
  readonly #subscriptions = new Map<number, Subscription>();
  #lastNumber = 0;
  #arriving = 0;
  #stopped = false;

  constructor(context: GatewayContext, wire: SocketWire) {
    this.#context = context;
    this.#wire = wire;
  }

  async call(method: string, params: Record<string, unknown>): Promise<MethodAnswer> {
    switch (method) {
      case 'jobs.watch':
        return this.#subscribe((number) => this.#watch(number, parseRequest(watchSchema, params)));
      case 'jobs.unwatch':
        return this.#unsubscribe(parseRequest(unwatchSchema, params).watch);
      case 'logs.follow':
        return this.#subscribe((number) => this.#follow(number, parseRequest(followSchema, params)));
      case 'logs.unfollow':
        return this.#unsubscribe(parseRequest(unfollowSchema, params).follow);
      default:
        return { text: await this.#ask(method, JSON.stringify(params)) };
    }
  }

  /** Sends what waited for the socket to have room. */
  flush(): void {
    for (const subscription of this.#subscriptions.values()) subscription.flush();
  }

  stopAll(): void {
    this.#stopped = true;
    for (const subscription of this.#subscriptions.values()) subscription.stop();
    this.#subscriptions.clear();
  }

  #ask(method: string, body: string): Promise<string> {
    const verb = method.startsWith('jobs.') ? method.slice('jobs.'.length) : '';
    if (!verbs.has(verb)) {
      throw new JobError(
        'not_found',
        `There is no method ${JSON.stringify(method.slice(0, 100))}: jobs.<verb>, jobs.watch, jobs.unwatch, logs.follow and logs.unfollow are there.`,
      );
    }
    const { client, config } = this.#context;
    return client.askText(verb as AnyVerb, body, withWait(verb as AnyVerb, body, {}, config.askTimeoutMs));
  }

  async #subscribe(start: (number: number) => Promise<Subscription & MethodAnswer>): Promise<MethodAnswer> {
    if (this.#subscriptions.size + this.#arriving >= LIMITS.watchesPerSocket) {
      throw new JobError('overloaded', `This socket has ${LIMITS.watchesPerSocket} watches and follows already. End one of them first.`);
    }
    const number = ++this.#lastNumber;
    this.#arriving += 1;
    try {
      const subscription = await start(number);
      if (this.#stopped) subscription.stop();
      else this.#subscriptions.set(number, subscription);
      return subscription;
    } finally {
      this.#arriving -= 1;
    }
  }

  #unsubscribe(number: number): MethodAnswer {
    const subscription = this.#subscriptions.get(number);
    if (!subscription) throw new JobError('invalid_request', `This socket has no watch or follow ${number}.`);
    subscription.stop();
    this.#subscriptions.delete(number);
    return { text: '{}' };
  }

  async #watch(watch: number, { since, ids, status }: z.infer<typeof watchSchema>): Promise<Subscription & MethodAnswer> {
    const outbox = new WatchOutbox({
      bufferedBytes: () => this.#wire.bufferedBytes(),
      write: (kind, _seq, members) => this.#wire.notify(`jobs.${kind}`, `{"watch":${watch},${members}}`),
      cutOff: () => this.#wire.cutOff(),
    });
    const filter = { ...(ids ? { ids } : {}), ...(status ? { status } : {}) };
    const { first, stop } = await this.#context.hub.watch(filter, since, (event) => outbox.push(event));
    const members = changeMembers(first.seq, first.jobs.map(jobText), first.deleted, first.total);
    return {
      text: `{"watch":${watch},${members},"reset":${first.kind !== 'changed'}}`,
      afterwards: () => outbox.open(),
      flush: () => outbox.flush(),
      stop,
    };
  }

  async #follow(follow: number, query: z.infer<typeof followSchema>): Promise<Subscription & MethodAnswer> {
    await this.#context.client.ask('get', { id: query.id });
    // Lines that come before the answer is on its way wait here.
    let early: LogLine[][] | null = [];
    const send = (lines: LogLine[]): void => {
      if (early) early.push(lines);
      else this.#wire.notify('logs.lines', JSON.stringify({ follow, lines }));
    };
    const { stop } = await this.#context.logs.follow(parseRequest(READER_REQUESTS.logs, query), send);
    const afterwards = (): void => {
      const waiting = early ?? [];
      early = null;
      waiting.forEach(send);
    };
    return { text: `{"follow":${follow}}`, afterwards, flush: () => undefined, stop };
  }
}
