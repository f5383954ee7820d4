import { readFileSync, readdirSync } from 'node:fs';

/** Processor time that a process has used so far, in µs, all its threads together. `NaN` where there is no `/proc`. */
export function processorTimeUs(pid: number | undefined): number {
  try {
    const tasks = `/proc/${pid}/task`;
    const nanoseconds = readdirSync(tasks).map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]));
    return nanoseconds.reduce((sum, one) => sum + one, 0) / 1000;
  } catch {
    return NaN;
  }
}
