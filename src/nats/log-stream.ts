import { DiscardPolicy, RetentionPolicy, StorageType, nanos, type JetStreamManager, type NatsConnection } from 'nats';
import { LIMITS } from '../../actors/limits.js';
import { subjectsOf } from '../subjects.js';

const DAY_MS = 24 * 3600 * 1000;

/** Makes the stream of log lines, or brings one that is there to these settings. The oldest lines go first when it is full. */
export async function ensureLogsStream(jsm: JetStreamManager, prefix: string): Promise<void> {
  const { logsStream, allLogs } = subjectsOf(prefix);
  const settings = {
    subjects: [allLogs],
    description: 'Log lines of jobs: one subject an attempt, a line of JSON each.',
    max_age: nanos(30 * DAY_MS),
    max_bytes: LIMITS.logStoreBytes,
    discard: DiscardPolicy.Old,
    duplicate_window: nanos(2 * 60_000),
    allow_direct: true,
  };
  const there = await jsm.streams.info(logsStream).catch((error: unknown) => {
    if ((error as { api_error?: { code: number } }).api_error?.code === 404) return null;
    throw error;
  });
  if (there) await jsm.streams.update(logsStream, settings);
  else await jsm.streams.add({ ...settings, name: logsStream, storage: StorageType.File, retention: RetentionPolicy.Limits });
}

/** Drops the log lines of deleted jobs. What fails is dropped by age later. */
export function logPurger(nc: NatsConnection, prefix: string): (ids: readonly string[]) => void {
  const { logsStream, logsOfJob } = subjectsOf(prefix);
  let last: Promise<void> = Promise.resolve();
  return (ids) => {
    last = last.then(async () => {
      const jsm = await nc.jetstreamManager({ checkAPI: false });
      for (const id of ids) await jsm.streams.purge(logsStream, { filter: logsOfJob(id) });
    });
    last = last.catch(() => undefined);
  };
}
