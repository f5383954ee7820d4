import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config.js';
import { readConnection, writeConnection } from '../connection-file.js';
import { lockDataDir } from '../data-lock.js';
import { writePrivateFile } from '../private-file.js';
import { startGatewayRole } from './gateway-role.js';
import { startManagerRole } from './manager-role.js';
import { durabilityOf, foreignLogins, startNatsRole } from './nats-role.js';
import { Releases, logLine, type RunningRole } from './role.js';
import { startWorkerRole } from './worker-role.js';

/** Within this time a second signal is the first one once more. */
const SAME_SIGNAL_MS = 1000;

export type RoleName = 'serve' | 'manager' | 'gateway' | 'worker';

/** Runs a role until it is told to stop (SIGINT, SIGTERM) or ends by itself. Answers the exit code. */
export async function runRole(role: RoleName, config: Config): Promise<number> {
  const releases = new Releases();
  const stopped = signalled();
  // A terminal or pipe that went away is no reason to stop moving files.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  let reason: string | null = null;
  try {
    const ends = await startRole(role, config, releases);
    reason = await Promise.race([stopped, ...ends]);
    logLine(reason === null ? 'stopping: running transfers go on at the next start' : `stopping: ${reason}`);
  } finally {
    await releases.run();
  }
  return reason === null ? 0 : 1;
}

async function startRole(role: RoleName, config: Config, releases: Releases): Promise<Promise<string | null>[]> {
  if (role === 'serve') return serve(config, releases);
  const logins = await loginsOfRunning(config);
  const running = await startOne(role, config, logins);
  releases.add(() => running.stop());
  return [running.ended];
}

async function startOne(
  role: Exclude<RoleName, 'serve'>,
  config: Config,
  logins: Awaited<ReturnType<typeof loginsOfRunning>>,
): Promise<RunningRole> {
  if (role === 'manager') return startManagerRole(config, logins);
  if (role === 'worker') return startWorkerRole(config, logins.worker);
  const token = await tokenOf(config);
  const gateway = await startGatewayRole({ config, login: logins.gateway, token, durability: await durabilityOf(config, logins.gateway) });
  printUrl(gateway.url, token);
  return gateway;
}

/** Everything in one process beside a nats-server. */
async function serve(config: Config, releases: Releases): Promise<Promise<string | null>[]> {
  const unlock = await lockDataDir(config.dataDir);
  releases.add(unlock);
  const nats = await startNatsRole(config);
  releases.add(() => nats.stop());
  const manager = await startManagerRole(config, nats.logins);
  releases.add(() => manager.stop());
  const token = await tokenOf(config);
  const durability = await durabilityOf(config, nats.logins.gateway);
  const gateway = await startGatewayRole({ config, login: nats.logins.gateway, token, durability });
  releases.add(() => gateway.stop());
  if (config.workerSlots > 0) {
    const worker = await startWorkerRole(config, nats.logins.worker);
    releases.add(() => worker.stop());
  }
  const { url, user = '', password = '' } = nats.logins.client;
  releases.add(
    await writeConnection(config.dataDir, { pid: process.pid, http: { url: gateway.url, token }, nats: { url, user, password } }),
  );
  printUrl(gateway.url, token);
  return [nats.ended, manager.ended, gateway.ended];
}

/** The logins for a role that joins a service which runs already: by its NATS_URL, or by its data folder on this machine. */
async function loginsOfRunning(config: Config) {
  if (config.natsUrl !== null) return foreignLogins(config, config.natsUrl);
  return foreignLogins(config, (await readConnection(config.dataDir)).nats.url);
}

/** The token of the settings, or the one that was made at the first start. */
async function tokenOf(config: Config): Promise<string> {
  if (config.token !== null) return config.token;
  const file = path.join(config.dataDir, 'token');
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept.trim().length >= 16) return kept.trim();
  const token = randomBytes(24).toString('base64url');
  await writePrivateFile(file, `${token}\n`);
  return token;
}

function printUrl(url: string, token: string): void {
  process.stdout.write(`Tallyman runs. Open ${url}/?token=${token}\n`);
}

/**
 * The first signal asks for a clean stop, a later one ends the process at once.
 * Under npm one Ctrl-C comes twice, from the terminal and passed on by npm: that is one.
 */
function signalled(): Promise<null> {
  return new Promise((resolve) => {
    let askedAtMs: number | null = null;
    const onSignal = () => {
      const nowMs = performance.now();
      if (askedAtMs !== null && nowMs - askedAtMs > SAME_SIGNAL_MS) process.exit(130);
      askedAtMs ??= nowMs;
      resolve(null);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
