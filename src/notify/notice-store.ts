import { DiscardPolicy, RetentionPolicy, StorageType, type JetStreamClient, type JetStreamManager, type NatsConnection } from 'nats';
import { z } from 'zod';
import { NOTICE_EVENTS } from '../../actors/notify.js';
import { LIMITS } from '../../actors/limits.js';
import { scheduleSchema, skipSchema } from '../../actors/schedule.js';
import { isMissing } from '../nats/missing.js';
import { subjectsOf, type Subjects } from '../subjects.js';
import type { Notice } from './notice.js';

/** Who is told: the webhook of the job, the webhook of the settings, the program of the settings. */
export const RECEIVERS = ['job', 'everyones', 'command'] as const;
export type Receiver = (typeof RECEIVERS)[number];

/** A notice that one receiver has yet to get. */
export interface Due {
  receiver: Receiver;
  notice: Notice;
}

/** How far the journal has been read for notices. `journal` tells it from one that was made anew. */
export interface Cursor {
  journal: string;
  seq: number;
}

const cursorSchema = z.object({ journal: z.string(), seq: z.number().int().min(0) });
const anyNotice = { id: z.string().regex(/^[A-Za-z0-9_-]+$/), at: z.iso.datetime() };
const dueSchema = z.object({
  receiver: z.enum(RECEIVERS),
  notice: z.union([
    z.object({
      ...anyNotice,
      event: z.enum(NOTICE_EVENTS).exclude(['skipped']),
      job: z.looseObject({ id: z.string(), name: z.string(), attempt: z.number(), options: z.looseObject({}) }),
    }),
    z.object({ ...anyNotice, event: z.literal('skipped'), schedule: z.looseObject(scheduleSchema.shape), skip: skipSchema }),
  ]),
});

/** What is still to be told, in the NOTICES stream: a message each, and one that says how far the journal was read. */
export class NoticeStore {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #subjects: Subjects;

  /** Makes the stream, or brings one that is there to these settings. */
  static async open(nc: NatsConnection, prefix: string): Promise<NoticeStore> {
    const jsm = await nc.jetstreamManager({ checkAPI: false });
    const { noticesStream, allNotices } = subjectsOf(prefix);
    const settings = {
      subjects: [allNotices],
      description: 'Notices that have not been delivered yet.',
      // A repeat takes the place of the same notice.
      max_msgs_per_subject: 1,
      // Above what the outbox takes: it says who is not told, and why.
      max_msgs: LIMITS.notices * 3,
      max_bytes: LIMITS.noticeBytes * 3,
      discard: DiscardPolicy.New,
    };
    const there = await jsm.streams.info(noticesStream).catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (there) await jsm.streams.update(noticesStream, settings);
    else await jsm.streams.add({ ...settings, name: noticesStream, storage: StorageType.File, retention: RetentionPolicy.Limits });
    return new NoticeStore(nc, jsm, subjectsOf(prefix));
  }

  private constructor(nc: NatsConnection, jsm: JetStreamManager, subjects: Subjects) {
    this.#js = nc.jetstream();
    this.#jsm = jsm;
    this.#subjects = subjects;
  }

  /** `null` when there is none, or none that can be read. */
  async readCursor(): Promise<Cursor | null> {
    const message = await this.#get({ last_by_subj: this.#subjects.noticesCursor });
    return message && parsed(cursorSchema, message.data);
  }

  async saveCursor(cursor: Cursor): Promise<void> {
    await this.#js.publish(this.#subjects.noticesCursor, JSON.stringify(cursor));
  }

  /** Answers its place, by which it is removed. */
  async put(due: Due): Promise<number> {
    const { seq } = await this.#js.publish(this.#subjects.notice(due.receiver, due.notice.id), JSON.stringify(due));
    return seq;
  }

  async remove(seq: number): Promise<void> {
    await this.#jsm.streams.deleteMessage(this.#subjects.noticesStream, seq, false).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }

  /** Everything that is there, the oldest first. What is no notice has no `due`. */
  async *all(): AsyncGenerator<{ seq: number; due: Due | null }> {
    for (let after = 0; ;) {
      const message = await this.#get({ seq: after + 1, next_by_subj: this.#subjects.dueNotices });
      if (!message) return;
      after = message.seq;
      yield { seq: message.seq, due: parsed(dueSchema, message.data) as Due | null };
    }
  }

  async #get(query: { last_by_subj: string } | { seq: number; next_by_subj: string }) {
    try {
      // The types of the library do not know the second form; the server does.
      return await this.#jsm.streams.getMessage(this.#subjects.noticesStream, query);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }
}

/** Never throws: a worker's password is enough to write something else here. */
function parsed<T>(schema: z.ZodType<T>, data: Uint8Array): T | null {
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(data)));
  } catch {
    return null;
  }
}
