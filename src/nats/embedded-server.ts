import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, readFile, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { JobError } from '../../actors/errors.js';
import type { Config } from '../config.js';
import { packageRoot } from '../package-root.js';
import { commandOf } from '../process-identity.js';
import { DEFAULT_PREFIX, type Role } from '../subjects.js';
import { findTool, versionOf, type Tool } from '../tools.js';
import { connectNats, type NatsLogin } from './connection.js';
import { makeCredentials, type Credentials } from './credentials.js';

export interface EmbeddedServer {
  url: string;
  port: number;
  pid: number;
  version: string;
  logins: Record<Role, NatsLogin>;
  /** Resolves when the server has ended, whoever ended it. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Ends it and waits for that. */
  stop(): Promise<void>;
}

/** A journal of many gigabytes takes its time to be checked. */
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 10;
const ERROR_TAIL_BYTES = 4096;

/**
 * Starts the nats-server of `nats.conf` on the data folder and waits until
 * JetStream answers. One that a killed service left on that folder is ended
 * first: two servers in one store would ruin it. To start it again after it
 * ended, call this with `natsPort` set to the port that its users know.
 *
 * Fails with `unavailable` when there is no program or it does not get ready;
 * the message holds its last words.
 */
export async function startNatsServer(config: Config): Promise<EmbeddedServer> {
  const tool = natsServer(config);
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  await chmod(config.dataDir, 0o700);
  const dataDir = await realpath(config.dataDir);
  await endLeftover(dataDir);
  const credentials = await makeCredentials(dataDir);
  const child = launch(tool, await configFile(dataDir, config.prefix), dataDir, config.natsPort, credentials);
  const lastWords = tailOf(child, dataDir);
  const exited = exitOf(child);
  const stop = () => end(child, exited);
  try {
    const url = await ready(dataDir, child, credentials.journal);
    return {
      url,
      port: Number(new URL(url).port),
      pid: Number(child.pid),
      version: versionOf(tool) ?? '',
      logins: loginsAt(url, credentials),
      exited,
      stop,
    };
  } catch (cause) {
    await stop();
    const why = `${(cause as Error).message} Its last words:\n${await lastWords()}`;
    throw new JobError('unavailable', `The NATS server ${tool.path} did not start: ${why}`, {}, { cause });
  }
}

function natsServer(config: Config): Tool {
  const tool = findTool('nats-server', config.natsServer);
  if (tool) return tool;
  const message =
    config.natsServer === null
      ? 'No nats-server of version 2.10 or newer was found. Run "npm start" in the checkout, which fetches one, or set TALLYMAN_NATS_SERVER.'
      : `TALLYMAN_NATS_SERVER is ${config.natsServer}, which is not a nats-server of version 2.10 or newer.`;
  throw new JobError('unavailable', message);
}

/** `nats.conf` itself, or its copy with another first word in every subject and stream. */
async function configFile(dataDir: string, prefix: string): Promise<string> {
  const original = path.join(packageRoot, 'nats.conf');
  if (prefix === DEFAULT_PREFIX) return original;
  const copy = path.join(dataDir, 'nats.conf');
  await writeFile(
    copy,
    (await readFile(original, 'utf8')).replace(/\btallyman(?=[._])/g, () => prefix),
    { mode: 0o600 },
  );
  return copy;
}

/** In a process group of its own: Ctrl-C reaches the service, which still needs the server while it drains. */
function launch(tool: Tool, conf: string, dataDir: string, port: number, credentials: Credentials): ChildProcess {
  const files = ['-P', pidFile(dataDir), '-l', logFile(dataDir), '--ports_file_dir', dataDir];
  return spawn(tool.path, ['-c', conf, '-p', String(port === 0 ? -1 : port), ...files], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...tool.env,
      // The server puts its folder `jetstream` in here; quoted, since nats.conf reads the value as its own syntax.
      TALLYMAN_STORE_DIR: JSON.stringify(dataDir),
      TALLYMAN_MANAGER_PASSWORD: credentials.manager.password,
      TALLYMAN_JOURNAL_PASSWORD: credentials.journal.password,
      TALLYMAN_LOGS_PASSWORD: credentials.logs.password,
      TALLYMAN_NOTIFIER_PASSWORD: credentials.notifier.password,
      TALLYMAN_GATEWAY_PASSWORD: credentials.gateway.password,
      TALLYMAN_WORKER_PASSWORD: credentials.worker.password,
      TALLYMAN_CLIENT_PASSWORD: credentials.client.password,
    },
  });
}

/** Its address, once it takes connections and JetStream answers. */
async function ready(dataDir: string, child: ChildProcess, login: { user: string; password: string }): Promise<string> {
  const until = Date.now() + READY_WITHIN_MS;
  while (Date.now() < until) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended by itself.');
    const url = await addressOf(dataDir, child.pid);
    if (url === null) {
      await delay(LOOK_EVERY_MS);
      continue;
    }
    const nc = await connectNats({ url, ...login }, 'journal');
    try {
      await nc.jetstreamManager();
      return url;
    } finally {
      await nc.close();
    }
  }
  throw new Error(`it was not ready within ${READY_WITHIN_MS} ms.`);
}

/** The server writes where it listens into `<program>_<pid>.ports`. */
async function addressOf(dataDir: string, pid: number | undefined): Promise<string | null> {
  const name = (await readdir(dataDir)).find((file) => file.endsWith(`_${pid}.ports`));
  if (name === undefined) return null;
  try {
    const { nats } = JSON.parse(await readFile(path.join(dataDir, name), 'utf8')) as { nats: [string] };
    await rm(path.join(dataDir, name));
    return nats[0];
  } catch {
    return null; // half written: it is there at the next look
  }
}

/**
 * The server notes its process id before it opens the store. Whether that
 * process is still it, and not a stranger with the same id, tells its command
 * line: it names this very folder.
 */
async function endLeftover(dataDir: string): Promise<void> {
  const pid = Number(await readFile(pidFile(dataDir), 'utf8').catch(() => ''));
  const isOurs = async () => pid > 1 && (await commandOf(pid)).some((word) => word.includes(pidFile(dataDir)));
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!(await isOurs())) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It ended just now, or belongs to another user: the look below tells.
    }
    const until = Date.now() + STOP_WITHIN_MS;
    while (Date.now() < until && (await isOurs())) await delay(LOOK_EVERY_MS);
  }
  if (await isOurs())
    throw new JobError('unavailable', `An earlier nats-server (process ${pid}) works in ${dataDir} and does not end: end it first.`);
}

async function end(child: ChildProcess, exited: EmbeddedServer['exited']): Promise<void> {
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await exited;
  clearTimeout(hard);
}

function exitOf(child: ChildProcess): EmbeddedServer['exited'] {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
}

/** The end of what it said: on stderr before its log file is open (faults of the configuration), then in that file. */
function tailOf(child: ChildProcess, dataDir: string): () => Promise<string> {
  let tail = '';
  child.stderr?.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString()).slice(-ERROR_TAIL_BYTES)));
  child.once('error', (error) => (tail += error.message));
  return async () => {
    const text = tail || (await readFile(logFile(dataDir), 'utf8').catch(() => '(none)'));
    return text.slice(-ERROR_TAIL_BYTES).trim().split('\n').slice(-10).join('\n');
  };
}

function loginsAt(url: string, credentials: Credentials): Record<Role, NatsLogin> {
  const { manager, journal, logs, notifier, gateway, worker, client } = credentials;
  return {
    manager: { url, ...manager },
    journal: { url, ...journal },
    logs: { url, ...logs },
    notifier: { url, ...notifier },
    gateway: { url, ...gateway },
    worker: { url, ...worker },
    client: { url, ...client },
  };
}

const pidFile = (dataDir: string) => path.join(dataDir, 'nats.pid');
const logFile = (dataDir: string) => path.join(dataDir, 'nats.log');
