import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Where it is told whether processes do anything. */
export interface Activity {
  /** So far: of bytes moved every one counts, of processor time only what is more than waking up to wait on. */
  unit: 'bytes' | 'cpuMs';
  /** Of these processes together; null where it cannot be told. */
  read(pids: readonly number[]): Promise<number | null>;
}

/** Linux counts the bytes that each process has read and written. */
const bytesInProc: Activity = {
  unit: 'bytes',
  read: (pids) => sumOf(pids.map(async (pid) => sumOfCounts(await readFile(`/proc/${pid}/io`, 'utf8')))),
};

/** `rchar: 323934931` and more of the kind, a line each. */
const sumOfCounts = (text: string): number => [...text.matchAll(/: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);

/** Elsewhere processor time is what every `ps` tells. */
export const timeByPs: Activity = {
  unit: 'cpuMs',
  async read(pids) {
    if (pids.length === 0) return null;
    const asked = promisify(execFile)('ps', ['-o', 'time=', '-p', pids.join(',')], { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } });
    return asked.then(
      ({ stdout }) => stdout.split('\n').reduce((sum, line) => sum + cpuMs(line), 0),
      () => null,
    );
  },
};

/** `[[days-]hours:]minutes:seconds`, with hundredths on a Mac. */
export function cpuMs(text: string): number {
  const [, days = '0', clock = ''] = /^\s*(?:(\d+)-)?([\d:.]*)\s*$/.exec(text) ?? [];
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return Math.round((Number(days) * 86_400 + seconds) * 1000);
}

/** Best first: a container may hide the counts even on Linux. */
export const ACTIVITIES: readonly Activity[] = [...(process.platform === 'linux' ? [bytesInProc] : []), timeByPs];

/** How stalls are found on this machine; null: not at all. Asked about a process of our own. */
export async function activityHere(activities = ACTIVITIES): Promise<Activity | null> {
  for (const activity of activities) if ((await activity.read([process.pid])) !== null) return activity;
  return null;
}

/** A process that has just ended counts no more. */
async function sumOf(counts: readonly Promise<number>[]): Promise<number | null> {
  const known = (await Promise.all(counts.map((count) => count.catch(() => null)))).filter((count) => count !== null);
  return known.length === 0 ? null : known.reduce((sum, count) => sum + count, 0);
}
