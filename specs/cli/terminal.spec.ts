import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { ESCAPES, MAIN, announce, cliEnv } from './cli.js';

let service: TestService;
let dataDir: string;
beforeAll(async () => {
  service = await startTestService({ worker: true });
  dataDir = await announce(service);
  await mkdir(path.join(service.files, 'src'), { recursive: true });
  await writeFile(path.join(service.files, 'src', 'evil\u001b]0;title\u0007.bin'), Buffer.alloc(2_000_000, 'a'));
});
afterAll(() => service.stop());

/** Runs the program on a terminal of its own, 100 columns wide. Answers everything that reached the terminal. */
async function onTerminal(words: string, env: Record<string, string> = {}): Promise<string> {
  const command = `stty cols 100 rows 20; ${process.execPath} ${MAIN} ${words}`;
  const { stdout } = await promisify(execFile)('script', ['-qc', command, '/dev/null'], {
    cwd: service.files,
    env: cliEnv({ dataDir, env: { TERM: 'xterm', SHELL: '/bin/sh', ...env } }),
  });
  return stdout;
}

describe('on a terminal', () => {
  test('copy moves a bar, and leaves the cursor as it was', async () => {
    const written = await onTerminal('copy --bwlimit 1M src a');
    expect(written).toMatch(/━+.*\d+\.\d %.*of 2\.00 MB/);
    expect(written.lastIndexOf('\u001b[?25h')).toBeGreaterThan(written.lastIndexOf('\u001b[?25l'));
    expect(written).toContain('Completed');
  });

  test('the name of a file cannot set the title', async () => {
    const written = await onTerminal('copy --bwlimit 1M src b');
    expect(written).toContain('evil\\x1b]0;title\\x07.bin');
    expect(written).not.toContain('\u001b]0;');
  });

  test('list shows short ids that every command takes', async () => {
    const [job] = (await service.client.list({ limit: 1 })).jobs;
    const written = await onTerminal('list');
    expect(written).toContain(job!.id.slice(-8));
    expect(written).not.toContain(job!.id);
  });

  test('watch draws a table and ends with its job', async () => {
    const job = await service.client.create({ type: 'own', name: 'nightly', start: false });
    const watched = onTerminal(`watch ${job.id}`);
    await service.client.command('cancel', job.id);
    expect(await watched).toMatch(/nightly.*cancelled/);
  });

  test.each([{ NO_COLOR: '1' }, { TERM: 'dumb' }])('%j: no escape sequence at all', async (env) => {
    const written = await onTerminal(`copy --bwlimit 1M src ${Object.keys(env).join('')}`, env);
    expect(ESCAPES.test(written.replaceAll('\r\n', '\n'))).toBe(false);
    expect(written).toContain('transferring: ');
  });
});
