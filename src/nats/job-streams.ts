import { DiscardPolicy, RetentionPolicy, StorageType, nanos, type JetStreamManager, type NatsConnection } from 'nats';
import { LIMITS } from '../../actors/limits.js';
import { subjectsOf } from '../subjects.js';

const DAY_MS = 24 * 3600 * 1000;

/** Makes the streams of log lines and of files, or brings those that are there to these settings. The oldest messages go first when one is full. */
export async function ensureJobStreams(jsm: JetStreamManager, prefix: string): Promise<void> {
  const { logsStream, allLogs, filesStream, allFiles } = subjectsOf(prefix);
  await ensure(jsm, logsStream, {
    subjects: [allLogs],
    description: 'Log lines of jobs: one subject an attempt, a line of JSON each.',
    max_bytes: LIMITS.logStoreBytes,
  });
  await ensure(jsm, filesStream, {
    subjects: [allFiles],
    description: 'What became of the files of jobs: one subject an attempt and outcome, a line of JSON each.',
    max_bytes: LIMITS.fileStoreBytes,
  });
}

async function ensure(
  jsm: JetStreamManager,
  name: string,
  own: { subjects: string[]; description: string; max_bytes: number },
): Promise<void> {
  const settings = {
    ...own,
    max_age: nanos(30 * DAY_MS),
    discard: DiscardPolicy.Old,
    duplicate_window: nanos(2 * 60_000),
    allow_direct: true,
  };
  const there = await jsm.streams.info(name).catch((error: unknown) => {
    if ((error as { api_error?: { code: number } }).api_error?.code === 404) return null;
    throw error;
  });
  if (there) await jsm.streams.update(name, settings);
  else await jsm.streams.add({ ...settings, name, storage: StorageType.File, retention: RetentionPolicy.Limits });
}

/** Drops the log lines and files of deleted jobs. What fails is dropped by age later. */
export function jobPurger(nc: NatsConnection, prefix: string): (ids: readonly string[]) => void {
  const { logsStream, logsOfJob, filesStream, filesOfJob } = subjectsOf(prefix);
  let last: Promise<void> = Promise.resolve();
  return (ids) => {
    last = last.then(async () => {
      const jsm = await nc.jetstreamManager({ checkAPI: false });
      for (const id of ids) {
        await jsm.streams.purge(logsStream, { filter: logsOfJob(id) });
        await jsm.streams.purge(filesStream, { filter: filesOfJob(id) });
      }
    });
    last = last.catch(() => undefined);
  };
}
