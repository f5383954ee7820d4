import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readConfig, type Config } from '../../src/config.js';
import type { NatsLogin } from '../../src/nats/connection.js';
import { startNatsServer, type EmbeddedServer } from '../../src/nats/embedded-server.js';
import type { Role } from '../../src/subjects.js';

export interface TestNats {
  url: string;
  logins: Record<Role, NatsLogin>;
  /** The data folder: of this server alone, gone after `stop`. */
  dir: string;
  /** The settings that it was started with, for whatever else is to run beside it. */
  config: Config;
  pid(): number;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same port and folder, after ending the running one cleanly. */
  restart(): Promise<void>;
}

/** A spec that fails before its `stop` leaves no server behind: vitest ends its process by SIGTERM. */
const running = new Set<() => number>();
process.once('SIGTERM', () => {
  for (const pid of running) {
    try {
      process.kill(pid(), 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }
  process.kill(process.pid, 'SIGTERM');
});

/** A real nats-server with the real `nats.conf`, on a free port and in a temporary folder. `settings` as in the environment. */
export async function startTestNats(settings: Record<string, string> = {}): Promise<TestNats> {
  const dir = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
  const config = readConfig({ TALLYMAN_NATS_SERVER: process.env['TALLYMAN_NATS_SERVER'] ?? '', ...settings, TALLYMAN_DATA: dir });
  let server: EmbeddedServer = await startNatsServer(config);
  const { url, logins, port } = server;
  const pid = () => server.pid;
  running.add(pid);
  return {
    url,
    logins,
    dir,
    config,
    pid,
    async stop() {
      await server.stop();
      running.delete(pid);
      await rm(dir, { recursive: true, force: true });
    },
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    async restart() {
      await server.stop();
      server = await startNatsServer({ ...config, natsPort: port });
    },
  };
}
