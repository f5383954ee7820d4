import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const onLinux = process.platform === 'linux';

/** Tells a process from a later one with the same id: its start time (and on Linux the boot that it is of). `null`: no such process. */
export async function identityOf(pid: number): Promise<string | null> {
  try {
    if (!onLinux) return (await run('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim() || null;
    const [boot, stat] = await Promise.all([readFile('/proc/sys/kernel/random/boot_id', 'utf8'), readFile(`/proc/${pid}/stat`, 'utf8')]);
    // The name in the second field may hold blanks and brackets: count from behind it.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? null : `${boot.trim()}/${fields[18]}`;
  } catch {
    return null;
  }
}

/** Whether `pid` is still the process that had this identity. */
export async function isSame(pid: number, identity: string): Promise<boolean> {
  return (await identityOf(pid)) === identity;
}

/** The words that a process was started with; on macOS as one text. Empty: no such process, or not ours to look at. */
export async function commandOf(pid: number): Promise<string[]> {
  try {
    if (!onLinux) return [(await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)])).stdout];
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch {
    return [];
  }
}
