import { spawn } from 'node:child_process';
import type { Job } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { DeliveryFailed } from './delivery.js';
import { bodyOf, type Notice, type SkipNotice } from './notice.js';

const STDERR_CHARS = 500;

/**
 * Runs the program of the settings for one notice: without a shell, in a
 * process group of its own, the notice as JSON on stdin and the shortest of it
 * in the environment. Exit code 0 is delivered. Rejects with `DeliveryFailed`.
 */
export async function runNotifyCommand(
  [program = '', ...args]: readonly string[],
  notice: Notice,
  signal: AbortSignal,
  timeoutMs: number = LIMITS.notifyCommandMs,
): Promise<void> {
  const child = spawn(program, args, { detached: true, stdio: ['pipe', 'ignore', 'pipe'], env: environmentOf(notice) });
  const late = AbortSignal.timeout(timeoutMs);
  const ending = AbortSignal.any([signal, late]);
  const end = () => {
    // Its whole group: a script is ended with what it started.
    if (child.pid !== undefined) killGroup(child.pid);
  };
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-STDERR_CHARS)));
  // A program that does not read its stdin is free to.
  child.stdin.on('error', () => undefined);
  child.stdin.end(bodyOf(notice));
  ending.addEventListener('abort', end);
  try {
    const why = await new Promise<string | null>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => resolve(`it cannot be started (${error.code ?? error.message})`));
      child.once('exit', (code, killedBy) => resolve(code === 0 ? null : `it ended with ${killedBy ?? code}`));
    });
    if (why === null) return;
    const reason = late.aborted ? `it had not ended after ${timeoutMs / 1000} seconds` : why;
    throw new DeliveryFailed(said === '' ? reason : `${reason}; its last words: ${JSON.stringify(said)}`);
  } finally {
    ending.removeEventListener('abort', end);
    child.stderr.destroy();
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended just now.
  }
}

/** What the service has, without its settings, which hold secrets. */
function environmentOf(notice: Notice): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TALLYMAN_'))),
    TALLYMAN_EVENT: notice.event,
    TALLYMAN_NOTICE_ID: notice.id,
    ...('job' in notice ? environmentOfJob(notice.job) : environmentOfSkip(notice)),
  };
}

const environmentOfJob = ({ id, name, type, status }: Job) => ({
  TALLYMAN_JOB_ID: id,
  TALLYMAN_JOB_NAME: name,
  TALLYMAN_JOB_TYPE: type,
  TALLYMAN_JOB_STATUS: status,
});

const environmentOfSkip = ({ schedule: { id, name }, skip: { at, code } }: SkipNotice) => ({
  TALLYMAN_SCHEDULE_ID: id,
  TALLYMAN_SCHEDULE_NAME: name,
  TALLYMAN_SKIPPED_AT: at,
  TALLYMAN_SKIPPED_CODE: code,
});
