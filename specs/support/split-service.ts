import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { JobClient } from '../../src/job-client.js';
import { startGatewayRole } from '../../src/roles/gateway-role.js';
import { Releases } from '../../src/roles/role.js';
import { startTestNats, type TestNats } from './nats-server.js';

const TOKEN = 'a-token-for-the-specs';

export interface SplitService {
  nats: TestNats;
  url: string;
  token: string;
  /** Another client, with a connection of its own. */
  connect(): Promise<JobClient>;
  /** Starts a manager as a process of its own; resolves when it answers. */
  startManager(): Promise<ChildProcess>;
  stop(): Promise<void>;
}

/** The service with its gateway in this process and its managers as processes of their own, which can be suspended and killed. */
export async function startSplitService(settings: Record<string, string> = {}): Promise<SplitService> {
  const releases = new Releases();
  const nats = await startTestNats({ TALLYMAN_ROOTS: '/', TALLYMAN_HTTP_PORT: '0', ...settings });
  releases.add(() => nats.stop());
  const { config, logins } = nats;
  const gateway = await startGatewayRole({ config, login: logins.gateway, token: TOKEN, durability: 'fsynced' });
  releases.add(() => gateway.stop());
  const connect = async (): Promise<JobClient> => {
    const client = await JobClient.connect(logins.client, { prefix: config.prefix, askTimeoutMs: config.askTimeoutMs });
    releases.add(() => client.close());
    return client;
  };
  return {
    nats,
    url: gateway.url,
    token: TOKEN,
    connect,
    async startManager() {
      const child = spawn(process.execPath, ['dist/src/main.js', 'manager'], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, TALLYMAN_DATA: nats.dir, TALLYMAN_NATS_URL: nats.url, TALLYMAN_ROOTS: '/', ...settings },
      });
      releases.add(() => endProcess(child, 'SIGKILL'));
      let said = '';
      for await (const chunk of child.stderr as AsyncIterable<Buffer>) {
        said += chunk.toString();
        if (said.includes('leading: epoch')) break;
      }
      if (!said.includes('leading: epoch')) throw new Error(`the manager did not start: ${said}`);
      return child;
    },
    stop: () => releases.run(),
  };
}

/** Ends a child process and waits until it has ended. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
