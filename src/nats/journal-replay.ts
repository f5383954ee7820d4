import { deferred, type NatsConnection } from 'nats';
import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import { subjectsOf } from '../subjects.js';
import { decodeRecord } from './journal-record.js';
import { changesOf, coalesce, type JobChange } from './recent-changes.js';
import { journalFeed } from './stream-feed.js';
import { StreamTail } from './stream-tail.js';
import { WholeJobs } from './whole-jobs.js';

const REPLAY_TIMEOUT_MS = 10_000;

/**
 * What changed after `since`, up to and with record `until`, one change a job;
 * `null` when that part of the journal is not whole any more. Throws `unavailable`.
 */
export async function replayJournal(nc: NatsConnection, prefix: string, since: number, until: number): Promise<JobChange[] | null> {
  const isWhole = deferred<boolean>();
  const newest = new Map<string, JobChange>();
  const whole = new WholeJobs();
  let read = since;
  const tail = new StreamTail({
    nc,
    stream: subjectsOf(prefix).journalStream,
    feed: () => journalFeed(nc, prefix),
    onLost: (state) => {
      isWhole.resolve(false);
      return state.lastSeq;
    },
    onMessage: ({ seq, data }) => {
      if (read === until) return;
      if (seq !== ++read) isWhole.resolve(false);
      const changes = changesIn(whole, data, seq);
      // A record that cannot be read hides what it changed: only a fresh list is true then.
      if (seq > since && !changes) isWhole.resolve(false);
      if (seq > since && changes) coalesce(newest, changes);
      if (read === until) isWhole.resolve(true);
    },
  });
  const late = () => isWhole.reject(new JobError('unavailable', 'The journal could not be read in time. Try again in a moment.'));
  const timer = setTimeout(late, REPLAY_TIMEOUT_MS);
  isWhole.catch(() => undefined);
  try {
    await tail.start((state) => {
      if (state.firstSeq > since + 1 || state.lastSeq < until) isWhole.resolve(false);
      return (read = Math.max(0, state.firstSeq - 1, since - LIMITS.patchReachRecords));
    });
    return (await isWhole) ? [...newest.values()] : null;
  } finally {
    clearTimeout(timer);
    tail.stop();
  }
}

function changesIn(whole: WholeJobs, data: Uint8Array, seq: number): JobChange[] | null {
  try {
    const record = whole.complete(decodeRecord(data, seq));
    return record && changesOf(record, () => undefined);
  } catch {
    return null;
  }
}
