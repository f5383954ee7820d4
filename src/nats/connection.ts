import { connect, type NatsConnection } from 'nats';
import { JobError } from '../../actors/errors.js';
import { INBOX_PREFIX, type Role } from '../subjects.js';

export interface NatsLogin {
  url: string;
  user?: string;
  password?: string;
}

/** Connects as one role. Once connected it reconnects for ever; a first connect that fails is `unavailable`. */
export async function connectNats(login: NatsLogin, role: Role): Promise<NatsConnection> {
  try {
    return await connect({
      servers: login.url,
      ...(login.user === undefined ? {} : { user: login.user, pass: login.password ?? '' }),
      name: `tallyman ${role}`,
      inboxPrefix: INBOX_PREFIX[role],
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 100,
      timeout: 5000,
      pingInterval: 10_000,
      maxPingOut: 2,
      // A stack trace per request, made in case that it fails, would cost a quarter of the client's time.
      noAsyncTraces: true,
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new JobError(
      'unavailable',
      `No NATS connection to ${withoutPassword(login.url)}: ${why}. Is the service running? "tallyman doctor" tells.`,
      {},
      { cause },
    );
  }
}

export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}
