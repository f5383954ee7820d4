import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.js';
import { connectNats, type NatsLogin } from '../nats/connection.js';
import { readCredentials } from '../nats/credentials.js';
import { startNatsServer, type EmbeddedServer } from '../nats/embedded-server.js';
import { subjectsOf, type Role } from '../subjects.js';
import { logLine, never, type RunningRole } from './role.js';

export interface NatsRole extends RunningRole {
  logins: Record<Role, NatsLogin>;
}

const RESTARTS_MAX = 5;
const RESTARTS_WITHIN_MS = 60_000;

/** The NATS server that everything uses: the one of the settings, or our own, started again should it crash. */
export async function startNatsRole(config: Config): Promise<NatsRole> {
  if (config.natsUrl !== null) return { logins: await foreignLogins(config, config.natsUrl), ended: never, stop: () => Promise.resolve() };
  let server = await startNatsServer(config);
  let stopping = false;
  const watch = async (): Promise<string | null> => {
    const crashes: number[] = [];
    for (;;) {
      const { code, signal } = await server.exited;
      if (isStopping()) return null;
      crashes.push(performance.now());
      const recent = crashes.filter((atMs) => atMs > performance.now() - RESTARTS_WITHIN_MS).length;
      if (recent > RESTARTS_MAX)
        return `the NATS server ended ${recent} times in a minute, last with ${signal ?? code}: see nats.log in ${config.dataDir}`;
      logLine(`the NATS server ended (${signal ?? code}) and is started again`);
      await sleep(100);
      server = await restart(config, server);
    }
  };
  const isStopping = () => stopping;
  return {
    logins: server.logins,
    ended: watch().catch(
      (error: unknown) => `the NATS server does not start again: ${error instanceof Error ? error.message : String(error)}`,
    ),
    async stop() {
      stopping = true;
      await server.stop();
    },
  };
}

const restart = (config: Config, { port }: EmbeddedServer): Promise<EmbeddedServer> => startNatsServer({ ...config, natsPort: port });

/** Every role's login at a server that runs already: the one of the settings, or what `serve` keeps in the data folder. */
export async function foreignLogins(config: Config, url: string): Promise<Record<Role, NatsLogin>> {
  const kept = config.natsUser === null ? await readCredentials(config.dataDir) : null;
  const loginOf = (role: Role): NatsLogin => {
    if (config.natsUser !== null) return { url, user: config.natsUser, password: config.natsPassword ?? '' };
    return { url, ...kept?.[role] };
  };
  return {
    manager: loginOf('manager'),
    journal: loginOf('journal'),
    logs: loginOf('logs'),
    notifier: loginOf('notifier'),
    gateway: loginOf('gateway'),
    worker: loginOf('worker'),
    client: loginOf('client'),
  };
}

/** What an acknowledged change is worth on this server, in a sentence for people. */
export async function durabilityOf(config: Config, login: NatsLogin): Promise<string> {
  if (config.natsUrl === null) return 'fsynced: an acknowledged change is on disk (sync_interval: always) and survives a power cut';
  const nc = await connectNats(login, 'gateway');
  try {
    const info = await (await nc.jetstreamManager({ checkAPI: false })).streams.info(subjectsOf(config.prefix).journalStream);
    const replicas = info.config.num_replicas;
    if (replicas > 1)
      return `replicated: an acknowledged change is held by a majority of ${replicas} servers; whether each has it on disk is that cluster’s setting`;
    return 'lazy: one NATS server that was not started by Tallyman; unless it has "sync_interval: always", a power cut may lose the last minutes';
  } catch {
    return 'unknown: the journal’s stream could not be looked at';
  } finally {
    await nc.close();
  }
}
