import { setFlagsFromString } from 'node:v8';
import type { NatsConnection } from 'nats';
import type { Config } from '../config.js';
import { startManager } from '../manager.js';
import { connectNats, type NatsLogin } from '../nats/connection.js';
import { ensureJobStreams, jobPurger } from '../nats/job-streams.js';
import { JetStreamJournal } from '../nats/journal.js';
import { Notifier, type NotifierOptions } from '../notify/notifier.js';
import { Releases, logLine, type RunningRole } from './role.js';

/**
 * The space for new objects grows to its full size (16 MB) at once. Without it
 * in about half of all runs much of what a request needs for milliseconds was
 * taken for old, and every request cost half as much again, for as long as the
 * process ran. Why was not found; most likely the space is too small at first.
 */
const HEAP_FLAG = '--semi-space-growth-factor=16';

/**
 * The JobManager with its connections: one answers requests, one writes the
 * journal, one keeps the streams of logs and files, one tells of jobs that
 * have finished. Each is a NATS user of its own, so that
 * no request can make the one that answers touch a stream.
 */
export async function startManagerRole(
  config: Config,
  logins: Record<'manager' | 'journal' | 'logs' | 'notifier', NatsLogin>,
  options: Pick<NotifierOptions, 'outbox'> = {},
): Promise<RunningRole> {
  setFlagsFromString(HEAP_FLAG);
  const releases = new Releases();
  try {
    const journalNc = await connectNats(logins.journal, 'journal');
    releases.add(() => journalNc.close());
    const nc = await connectNats(logins.manager, 'manager');
    releases.add(() => nc.close());
    const logsNc = await connectNats(logins.logs, 'logs');
    releases.add(() => logsNc.close());
    await ensureJobStreams(await logsNc.jetstreamManager({ checkAPI: false }), config.prefix);
    const journal = await JetStreamJournal.open({ nc: journalNc, prefix: config.prefix });
    const notifierNc = await connectNats(logins.notifier, 'notifier');
    releases.add(() => notifierNc.close());
    const notifier = await Notifier.open({ config, nc: notifierNc, journal, log: logLine, ...options });
    releases.add(() => notifier.stop());
    const manager = await startManager({
      config,
      nc,
      journal: notifier.journal,
      onDeleted: jobPurger(logsNc, config.prefix),
      log: logLine,
    });
    releases.add(() => manager.stop());
    notifier.start();
    void doubtAfterReconnects(journalNc, () => {
      manager.doubt();
    });
    return { ended: manager.ended, stop: () => releases.run() };
  } catch (error) {
    await releases.run();
    throw error;
  }
}

/** While the journal was out of reach another manager may have taken over, or the stream may have been lost. */
async function doubtAfterReconnects(nc: NatsConnection, doubt: () => void): Promise<void> {
  for await (const status of nc.status()) if (status.type === 'reconnect') doubt();
}
