import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from './package-root.js';

/** A program of others that Tallyman runs. `env` is what it needs in its environment besides the usual. */
export interface Tool {
  path: string;
  env: Record<string, string>;
}

/** The programs, and the oldest version that will do (`null`: any). The browser and sshd are for the specs alone. */
const OLDEST_VERSION = { 'nats-server': '2.10.0', rsync: null, rclone: null, ssh: null, chromium: null, sshd: null } as const;
export type ToolName = keyof typeof OLDEST_VERSION;

/** Set-up puts the programs here that it fetches, each unpacked in a folder of its own. */
export const toolsDir = path.join(packageRoot, '.tools');

/**
 * Finds a program that is new enough: the one `named` and no other when it is
 * given, else the first on PATH, else the one that set-up fetched. `null` when there is none.
 */
export function findTool(name: ToolName, named: string | null = null): Tool | null {
  for (const tool of named === null ? candidates(name) : [{ path: path.resolve(named), env: {} }]) {
    if (isProgram(tool.path) && isNewEnough(name, tool)) return tool;
  }
  return null;
}

/** One after the other: each file has it looked for several times. */
function* candidates(name: string): Generator<Tool> {
  yield* onPath(name);
  yield* fetched(name);
}

/** The version that a program tells, as `2.15.1`; `null` when it does not run or tells none. */
export function versionOf(tool: Tool): string | null {
  const run = spawnSync(tool.path, ['--version'], {
    env: { ...process.env, ...tool.env },
    encoding: 'utf8',
    timeout: 10_000,
    maxBuffer: 1024 * 1024,
  });
  return run.status === 0 ? (/\d+\.\d+(\.\d+)?/.exec(run.stdout)?.[0] ?? null) : null;
}

function isNewEnough(name: ToolName, tool: Tool): boolean {
  const oldest = OLDEST_VERSION[name];
  if (oldest === null) return true;
  const version = versionOf(tool);
  return version !== null && version.localeCompare(oldest, 'en', { numeric: true }) >= 0;
}

const onPath = (name: string): Tool[] =>
  (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .filter((folder) => path.isAbsolute(folder))
    .map((folder) => ({ path: path.join(folder, name), env: {} }));

/** A fetched program brings the libraries along that the machine may not have. */
function fetched(name: string): Tool[] {
  const root = path.join(toolsDir, name);
  const libraries = ['usr/lib', 'lib'].flatMap((folder) => subfoldersOf(path.join(root, folder)));
  const env: Record<string, string> = libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(':') };
  return ['usr/bin', 'usr/sbin', 'bin'].map((folder) => ({ path: path.join(root, folder, name), env }));
}

function subfoldersOf(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(folder, entry.name));
  } catch {
    return [];
  }
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
