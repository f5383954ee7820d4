import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import type { Tool } from '../../src/tools.js';
import { newFolder } from './trees.js';

/** What rclone writes for the password "secret" of a crypt remote or a user. */
const OBSCURED = 'y1IoFGHeGHRfyTSQ4u2oKmtKtg';

/** A WebDAV server on this machine, as a remote that is somewhere else. Answers its address; `folder` is what it serves. */
export async function serveWebdav(tool: Tool, folder: string, args: string[] = []): Promise<string> {
  return `http://${await serve(tool, 'webdav', folder, args)}`;
}

/** An SFTP server, as a remote that knows hashes. Answers the remote's options. */
export async function serveSftp(tool: Tool, folder: string): Promise<Record<string, string>> {
  const [host = '', port = ''] = (await serve(tool, 'sftp', folder, ['--user', 'somebody', '--pass', 'secret'])).split(':');
  const pass = execFileSync(tool.path, ['obscure', 'secret', '--config', '/dev/null']).toString().trim();
  return { type: 'sftp', host, port, user: 'somebody', pass };
}

/** Answers where it listens. */
async function serve({ path: program }: Tool, protocol: string, folder: string, args: string[]): Promise<string> {
  const child = spawn(
    program,
    ['serve', protocol, folder, '--config', '/dev/null', '--addr', '127.0.0.1:0', '--dir-cache-time', '0s', ...args],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  for await (const line of createInterface({ input: child.stderr })) {
    const address = /127\.0\.0\.1:\d+/.exec(line)?.[0];
    if (address === undefined) continue;
    child.stderr.resume();
    return address;
  }
  throw new Error(`rclone serve ${protocol} did not start`);
}

/** A configuration of rclone with these remotes, by name. */
export async function writeRemotes(remotes: Record<string, Record<string, string>>): Promise<string> {
  const file = path.join(await newFolder(), 'rclone.conf');
  const sections = Object.entries(remotes).map(([name, options]) =>
    [`[${name}]`, ...Object.entries(options).map(([option, value]) => `${option} = ${value}`)].join('\n'),
  );
  await writeFile(file, `${sections.join('\n\n')}\n`, { mode: 0o600 });
  return file;
}

export const webdav = (url: string, login: Record<string, string> = {}) => ({ type: 'webdav', url, vendor: 'other', ...login });
export const crypt = (folder: string) => ({ type: 'crypt', remote: folder, password: OBSCURED });
export const wrongLogin = { user: 'somebody', pass: OBSCURED };
