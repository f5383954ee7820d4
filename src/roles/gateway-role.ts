import type { Config } from '../config.js';
import { startGateway } from '../http/gateway.js';
import { JobClient } from '../job-client.js';
import { connectNats, type NatsLogin } from '../nats/connection.js';
import { FileReader } from '../nats/file-reader.js';
import { LogReader } from '../nats/log-reader.js';
import { startReaderService } from '../nats/reader-service.js';
import { WatchHub } from '../nats/watch-hub.js';
import { Releases, logLine, never, type RunningRole } from './role.js';
import { INBOX_PREFIX } from '../subjects.js';

export interface GatewayRoleOptions {
  config: Config;
  login: NatsLogin;
  token: string;
  /** What an acknowledgement is worth, in a sentence. */
  durability: string;
}

/** HTTP, WebSocket and server-sent events, and the NATS endpoints `changes`, `logs` and `files`. */
export async function startGatewayRole({ config, login, token, durability }: GatewayRoleOptions): Promise<RunningRole & { url: string }> {
  const releases = new Releases();
  try {
    const nc = await connectNats(login, 'gateway');
    releases.add(() => nc.close());
    const client = new JobClient(nc, { prefix: config.prefix, askTimeoutMs: config.askTimeoutMs, inboxPrefix: INBOX_PREFIX.gateway });
    const hub = new WatchHub({ nc, prefix: config.prefix, client });
    releases.add(() => hub.close());
    const logs = new LogReader({ nc, prefix: config.prefix });
    const files = new FileReader({ nc, prefix: config.prefix, client });
    const reader = await startReaderService({ nc, prefix: config.prefix, hub, logs, files, writeLog: logLine });
    releases.add(() => reader.stop());
    const gateway = await startGateway({ config, token, client, hub, logs, durability, writeLog: logLine });
    releases.add(() => gateway.close());
    return { url: gateway.url, ended: never, stop: () => releases.run() };
  } catch (error) {
    await releases.run();
    throw error;
  }
}
