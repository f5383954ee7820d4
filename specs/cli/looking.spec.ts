import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { ErrorBody } from '../../actors/errors.js';
import type { HistoryEntry, Job } from '../../actors/job.js';
import type { Answers } from '../../src/answers.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import type { LogLine } from '../../src/log-line.js';
import { writeRemotes } from '../engines/remote.js';
import { useCliService } from './cli-service.js';
import { ESCAPES, runCli, startCli } from './cli.js';

const cli = useCliService();
const { run, json, pendingJob } = cli;

describe('an empty service', () => {
  test('says what to do next, and gives a script nothing', async () => {
    expect(await run('list')).toEqual({ code: 0, stdout: '', stderr: 'No jobs yet. Make one: tallyman copy SRC DEST\n' });
    expect(await json('list')).toMatchObject({ jobs: [], total: 0, nextCursor: null });
  });
});

describe('looking', () => {
  test('list shows what the flags ask for, page after page', async () => {
    const many = Array.from({ length: 1100 }, (_, index) => ({
      type: 'many',
      name: `number ${index}`,
      start: false,
      labels: { lot: 'a' },
    }));
    await cli.service.client.ask('create_many', { jobs: many.slice(0, 550) });
    await cli.service.client.ask('create_many', { jobs: many.slice(550) });
    const limited = await run('list', '--type', 'many', '--ids');
    expect(limited.stdout.trim().split('\n')).toHaveLength(100);
    expect((await run('list', '--type', 'many', '--ids', '-n', '120')).stdout.trim().split('\n')).toHaveLength(120);
    const all = await json<Answers['list']>('list', '--label', 'lot=a', '--all', '--sort', 'createdAt');
    expect(all.jobs.map((job) => job.name)).toEqual(many.map((job) => job.name));
    expect(
      (await run('list', '--status', 'completed,pending', '--text', 'number 24', '--ids', '--sort', 'name')).stdout.trim().split('\n'),
    ).toHaveLength(11);
    expect((await run('list', '--text', 'no such name')).stderr).toContain('No job fits');
    expect((await run('list')).stderr).toContain('--all');
  });

  test('show, history, stats and doctor tell a person and a script', async () => {
    const id = await pendingJob();
    await run('start', id);
    expect((await run('show', id)).stdout).toMatch(/^status +queued$/m);
    const { history } = await json<{ history: HistoryEntry[] }>('history', id);
    expect(history.map((entry) => entry.verb)).toEqual(['create', 'start']);
    expect((await run('history', id)).stdout.split('\n')).toHaveLength(4);
    expect((await run('stats')).stdout).toMatch(/^jobs +\d+$/m);
    expect(await json('stats')).toHaveProperty('byStatus.queued');
    const doctor = await run('doctor');
    expect(doctor.stdout).toMatch(/^ok +durability +fsynced/m);
    expect(doctor.stdout).toMatch(/^ok +rsync +\d/m);
    expect(doctor.code).toBe(0);
    expect(doctor.stdout).toContain(`the service was started with others: its jobs may use ${tmpdir()}`);
    const same = await runCli(['doctor'], { ...cli.options, env: { ...cli.options.env, TALLYMAN_ROOTS: tmpdir() } });
    expect(same.stdout).not.toContain('was started with others');
  });

  test('doctor shows rclone, and an allowed remote that it does not know', async () => {
    const config = await writeRemotes({ cloud: { type: 'memory' } });
    const { stdout } = await runCli(['doctor'], {
      ...cli.options,
      env: { ...cli.options.env, TALLYMAN_REMOTES: 'cloud,store', TALLYMAN_RCLONE_CONFIG: config },
    });
    expect(stdout).toMatch(/^ok +rclone +1\.\d/m);
    expect(stdout).toMatch(/^ok +remote +cloud is allowed$/m);
    expect(stdout).toMatch(/^warning +remote +store is allowed but not in /m);
  });

  test('create and copy take a remote for rclone, and for nothing else', async () => {
    const refused = await run('copy', 'photos/', 'cloud:photos');
    expect(refused.stderr).toContain('--type rclone');
    const asked = await run('copy', '--type', 'rclone', 'photos/', 'cloud:photos');
    expect(asked.stderr).toContain('Allow it with TALLYMAN_REMOTES');
    for (const { code } of [refused, asked]) expect(code).toBe(EXIT_CODES.refused.code);
  });

  test('logs tell what was run, in order, and nothing in them steers the terminal', async () => {
    const job = await json<Job>('copy', 'photos/', 'nine');
    const { stdout } = await run('logs', job.id);
    expect(stdout).toContain('rsync');
    expect(ESCAPES.test(stdout)).toBe(false);
    const followed = (await run('logs', '--follow', '--json', job.id)).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as LogLine);
    expect(followed.map((line) => line.seq)).toEqual(followed.map((line) => line.seq).sort((a, b) => a - b));
    expect(followed.some((line) => line.text.includes('evil'))).toBe(true);
    const tail = await run('logs', '--tail', '2', job.id);
    expect(tail.stdout.trimEnd().split('\n')).toEqual(stdout.trimEnd().split('\n').slice(-2));
    expect((await run('logs', '--level', 'error', job.id)).stderr).toContain('No lines');
    expect((await run('logs', '01ARZ3NDEKTSV4RRFFQ69G5FAV')).code).toBe(EXIT_CODES.notFound.code);
  });

  test('watch --json gives every change as a line until the job has ended', async () => {
    const id = await pendingJob('watched');
    const { child, result } = startCli(['watch', '--json', id], cli.options);
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    await expect.poll(() => seen).toContain('"pending"');
    await cli.service.client.command('start', id);
    await expect.poll(() => seen).toContain('"queued"');
    await cli.service.client.command('cancel', id);
    const { code, stdout } = await result;
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Job);
    expect(lines.map((line) => line.status)).toEqual([undefined, 'pending', 'queued', 'cancelled']);
    expect(code).toBe(EXIT_CODES.cancelled.code);
  });

  test('an error with --json is the error’s body, on stderr', async () => {
    const { code, stdout, stderr } = await run('show', '--json', '01ARZ3NDEKTSV4RRFFQ69G5FAV');
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.notFound.code, stdout: '' });
    expect(JSON.parse(stderr) as ErrorBody).toMatchObject({ code: 'job_not_found', executed: 'no' });
  });
});
