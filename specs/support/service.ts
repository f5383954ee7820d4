import path from 'node:path';
import type { Config } from '../../src/config.js';
import { JobClient } from '../../src/job-client.js';
import type { NotifierOptions } from '../../src/notify/notifier.js';
import { startGatewayRole } from '../../src/roles/gateway-role.js';
import { startManagerRole } from '../../src/roles/manager-role.js';
import { Releases, type RunningRole } from '../../src/roles/role.js';
import { startWorkerRole } from '../../src/roles/worker-role.js';
import { startTestNats, type TestNats } from './nats-server.js';

export const TEST_TOKEN = 'a-token-for-the-specs';

export interface TestService {
  nats: TestNats;
  config: Config;
  client: JobClient;
  /** Of the gateway. */
  url: string;
  token: string;
  /** A folder that jobs may use. */
  files: string;
  /** Ends the manager and starts another on the same journal. */
  restartManager(): Promise<void>;
  /** Another client, with a connection of its own. */
  connect(): Promise<JobClient>;
  stop(): Promise<void>;
}

/** The whole service in this process, on a real nats-server. `settings` as in the environment; `worker: true` runs transfers. */
export async function startTestService(
  options: { settings?: Record<string, string>; worker?: boolean; gateway?: boolean; outbox?: NotifierOptions['outbox'] } = {},
): Promise<TestService> {
  const releases = new Releases();
  const nats = await startTestNats({ TALLYMAN_ROOTS: '/', TALLYMAN_HTTP_PORT: '0', ...options.settings });
  releases.add(() => nats.stop());
  const { config } = nats;
  const startManager = () => startManagerRole(config, nats.logins, { outbox: options.outbox ?? {} });
  let manager: RunningRole = await startManager();
  releases.add(() => manager.stop());
  const gateway =
    options.gateway === false
      ? null
      : await startGatewayRole({ config, login: nats.logins.gateway, token: TEST_TOKEN, durability: 'fsynced' });
  if (gateway) releases.add(() => gateway.stop());
  if (options.worker) {
    const worker = await startWorkerRole(config, nats.logins.worker);
    releases.add(() => worker.stop());
  }
  const connect = async () => {
    const client = await JobClient.connect(nats.logins.client, { prefix: config.prefix, askTimeoutMs: config.askTimeoutMs });
    releases.add(() => client.close());
    return client;
  };
  return {
    nats,
    config,
    client: await connect(),
    url: gateway?.url ?? '',
    token: TEST_TOKEN,
    files: path.join(nats.dir, 'files'),
    async restartManager() {
      await manager.stop();
      manager = await startManager();
    },
    connect,
    stop: () => releases.run(),
  };
}
