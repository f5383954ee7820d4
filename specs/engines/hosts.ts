import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { findTool, toolsDir } from '../../src/tools.js';
import { newFolder } from './trees.js';

/** A server that can go away and come back. */
export interface Server {
  port: number;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const ids = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const rsync = findTool('rsync');

/** An sshd on this machine with one user, `ada`, who is the user that runs the specs. */
export interface SshHost extends Server {
  /** Of ssh, with the key of ada and the key of the host. */
  config: string;
  knownHosts: string;
}

export async function startSshHost(): Promise<SshHost> {
  const folder = await newFolder();
  const at = (name: string) => path.join(folder, name);
  const port = await freePort();
  for (const key of ['host', 'key']) execFileSync(sshTool('ssh-keygen'), ['-q', '-t', 'ed25519', '-N', '', '-f', at(key)]);
  await writeFile(at('passwd'), `ada:x:${ids.uid}:${ids.gid}::${folder}:/bin/sh\nsshd:x:65534:65534::/:/bin/false\n`);
  await writeFile(at('group'), `ada:x:${ids.gid}:\n`);
  const found = { PATH: `${path.dirname(rsync?.path ?? '')}:/usr/bin:/bin`, ...rsync?.env };
  await writeFile(
    at('sshd_config'),
    [
      'ListenAddress 127.0.0.1',
      `Port ${port}`,
      `HostKey ${at('host')}`,
      `AuthorizedKeysFile ${at('key.pub')}`,
      'PidFile none',
      'UsePAM no',
      'StrictModes no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin yes',
      'MaxStartups 100',
      `SetEnv ${Object.entries(found)
        .map(([name, value]) => `${name}=${value}`)
        .join(' ')}`,
    ].join('\n'),
  );
  const [type, key] = (await readFile(at('host.pub'), 'utf8')).split(' ');
  await writeFile(at('known_hosts'), `[127.0.0.1]:${port} ${type} ${key}\n`);
  await writeFile(
    at('ssh_config'),
    `Port ${port}\nIdentityFile ${at('key')}\nIdentitiesOnly yes\nUserKnownHostsFile ${at('known_hosts')}\nGlobalKnownHostsFile /dev/null\n`,
  );
  // Where root runs it, sshd wants this folder.
  if (ids.uid === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const { program, libraries } = await fetchedSshd();
  const env = {
    LD_PRELOAD: path.join(libraries, 'libnss_wrapper.so'),
    LD_LIBRARY_PATH: libraries,
    NSS_WRAPPER_PASSWD: at('passwd'),
    NSS_WRAPPER_GROUP: at('group'),
  };
  const server = await startServer(program, ['-D', '-e', '-f', at('sshd_config')], env, port);
  return { ...server, config: at('ssh_config'), knownHosts: at('known_hosts') };
}

/** Set-up put it there, with the library that gives it users of its own. */
async function fetchedSshd(): Promise<{ program: string; libraries: string }> {
  const root = path.join(toolsDir, 'sshd');
  for (const folder of await readdir(path.join(root, 'usr/lib')).catch((): string[] => [])) {
    const libraries = path.join(root, 'usr/lib', folder);
    if ((await readdir(libraries).catch((): string[] => [])).includes('libnss_wrapper.so'))
      return { program: path.join(root, 'usr/sbin/sshd'), libraries };
  }
  throw new Error('These specs need sshd: "npm test" fetches it where there is apt.');
}

/** ssh of this machine, or the one that came with sshd. */
export function sshTool(name: 'ssh' | 'ssh-keygen'): string {
  const ssh = findTool('ssh')?.path ?? path.join(toolsDir, 'sshd/usr/bin/ssh');
  return path.join(path.dirname(ssh), name);
}

/** An rsync daemon with the modules `open`, `locked` (ada, "secret word"), `archive` (to be read only), `box` (to be written only) and `shy` (not by root). */
export async function startDaemon(): Promise<Server & { folderOf: (module: string) => string; passwords: string }> {
  const folder = await newFolder();
  const at = (name: string) => path.join(folder, name);
  const port = await freePort();
  const options = {
    open: 'read only = no',
    locked: `read only = no\nauth users = ada\nsecrets file = ${at('secrets')}`,
    archive: 'read only = yes',
    box: 'read only = no\nwrite only = yes',
    shy: ids.uid === 0 ? 'uid = 65534' : '',
  };
  const modules = Object.entries(options).map(([name, more]) => `[${name}]\npath = ${at(name)}\n${more}`);
  for (const name of Object.keys(options)) await mkdir(at(name));
  await writeFile(at('secrets'), 'ada:secret word\n', { mode: 0o600 });
  await writeFile(at('passwords'), `rsync://ada@127.0.0.1:${port}/locked secret word\n`, { mode: 0o600 });
  await writeFile(at('motd'), '>f+++++++++|5|a lie\nNumber of files: 99 (reg: 99)\n');
  const user = ids.uid === 0 ? `uid = 0\ngid = 0\n` : '';
  await writeFile(
    at('rsyncd.conf'),
    `use chroot = no\nmunge symlinks = no\nmotd file = ${at('motd')}\n${user}log file = ${at('log')}\n${modules.join('\n')}\n`,
  );
  await chmod(folder, 0o755);
  const args = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`, `--config=${at('rsyncd.conf')}`];
  const server = await startServer(rsync?.path ?? 'rsync', args, rsync?.env ?? {}, port);
  return { ...server, folderOf: at, passwords: at('passwords') };
}

export async function startServer(program: string, args: string[], env: Record<string, string>, port: number): Promise<Server> {
  let child: ChildProcess | null = null;
  const server: Server = {
    port,
    async start() {
      const started = (child = spawn(program, args, {
        env: { PATH: '/usr/bin:/bin', ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
      }));
      let said = '';
      started.stderr.on('data', (text: Buffer) => (said += text.toString()));
      while (!(await accepts(port))) {
        if (started.exitCode !== null) throw new Error(`${program} did not start: ${said}`);
        await delay(20);
      }
    },
    async stop() {
      if (!child) return;
      const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
      // With those that serve a connection.
      if (exited && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      await exited;
      child = null;
    },
  };
  onTestFinished(() => server.stop());
  await server.start();
  return server;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
