import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Tool } from '../tools.js';
import type { EngineProbe } from './engine.js';

/** The first version that makes missing parents of a destination (`--mkpath`). */
const OLDEST = [3, 2, 3] as const;
export const INSTALL_RSYNC = `Install rsync ${OLDEST.join('.')} or newer: "apt install rsync", "dnf install rsync" or "brew install rsync".`;

/** What programs said; asked anew when the file of a program is another one. */
const known = new Map<string, { file: string; text: string }>();

/** What `rsync --version` prints, or why it does not run. */
export async function versionText(tool: Tool): Promise<string> {
  const file = await stat(tool.path).then(
    ({ dev, ino, size, mtimeMs }) => [dev, ino, size, mtimeMs].join(' '),
    () => '',
  );
  const before = known.get(tool.path);
  if (before?.file === file) return before.text;
  try {
    const { stdout: text } = await promisify(execFile)(tool.path, ['--version'], { env: tool.env, timeout: 10_000 });
    known.set(tool.path, { file, text });
    return text;
  } catch (error) {
    return String(error);
  }
}

export async function probeRsync(tool: Tool | null): Promise<EngineProbe> {
  if (!tool) return { found: false, advice: INSTALL_RSYNC };
  const text = await versionText(tool);
  const first = text.split('\n', 1)[0] ?? '';
  const version = /^rsync +version v?(\d+)\.(\d+)\.(\d+)/.exec(first);
  if (!version)
    return {
      found: false,
      advice: `${tool.path} is not the rsync of samba.org (it says ${JSON.stringify(first.slice(0, 200))}). ${INSTALL_RSYNC}`,
    };
  const [, major, minor, patch] = version;
  const name = `${major}.${minor}.${patch}`;
  if (isOlder([Number(major), Number(minor), Number(patch)]))
    return { found: false, advice: `${tool.path} is version ${name}. ${INSTALL_RSYNC}` };
  return { found: true, program: tool.path, version: name, notes: [] };
}

function isOlder(version: readonly number[]): boolean {
  const at = OLDEST.findIndex((part, index) => part !== version[index]);
  return at !== -1 && (version[at] ?? 0) < (OLDEST[at] ?? 0);
}
