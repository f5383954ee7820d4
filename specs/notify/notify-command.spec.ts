import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Notice } from '../../src/notify/notice.js';
import { runNotifyCommand } from '../../src/notify/notify-command.js';
import { sampleJob } from '../support/sample-job.js';
import { startTestService } from '../support/service.js';
import { finish } from './finishing.js';

/** Writes what it is given into the file that it is named, whole or not at all. */
const TELLER = `
  import { renameSync, writeFileSync } from 'node:fs';
  import { text } from 'node:stream/consumers';
  const [, , file, ...args] = process.argv;
  writeFileSync(file + '.new', JSON.stringify({ args, env: process.env, stdin: await text(process.stdin) }));
  renameSync(file + '.new', file);
`;

interface Told {
  args: string[];
  env: Record<string, string>;
  stdin: string;
}

let folder: string;
let script: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tallyman-'));
  script = path.join(folder, 'teller.mjs');
  await writeFile(script, TELLER);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const out = () => path.join(folder, 'told.json');
const told = async () => JSON.parse(await readFile(out(), 'utf8')) as Told;
const notice = (fields: Parameters<typeof sampleJob>[0] = {}): Notice => {
  const job = sampleJob({ status: 'completed', finishedAt: '2026-01-01T00:00:00.000Z', ...fields });
  return { event: 'completed', id: `${job.id}-3`, job, at: '2026-01-01T00:00:00.000Z' };
};
const run = (command: string[], about = notice(), signal = new AbortController().signal, timeoutMs?: number) =>
  runNotifyCommand(command, about, signal, timeoutMs);

test('the program gets its arguments, the names and the job whole: no shell looks at them', async () => {
  const hostile = `$(touch ${folder}/pwned) ; \`touch ${folder}/pwned\` && "quo'ted" * \\ 🚢 -rf`;
  const about = notice({ name: hostile, source: `/${hostile}` });
  await run([process.execPath, script, out(), hostile, ''], about);
  const { args, env, stdin } = await told();
  expect(args).toEqual([hostile, '']);
  expect(env).toMatchObject({
    TALLYMAN_EVENT: 'completed',
    TALLYMAN_NOTICE_ID: 'sample-3',
    TALLYMAN_JOB_ID: 'sample',
    TALLYMAN_JOB_NAME: hostile,
    TALLYMAN_JOB_TYPE: 'probe',
    TALLYMAN_JOB_STATUS: 'completed',
  });
  expect(JSON.parse(stdin)).toEqual(about);
  expect((await readdir(folder)).sort()).toEqual(['teller.mjs', 'told.json']);
});

test('it sees no setting of the service: they hold secrets', async () => {
  process.env['TALLYMAN_WEBHOOK_SECRET'] = 'whsec_between-us';
  await run([process.execPath, script, out()]);
  delete process.env['TALLYMAN_WEBHOOK_SECRET'];
  const { env } = await told();
  expect(JSON.stringify(env)).not.toContain('between-us');
  expect(env['PATH']).toBe(process.env['PATH']);
});

test.each([
  [['false'], /it ended with 1/],
  [['sh', '-c', 'echo no bell >&2; exit 3'], /it ended with 3; its last words: "no bell\\n"/],
  [['sh', '-c', 'kill -9 $$'], /it ended with SIGKILL/],
  [['/no/such/program'], /it cannot be started \(ENOENT\)/],
])('%j has not taken the notice', async (command, message) => {
  await expect(run(command)).rejects.toThrow(message);
});

test('a program that does not read is free to', async () => {
  await run(['true'], notice({ input: 'x'.repeat(1024 * 1024) }));
});

test('one that hangs is ended with everything that it started', async () => {
  const pidFile = path.join(folder, 'pid');
  const hang = ['sh', '-c', `sleep 1000 & echo $! > ${pidFile}; wait`];
  await expect(run(hang, notice(), new AbortController().signal, 300)).rejects.toThrow(/had not ended after 0.3 seconds/);
  const pid = Number(await readFile(pidFile, 'utf8'));
  await expect.poll(() => isAlive(pid)).toBe(false);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('the program of the settings is run for every job, and for what the settings say', async () => {
  const service = await startTestService({
    gateway: false,
    settings: { TALLYMAN_NOTIFY_COMMAND: JSON.stringify([process.execPath, script, out()]), TALLYMAN_NOTIFY_ON: 'failed' },
  });
  await finish(service.client, 'completed');
  const job = await finish(service.client, 'failed', { maxRetries: 0 });
  await expect.poll(() => readdir(folder)).toContain('told.json');
  expect(JSON.parse((await told()).stdin)).toEqual({ event: 'failed', id: `${job.id}-${job.version}`, job, at: job.finishedAt });
  await service.stop();
});
