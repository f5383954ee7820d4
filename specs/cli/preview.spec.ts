import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Preview } from '../../src/answers.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { startTestService, type TestService } from '../support/service.js';
import { ESCAPES, MAIN, announce, cliEnv, runCli } from './cli.js';

const EVIL = 'evil\u001b]0;title\u0007\n\u202e.jpg';

let service: TestService;
let dataDir: string;
let rounds = 0;
let folder: string;
beforeAll(async () => {
  service = await startTestService({ worker: true, settings: { TALLYMAN_ROOTS: tmpdir() } });
  dataDir = await announce(service);
});
afterAll(() => service.stop());
beforeEach(async () => {
  folder = path.join(service.files, String(++rounds));
  for (const [name, text] of [
    ['src/new.jpg', '12345'],
    ['dest/old.jpg', '1234567'],
    [`dest/${EVIL}`, ''],
  ] as const) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
});

const run = (...args: string[]) => runCli(args, { dataDir, cwd: folder });
const inDestination = async () => (await readdir(path.join(folder, 'dest'))).sort();

/** What stands on the terminal when `answer` is typed. */
async function onTerminal(words: string, answer: string): Promise<string> {
  const line = `printf '${answer}\\n' | script -qec "${process.execPath} ${MAIN} ${words}" /dev/null`;
  const ended = promisify(execFile)('sh', ['-c', `${line}; true`], { cwd: folder, env: cliEnv({ dataDir, env: { TERM: 'xterm' } }) });
  return (await ended).stdout;
}

test('copy --dry-run shows what would be done, and does nothing', async () => {
  const { code, stdout } = await run('copy', '--dry-run', '--mirror', '--exclude', '*.nothing', 'src/', 'dest/');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^delete +2 +0 +7 B$/m);
  expect(stdout).toMatch(/^create +1 +0 +5 B$/m);
  expect(stdout).toContain('delete  old.jpg');
  expect(stdout).toContain('Nothing fits the pattern "*.nothing"');
  expect(stdout).toContain('--delete-delay');
  expect(stdout.replaceAll('\n', '')).not.toMatch(ESCAPES);
  expect(await inDestination()).toEqual([EVIL, 'old.jpg']);
  expect((await service.client.list()).total).toBe(0);
});

test('copy --dry-run --json is the whole answer, and a finding is an exit code', async () => {
  const { code, stdout } = await run('copy', '--dry-run', '--json', '--mirror', '--max-delete', '1', 'src/', 'dest/');
  const preview = JSON.parse(stdout) as Preview;
  expect(preview.names.map(({ path: name }) => name)).toContain(EVIL);
  expect(preview.findings.map((finding) => finding.code)).toEqual(['delete_limit']);
  expect(code).toBe(EXIT_CODES.failed.code);
});

test('copy --mirror asks for a limit, and for a yes where nobody can be asked', async () => {
  expect(await run('copy', '--mirror', 'src/', 'dest/')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--max-delete') as string,
  });
  expect(await run('copy', '--mirror', '--max-delete', '5', 'src/', 'dest/')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--yes') as string,
  });
  expect(await inDestination()).toEqual([EVIL, 'old.jpg']);
  expect((await run('copy', '--mirror', '--max-delete', '5', '--yes', '--trash', 'trash', 'src/', 'dest/')).code).toBe(0);
  expect(await inDestination()).toEqual(['new.jpg']);
  expect((await readdir(path.join(folder, 'trash'), { recursive: true })).map((name) => path.basename(name))).toContain('old.jpg');
});

test('copy --mirror on a terminal shows what goes, and goes on only after a yes', async () => {
  const words = 'copy --mirror --max-delete 5 src/ dest/';
  const declined = await onTerminal(words, '');
  expect(declined).toContain('delete 2 files and 0 folders? [y/N]');
  expect(declined).toContain('Nothing was done.');
  expect(declined).not.toContain('\u001b]0;');
  expect(await inDestination()).toEqual([EVIL, 'old.jpg']);
  const agreed = await onTerminal(words, 'y');
  expect(agreed).toContain('Completed');
  expect(await inDestination()).toEqual(['new.jpg']);
  const [job] = (await service.client.list({ limit: 1 })).jobs;
  expect(job?.preview).toMatchObject({ create: 1, change: 0, delete: 2 });
});
