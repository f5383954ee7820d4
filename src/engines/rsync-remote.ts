import { readFile, stat } from 'node:fs/promises';
import type { JobFailure } from '../../actors/job.js';
import { hostOf, type HostPlace } from '../../actors/host-place.js';
import { findTool, type Tool } from '../tools.js';
import { EngineFailed, type TransferTask } from './engine.js';
import { requireTool } from './program.js';

export interface RemoteAccess {
  /** As jobs name them. */
  hosts: readonly string[];
  /** Of ssh; null: the one of the user that runs the worker. */
  sshConfig: string | null;
  /** Lines of a host and its password. */
  rsyncPasswords: string | null;
  /** Finds ssh. Default: `findTool('ssh')`. */
  findSsh?: () => Tool | null;
}

/** How rsync gets to the other machine of a task: what stands before its arguments, and what its environment has besides. */
export interface Way {
  args: readonly string[];
  env: Record<string, string>;
}

const HERE: Way = { args: [], env: {} };
const NOBODY: RemoteAccess = { hosts: [], sshConfig: null, rsyncPasswords: null };
const CONNECT_SECONDS = 20;
const OTHERS_MAY = 0o077;
/** Secluded: the names of files never pass through a shell of the other machine. */
const SECLUDED = '-s';

/** They stand before the configuration file and win over it. Nobody sits there to answer, and nothing but rsync goes through. */
const SSH_OPTIONS = [
  'BatchMode=yes',
  'StrictHostKeyChecking=yes',
  'UpdateHostKeys=no',
  `ConnectTimeout=${CONNECT_SECONDS}`,
  'ServerAliveInterval=15',
  'ServerAliveCountMax=4',
  'ForwardAgent=no',
  'ForwardX11=no',
  'ClearAllForwardings=yes',
  // A shared connection would be a process that outlives the attempt.
  'ControlMaster=no',
  'ControlPath=none',
  'PermitLocalCommand=no',
  'RequestTTY=no',
  'EscapeChar=none',
];

export const remoteSideOf = ({ source, destination }: Pick<TransferTask, 'source' | 'destination'>): HostPlace | null =>
  hostOf(source) ?? hostOf(destination);

/** Rejects with `EngineFailed` when this worker may not go there, or cannot. */
export async function wayTo(task: TransferTask, access: RemoteAccess = NOBODY): Promise<Way> {
  const side = remoteSideOf(task);
  if (!side) return HERE;
  const { via, host } = side;
  if (!access.hosts.includes(host)) {
    throw failed('remote_not_allowed', `This worker may not use ${host}.`, 'Start the worker with the host named in TALLYMAN_HOSTS.');
  }
  return via === 'ssh' ? bySsh(access) : byDaemon(host, access);
}

function bySsh({ sshConfig, findSsh = () => findTool('ssh') }: RemoteAccess): Way {
  const ssh = requireTool(findSsh(), 'ssh', 'Install it on the machine of the worker: "apt install openssh-client".');
  const config = sshConfig === null ? [] : ['-F', quoted(sshConfig)];
  return {
    args: [SECLUDED, `--rsh=${[quoted(ssh.path), '-T', ...config, ...SSH_OPTIONS.map((option) => `-o${option}`)].join(' ')}`],
    env: ssh.env,
  };
}

async function byDaemon(host: string, { rsyncPasswords }: RemoteAccess): Promise<Way> {
  const password = rsyncPasswords === null ? '' : await passwordOf(host, rsyncPasswords);
  // An empty one keeps rsync from looking for somebody to ask.
  return { args: [SECLUDED, '--no-motd', `--contimeout=${CONNECT_SECONDS}`], env: { RSYNC_PASSWORD: password } };
}

/** rsync itself splits the text, at blanks outside of quotes. */
function quoted(path: string): string {
  if (/^[^"'\0\n]+$/.test(path)) return `"${path}"`;
  throw failed(
    'remote_not_allowed',
    `The path ${JSON.stringify(path)} cannot be given to rsync.`,
    'Use a path without quotes for ssh and its configuration (TALLYMAN_SSH_CONFIG).',
  );
}

async function passwordOf(host: string, file: string): Promise<string> {
  const advice = 'Correct TALLYMAN_RSYNC_PASSWORDS: a file that only the user of the worker may read (chmod 600).';
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw failed(
      'login_refused',
      `The passwords in ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`,
      advice,
    );
  });
  if (((await stat(file)).mode & OTHERS_MAY) !== 0) throw failed('login_refused', `Others may read the passwords in ${file}.`, advice);
  const line = text.split('\n').find((one) => one.startsWith(`${host} `));
  return line?.slice(host.length + 1).replace(/\r$/, '') ?? '';
}

const failed = (code: string, message: string, advice: string): EngineFailed =>
  new EngineFailed({ code, message, exitCode: null, retriable: false, advice } satisfies JobFailure);
