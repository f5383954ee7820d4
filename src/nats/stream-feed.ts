import { ErrorCode, NatsError, type NatsConnection } from 'nats';
import { INBOX_PREFIX, subjectsOf, type Role } from '../subjects.js';

/** The way to a stream over one connection: by which API it is asked, and under which subjects its messages come. */
export interface StreamFeed {
  /** `null`: the usual `$JS.API`. */
  apiPrefix: string | null;
  inboxPrefix: string;
}

const ASK_TIMEOUT_MS = 5000;

/** A stream of the connection's own account. */
export const ownFeed = (role: Role): StreamFeed => ({ apiPrefix: null, inboxPrefix: INBOX_PREFIX[role] });

const journalFeeds = new WeakMap<NatsConnection, Promise<StreamFeed>>();

/**
 * The journal as a gateway reads it. On the server that we start the journal
 * has an account of its own, and only this way in, which can read and not
 * write; on any other server it is a stream like another.
 */
export function journalFeed(nc: NatsConnection, prefix: string): Promise<StreamFeed> {
  let feed = journalFeeds.get(nc);
  if (!feed) {
    feed = findJournalFeed(nc, prefix);
    // What failed is looked for again.
    feed.catch(() => journalFeeds.delete(nc));
    journalFeeds.set(nc, feed);
  }
  return feed;
}

async function findJournalFeed(nc: NatsConnection, prefix: string): Promise<StreamFeed> {
  const { feedApi, feed, journalStream } = subjectsOf(prefix);
  try {
    await nc.request(`${feedApi}.STREAM.INFO.${journalStream}`, '', { timeout: ASK_TIMEOUT_MS });
    return { apiPrefix: feedApi, inboxPrefix: feed };
  } catch (error) {
    if (!(error instanceof NatsError) || error.code !== (ErrorCode.NoResponders as string)) throw error;
    // A server that is starting may not answer yet, so this is asked again the next time.
    journalFeeds.delete(nc);
    return ownFeed('gateway');
  }
}
