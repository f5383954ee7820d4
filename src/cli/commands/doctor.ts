import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { JobError } from '../../../actors/errors.js';
import type { Allowed } from '../../../actors/paths.js';
import type { Config } from '../../config.js';
import { clockWarning } from '../../clock-warning.js';
import { packageVersion } from '../../package-root.js';
import { findTool, versionOf, type Tool, type ToolName } from '../../tools.js';
import { activityHere } from '../../worker/activity.js';
import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { readConnection, type Connection } from '../../connection-file.js';
import type { Context } from '../context.js';
import { EXIT_CODES } from '../exit-codes.js';
import { loginOf, placeOf } from '../service.js';
import type { Style } from '../terminal.js';

const HTTP_TIMEOUT_MS = 3_000;
const OTHERS_MAY = 0o077;
const NAME_COLUMNS = 14;

interface Finding {
  name: string;
  level: 'ok' | 'warning' | 'problem';
  message: string;
  advice?: string;
}

const LEVELS: Record<Finding['level'], { word: string; styles: readonly Style[] }> = {
  ok: { word: 'ok      ', styles: ['green'] },
  warning: { word: 'warning ', styles: ['yellow'] },
  problem: { word: 'problem ', styles: ['red'] },
};

export const doctor: Command = {
  name: 'doctor',
  group: 'help',
  args: '',
  minArgs: 0,
  maxArgs: 0,
  summary: 'what is installed, reachable and allowed, and how durable an acknowledgement is',
  options: CLIENT_OPTIONS,
  examples: [['tallyman doctor', 'when something does not work']],
  async run(context) {
    const findings = [
      ...programs(context),
      await stalls(),
      ...(await remotes(context)),
      ...(await hosts(context)),
      ...(await rootFolders(context)),
      ...(await dataFolder(context)),
      ...(await service(context)),
    ];
    const worst = findings.some((finding) => finding.level === 'problem') ? EXIT_CODES.failed.code : EXIT_CODES.ok.code;
    if (context.json) context.terminal.json({ version: packageVersion, ok: worst === EXIT_CODES.ok.code, findings });
    else findings.forEach((finding) => print(finding, context));
    return worst;
  },
};

function print({ name, level, message, advice }: Finding, { terminal }: Context): void {
  terminal.print([LEVELS[level].word, ...LEVELS[level].styles], [name.padEnd(NAME_COLUMNS), 'bold'], message);
  if (advice !== undefined) terminal.print(`${' '.repeat(LEVELS[level].word.length + NAME_COLUMNS)}${advice}`);
}

function programs({ config }: Context): Finding[] {
  return [
    { name: 'tallyman', level: 'ok', message: `${packageVersion} on Node ${process.versions.node}` },
    program('rsync', findTool('rsync'), 'problem', 'Install it: "apt-get install rsync" or "brew install rsync".'),
    program(
      'rclone',
      findTool('rclone'),
      'warning',
      'Only needed for jobs of type rclone: "apt-get install rclone" or "brew install rclone".',
    ),
    program(
      'nats-server',
      findTool('nats-server', config.natsServer),
      'warning',
      'Only needed without TALLYMAN_NATS_URL. "npm start" fetches it.',
    ),
  ];
}

function program(name: ToolName, tool: Tool | null, missing: 'problem' | 'warning', advice: string): Finding {
  if (!tool) return { name, level: missing, message: 'not found, or too old', advice };
  const version = versionOf(tool);
  if (version === null) return { name, level: 'problem', message: `${tool.path} does not run`, advice };
  return { name, level: 'ok', message: `${version} (${tool.path})` };
}

/** How an attempt that is stuck is found on this machine. */
async function stalls(): Promise<Finding> {
  const name = 'stalls';
  const activity = await activityHere();
  if (activity === null) {
    return {
      name,
      level: 'warning',
      message: 'attempts that are stuck are not found here: neither /proc nor ps tells what a process does',
      advice: 'Install ps, or give jobs options.attemptTimeoutSeconds.',
    };
  }
  const by =
    activity.unit === 'bytes' ? 'by the bytes that its processes read and write' : 'by its progress and the processor time that it uses';
  return { name, level: 'ok', message: `an attempt that is stuck is found ${by}` };
}

/** Allowed remotes that rclone does not know. Nothing is asked of the remotes themselves. */
async function remotes({ config }: Context): Promise<Finding[]> {
  const tool = findTool('rclone');
  if (config.remotes.length === 0 || !tool) return [];
  const args = ['listremotes', '--config', config.rcloneConfig, '--ask-password=false'];
  const configured = await promisify(execFile)(tool.path, args, { env: tool.env, timeout: 10_000 }).then(
    ({ stdout }) => stdout.split('\n'),
    (): string[] => [],
  );
  return config.remotes.map((name): Finding => {
    if (configured.includes(`${name}:`)) return { name: 'remote', level: 'ok', message: `${name} is allowed` };
    return {
      name: 'remote',
      level: 'warning',
      message: `${name} is allowed but not in ${config.rcloneConfig}`,
      advice: 'Make it with "rclone config", leave it out of TALLYMAN_REMOTES, or name another file in TALLYMAN_RCLONE_CONFIG.',
    };
  });
}

/** Allowed hosts, and what it takes to get there. Nothing is asked of the hosts themselves. */
async function hosts({ config }: Context): Promise<Finding[]> {
  const isDaemon = (host: string) => host.startsWith('rsync://');
  const ssh = findTool('ssh');
  const findings = config.hosts.map((host): Finding => {
    if (isDaemon(host)) return { name: 'host', level: 'ok', message: `${host} is allowed, a module of an rsync daemon` };
    if (ssh) return { name: 'host', level: 'ok', message: `${host} is allowed, by ${ssh.path}` };
    return {
      name: 'host',
      level: 'problem',
      message: `${host} is allowed, but there is no ssh to get there`,
      advice: 'Install it: "apt-get install openssh-client".',
    };
  });
  const files = [
    ['TALLYMAN_SSH_CONFIG', config.sshConfig],
    ['TALLYMAN_RSYNC_PASSWORDS', config.rsyncPasswords],
  ] as const;
  for (const [setting, file] of files) {
    const isReadable =
      file === null ||
      (await access(file, constants.R_OK).then(
        () => true,
        () => false,
      ));
    if (!isReadable) findings.push({ name: 'host', level: 'warning', message: `${file} (${setting}) cannot be read` });
  }
  return findings;
}

async function rootFolders({ config }: Context): Promise<Finding[]> {
  const findings = config.roots.map(async (root): Promise<Finding> => {
    const there = await stat(root).catch(() => null);
    if (!there?.isDirectory()) {
      return {
        name: 'folder',
        level: 'warning',
        message: `${root} is allowed but is no folder here`,
        advice: 'Make it, or leave it out of TALLYMAN_ROOTS.',
      };
    }
    const writable = await access(root, constants.W_OK).then(
      () => true,
      () => false,
    );
    return { name: 'folder', level: 'ok', message: `${root} is allowed${writable ? '' : ', for this user to read only'}` };
  });
  return Promise.all(findings);
}

async function dataFolder({ config }: Context): Promise<Finding[]> {
  const name = 'data folder';
  const there = await stat(config.dataDir).catch(() => null);
  if (!there) return [{ name, level: 'ok', message: `${config.dataDir} is not there yet; the first start makes it` }];
  if ((there.mode & OTHERS_MAY) !== 0) {
    return [
      {
        name,
        level: 'warning',
        message: `${config.dataDir} is open to other users`,
        advice: `It holds passwords: chmod 700 ${JSON.stringify(config.dataDir)}`,
      },
    ];
  }
  return [{ name, level: 'ok', message: config.dataDir }];
}

async function service(context: Context): Promise<Finding[]> {
  const { config } = context;
  try {
    const login = await loginOf(config);
    const client = await context.service.client();
    const nats: Finding = { name: 'NATS', level: 'ok', message: `connected to ${placeOf(login)}` };
    const connection = await readConnection(config.dataDir).catch(() => null);
    const started = performance.now();
    const stats = await client.ask('stats', {});
    const tookMs = Math.round(performance.now() - started);
    const manager: Finding = { name: 'job manager', level: 'ok', message: `answers in ${tookMs} ms; ${stats.total} jobs` };
    const clock = clockWarning(stats);
    const late: Finding[] = clock ? [{ name: 'clock', level: 'warning', ...clock }] : [];
    return [nats, manager, ...late, await watching(context), ...(await gateway(connection, config))];
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    return [{ name: 'service', level: 'problem', message: error.message }];
  }
}

async function watching(context: Context): Promise<Finding> {
  const client = await context.service.client();
  return client.ask('changes', { ids: ['none'] }).then(
    () => ({ name: 'watching', level: 'ok', message: 'changes are told at once' }),
    (error: unknown) => ({
      name: 'watching',
      level: 'warning',
      message: messageOf(error),
      advice: 'Without a gateway commands look once a second.',
    }),
  );
}

/** The gateway knows what its NATS server's acknowledgement is worth. */
async function gateway(connection: Connection | null, config: Config): Promise<Finding[]> {
  if (!connection) return [{ name: 'gateway', level: 'warning', message: 'its address is only known from the data folder of the service' }];
  const { url, token } = connection.http;
  try {
    const response = await fetch(`${url}/healthz`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(HTTP_TIMEOUT_MS),
    });
    const health = (await response.json()) as { durability?: string; allowed?: Allowed };
    const level = response.ok ? 'ok' : 'problem';
    const durability = health.durability ?? 'the gateway does not tell';
    return [
      { name: 'gateway', level, message: `${url} answers ${response.status}` },
      { name: 'durability', level: 'ok', message: durability },
      ...(health.allowed ? otherSettings(config, health.allowed) : []),
    ];
  } catch (error) {
    return [{ name: 'gateway', level: 'problem', message: `${url} does not answer: ${messageOf(error)}` }];
  }
}

/** What was looked at above is what this command was told; the service may have been started with something else. */
function otherSettings(own: Allowed, { roots, remotes, hosts }: Allowed): Finding[] {
  const asText = (allowed: Allowed) => JSON.stringify([allowed.roots, allowed.remotes, allowed.hosts]);
  if (asText(own) === asText({ roots, remotes, hosts })) return [];
  return [
    {
      name: 'settings',
      level: 'warning',
      message: `the service was started with others: its jobs may use ${[...roots, ...remotes, ...hosts].join(', ') || 'nothing'}`,
      advice: 'Give this command the same TALLYMAN_ROOTS, TALLYMAN_REMOTES and TALLYMAN_HOSTS to look at those.',
    },
  ];
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
