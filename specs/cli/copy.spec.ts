import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { EVIL, useCliService } from './cli-service.js';
import { ESCAPES, startCli } from './cli.js';

const cli = useCliService();
const { run, json } = cli;

describe('move', () => {
  test('needs a yes, and then leaves nothing behind but the folder', async () => {
    await mkdir(path.join(cli.service.files, 'card/sub'), { recursive: true });
    await writeFile(path.join(cli.service.files, 'card/sub', EVIL), 'picture');
    const refused = await run('move', 'card/', 'archive/');
    expect(refused).toMatchObject({ code: EXIT_CODES.usage.code, stdout: '' });
    expect(refused.stderr).toContain('--yes');
    const { code, stdout } = await run('move', '--yes', '--empty-folders', 'card/', 'archive/');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Completed: 1 file.*1 of 1 file equal by bytes \(sha256\), 1 file \(7 B\) and 1 empty folder deleted in the source\./,
    );
    expect(await readdir(path.join(cli.service.files, 'card'))).toEqual([]);
    expect(await readFile(path.join(cli.service.files, 'archive/sub', EVIL), 'utf8')).toBe('picture');
  });
});

describe('copy', () => {
  test('follows the job to its end and copies the tree', async () => {
    const { code, stdout, stderr } = await run('copy', '--verify', 'checksum', 'photos', 'one');
    expect(code).toBe(EXIT_CODES.ok.code);
    expect(stdout).toMatch(/^Completed: 2 files, 3\.00 MB in .*, 2 of 2 files equal by checksum/);
    expect(stderr).toMatch(/^Job \w{8}: .*photos to .*one$/m);
    expect(await readFile(path.join(cli.service.files, 'one/photos/raw', EVIL), 'utf8')).toBe('b');
  });

  test('a trailing slash copies what is in the folder', async () => {
    expect(await run('copy', 'photos/', 'two')).toMatchObject({ code: 0 });
    expect(await readFile(path.join(cli.service.files, 'two/raw', EVIL), 'utf8')).toBe('b');
  });

  test('--json gives the finished job with exact counts', async () => {
    const job = await json<Job>('copy', 'photos/', 'three', '--name', 'set one', '--label', 'set=nightly', '--exclude', 'raw');
    expect(job).toMatchObject({ status: 'completed', name: 'set one', labels: { set: 'nightly' }, options: { excludes: ['raw'] } });
    expect(job.progress).toMatchObject({ bytesTransferred: 3_000_000, filesTransferred: 1 });
  });

  test('without a terminal it writes a line per step and no escape sequence', async () => {
    const { stderr, stdout } = await run('copy', '--bwlimit', '2M', 'photos', 'four');
    expect(stderr).toMatch(/^transferring: \d+\.\d %, .* of 3\.00 MB/m);
    expect(ESCAPES.test(stderr + stdout)).toBe(false);
  });

  test('ends with 1 and the advice when the job failed', async () => {
    await writeFile(path.join(cli.service.files, 'a-file'), '');
    const { code, stdout } = await run('copy', '--max-retries', '0', 'photos/', 'a-file/inside');
    expect(code).toBe(EXIT_CODES.failed.code);
    expect(stdout).toMatch(/^Failed: .+\n.*\n?.*"tallyman logs \w{8}"/);
  });

  test('ends with 9 for a path that is not allowed', async () => {
    const { code, stderr } = await run('copy', '/etc/hostname', 'five');
    expect(code).toBe(EXIT_CODES.refused.code);
    expect(stderr).toContain('TALLYMAN_ROOTS');
  });

  test('--detach prints the id and nothing else', async () => {
    const { code, stdout } = await run('copy', '-d', 'photos', 'six');
    expect(code).toBe(0);
    await expect.poll(async () => (await cli.service.client.get(stdout.trim())).status).toBe('completed');
  });
});

describe('Ctrl-C while a job is followed', () => {
  const follow = async (dest: string, ...flags: string[]) => {
    const { child, result } = startCli(['copy', '--bwlimit', '200k', ...flags, 'photos', dest], cli.options);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await expect.poll(() => said).toContain('transferring');
    child.kill('SIGINT');
    return result;
  };
  const jobTo = async (dest: string) => (await cli.service.client.list({ text: path.join(cli.service.files, dest) })).jobs[0]!;

  test('leaves it running and says how to cancel it', async () => {
    const { code, stderr } = await follow('seven');
    const { id, status } = await jobTo('seven');
    expect(code).toBe(EXIT_CODES.interrupted.code);
    expect(status).toBe('running');
    expect(stderr).toContain(`"tallyman cancel ${id.slice(-8)}" ends it`);
    expect(stderr).not.toContain('does not answer');
    expect(await run('cancel', id)).toMatchObject({ code: 0 });
    expect((await run('watch', id)).code).toBe(EXIT_CODES.cancelled.code);
  });

  test('cancels it with --cancel-on-interrupt', async () => {
    expect((await follow('eight', '--cancel-on-interrupt')).code).toBe(EXIT_CODES.interrupted.code);
    await expect.poll(async () => (await jobTo('eight')).status).toBe('cancelled');
  });
});
