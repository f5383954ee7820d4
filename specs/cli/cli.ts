import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { packageRoot } from '../../src/package-root.js';
import type { TestService } from '../support/service.js';

export const MAIN = path.join(packageRoot, 'dist/src/main.js');

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  dataDir?: string;
  cwd?: string;
  stdin?: string;
  env?: Record<string, string>;
}

/** An environment in which nothing of the person who runs the specs shows. */
export const cliEnv = (options: CliOptions): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  LANG: 'C.UTF-8',
  ...(options.dataDir === undefined ? {} : { TALLYMAN_DATA: options.dataDir }),
  ...options.env,
});

/** The program as a person or a script starts it, without a terminal. */
export function startCli(args: readonly string[], options: CliOptions = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: options.cwd, env: cliEnv(options), stdio: 'pipe' });
  child.stdin.end(options.stdin ?? '');
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const result = Promise.all([ended, text(child.stdout), text(child.stderr)]).then(([code, stdout, stderr]): CliResult => ({
    code,
    stdout,
    stderr,
  }));
  return { child, result };
}

export const runCli = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> => startCli(args, options).result;

/** Leaves word of a service in this process where the program looks for it. Answers the data folder. */
export async function announce({ nats, url, token }: TestService): Promise<string> {
  const folder = path.join(nats.dir, 'announced');
  await mkdir(folder, { mode: 0o700 });
  const { user, password } = nats.logins.client;
  await writeFile(
    path.join(folder, 'connection.json'),
    JSON.stringify({ pid: process.pid, http: { url, token }, nats: { url: nats.url, user, password } }),
  );
  return folder;
}

// eslint-disable-next-line no-control-regex -- the escape character is what is looked for
export const ESCAPES = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
