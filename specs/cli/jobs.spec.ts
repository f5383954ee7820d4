import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErrorBody } from '../../actors/errors.js';
import type { HistoryEntry, Job } from '../../actors/job.js';
import type { Answers } from '../../src/answers.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { resolveId } from '../../src/cli/ids.js';
import type { Service } from '../../src/cli/service.js';
import type { LogLine } from '../../src/log-line.js';
import { writeRemotes } from '../engines/remote.js';
import { startTestService, type TestService } from '../support/service.js';
import { ESCAPES, announce, runCli, startCli, type CliOptions } from './cli.js';

const MB = 1_000_000;
const EVIL = 'evil\u001b[31m\u009b2J\u202ename\n.txt';

let service: TestService;
let options: CliOptions;
beforeAll(async () => {
  service = await startTestService({ worker: true, settings: { TALLYMAN_ROOTS: tmpdir() } });
  await mkdir(path.join(service.files, 'photos/raw'), { recursive: true });
  await writeFile(path.join(service.files, 'photos/a.jpg'), Buffer.alloc(3 * MB, 'a'));
  await writeFile(path.join(service.files, 'photos/raw', EVIL), 'b');
  options = { dataDir: await announce(service), cwd: service.files };
});
afterAll(() => service.stop());

const run = (...args: string[]) => runCli(args, options);
const json = async <T>(...args: string[]): Promise<T> => JSON.parse((await run(...args, '--json')).stdout) as T;
const pendingJob = async (type = 'report') => (await run('create', '--type', type, '--pending')).stdout.trim();

describe('an empty service', () => {
  test('says what to do next, and gives a script nothing', async () => {
    expect(await run('list')).toEqual({ code: 0, stdout: '', stderr: 'No jobs yet. Make one: tallyman copy SRC DEST\n' });
    expect(await json('list')).toMatchObject({ jobs: [], total: 0, nextCursor: null });
  });
});

describe('move', () => {
  test('needs a yes, and then leaves nothing behind but the folder', async () => {
    await mkdir(path.join(service.files, 'card/sub'), { recursive: true });
    await writeFile(path.join(service.files, 'card/sub', EVIL), 'picture');
    const refused = await run('move', 'card/', 'archive/');
    expect(refused).toMatchObject({ code: EXIT_CODES.usage.code, stdout: '' });
    expect(refused.stderr).toContain('--yes');
    const { code, stdout } = await run('move', '--yes', '--empty-folders', 'card/', 'archive/');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Completed: 1 file.*1 of 1 file equal by bytes \(sha256\), 1 file \(7 B\) and 1 empty folder deleted in the source\./,
    );
    expect(await readdir(path.join(service.files, 'card'))).toEqual([]);
    expect(await readFile(path.join(service.files, 'archive/sub', EVIL), 'utf8')).toBe('picture');
  });
});

describe('copy', () => {
  test('follows the job to its end and copies the tree', async () => {
    const { code, stdout, stderr } = await run('copy', '--verify', 'checksum', 'photos', 'one');
    expect(code).toBe(EXIT_CODES.ok.code);
    expect(stdout).toMatch(/^Completed: 2 files, 3\.00 MB in .*, 2 of 2 files equal by checksum/);
    expect(stderr).toMatch(/^Job \w{8}: .*photos to .*one$/m);
    expect(await readFile(path.join(service.files, 'one/photos/raw', EVIL), 'utf8')).toBe('b');
  });

  test('a trailing slash copies what is in the folder', async () => {
    expect(await run('copy', 'photos/', 'two')).toMatchObject({ code: 0 });
    expect(await readFile(path.join(service.files, 'two/raw', EVIL), 'utf8')).toBe('b');
  });

  test('--json gives the finished job with exact counts', async () => {
    const job = await json<Job>('copy', 'photos/', 'three', '--name', 'set one', '--label', 'set=nightly', '--exclude', 'raw');
    expect(job).toMatchObject({ status: 'completed', name: 'set one', labels: { set: 'nightly' }, options: { excludes: ['raw'] } });
    expect(job.progress).toMatchObject({ bytesTransferred: 3 * MB, filesTransferred: 1 });
  });

  test('without a terminal it writes a line per step and no escape sequence', async () => {
    const { stderr, stdout } = await run('copy', '--bwlimit', '2M', 'photos', 'four');
    expect(stderr).toMatch(/^transferring: \d+\.\d %, .* of 3\.00 MB/m);
    expect(ESCAPES.test(stderr + stdout)).toBe(false);
  });

  test('ends with 1 and the advice when the job failed', async () => {
    await writeFile(path.join(service.files, 'a-file'), '');
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
    await expect.poll(async () => (await service.client.get(stdout.trim())).status).toBe('completed');
  });
});

describe('Ctrl-C while a job is followed', () => {
  const follow = async (dest: string, ...flags: string[]) => {
    const { child, result } = startCli(['copy', '--bwlimit', '200k', ...flags, 'photos', dest], options);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await expect.poll(() => said).toContain('transferring');
    child.kill('SIGINT');
    return result;
  };
  const jobTo = async (dest: string) => (await service.client.list({ text: path.join(service.files, dest) })).jobs[0]!;

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

describe('the queue', () => {
  test('is reordered, and jobs are duplicated', async () => {
    const type = 'reordered';
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c']) ids.push((await service.client.create({ type, name })).id);
    const [a = '', b = '', c = ''] = ids;
    expect((await run('reorder', c, '--before', a.slice(-8))).code).toBe(0);
    expect((await run('reorder', b, '--first')).code).toBe(0);
    const { jobs } = await json<Answers['list']>('list', '--type', type, '--sort', 'queue');
    expect(jobs.map(({ id }) => id)).toEqual([b, c, a]);
    expect((await run('reorder', c)).code).toBe(EXIT_CODES.usage.code);
    const { stdout } = await run('duplicate', a, '--pending', '--override', '{"name": "d"}');
    expect(await json('show', stdout.trim())).toMatchObject({ name: 'd', type, status: 'pending' });
    expect((await run('duplicate', a, '--override', 'd')).code).toBe(EXIT_CODES.usage.code);
  }, 20_000);
});

describe('create', () => {
  test('says when a job may run and how long, and show repeats it', async () => {
    const flags = [
      '--deadline',
      '2099-01-31T22:00:00Z',
      '--attempt-timeout',
      '90',
      '--hours',
      '22:00-06:00',
      '--time-zone',
      'Europe/Berlin',
    ];
    const { stdout } = await run('create', '--type', 'report', ...flags, '--days', 'fri,sat');
    const hours = { from: '22:00', to: '06:00', timeZone: 'Europe/Berlin', days: ['fri', 'sat'] };
    const options = { deadlineAt: '2099-01-31T22:00:00Z', attemptTimeoutSeconds: 90, hours };
    expect(await json('show', stdout.trim())).toMatchObject({ options });
    expect((await run('show', stdout.trim())).stdout).toMatch(/^hours +22:00 to 06:00 Europe\/Berlin, fri sat$/m);
    expect((await run('create', '--type', 'report', '--hours', 'night')).code).toBe(EXIT_CODES.usage.code);
  });

  test('--after waits for other jobs, and show says so', async () => {
    const first = await pendingJob();
    const { stdout } = await run('create', '--type', 'report', '--after', first.slice(-8));
    expect((await run('show', stdout.trim())).stdout).toMatch(new RegExp(`^waits +.*after job ${first} completed`, 'm'));
  });

  test('makes a job of an own type from stdin, and once for one key', async () => {
    const args = ['create', '--type', 'report', '--input', '-', '--idempotency-key', 'order-17', '--priority', '-5'];
    const ids = [await runCli(args, { ...options, stdin: '{"month":7}' }), await runCli(args, { ...options, stdin: '{"month":7}' })];
    expect(ids[0]).toEqual(ids[1]);
    expect(await json('show', ids[0]!.stdout.trim())).toMatchObject({
      type: 'report',
      input: { month: 7 },
      priority: -5,
      status: 'queued',
    });
    expect((await runCli(args, { ...options, stdin: '{"month":8}' })).code).toBe(EXIT_CODES.conflict.code);
  });
});

describe('an id', () => {
  test('may be cut to its end, in either case', async () => {
    const id = await pendingJob();
    expect(await json('show', id.slice(-6).toLowerCase())).toMatchObject({ id });
  });

  test('that no job has ends with 4, and one too short with 2', async () => {
    expect((await run('show', 'ZZZZZZZZZZ')).code).toBe(EXIT_CODES.notFound.code);
    expect((await run('show', '01ARZ3NDEKTSV4RRFFQ69G5FAV')).code).toBe(EXIT_CODES.notFound.code);
    expect((await run('show', 'abc')).code).toBe(EXIT_CODES.usage.code);
  });

  test('that ends as several others do is told with theirs', async () => {
    const jobs = ['01ARZ3NDEKTSV4RRFFQ69G5FAV', '01ARZ3NDEKTSV4RRFFQ69X5FAV'].map((id) => ({ id }));
    const client = { list: () => Promise.resolve({ jobs, nextCursor: null }) };
    const shared = { client: () => Promise.resolve(client) } as unknown as Service;
    await expect(resolveId(shared, '5FAV')).rejects.toThrow('01ARZ3NDEKTSV4RRFFQ69G5FAV or 01ARZ3NDEKTSV4RRFFQ69X5FAV');
    expect(await resolveId(shared, 'g5fav')).toBe('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  });
});

describe('steering', () => {
  test('gives each of several ids its own outcome, and 1 when any was refused', async () => {
    const [first, second] = [await pendingJob(), await pendingJob()];
    const { code, stdout, stderr } = await run('start', first, '01ARZ3NDEKTSV4RRFFQ69G5FAV', second);
    expect(code).toBe(EXIT_CODES.failed.code);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/ +/)[1]),
    ).toEqual(['queued', 'queued']);
    expect(stderr).toMatch(/^01ARZ3NDEKTSV4RRFFQ69G5FAV {2}refused/);
    expect(await json<{ results: unknown[] }>('pause', first, second)).toMatchObject({
      results: [{ job: { status: 'paused' } }, { job: { status: 'paused' } }],
    });
  });

  test('of one id ends with the code of its refusal', async () => {
    const id = await pendingJob();
    const { code, stderr } = await run('resume', id);
    expect(code).toBe(EXIT_CODES.conflict.code);
    expect(stderr).toContain('pending');
    expect((await run('start', id, '--if-version', '7')).code).toBe(EXIT_CODES.conflict.code);
    expect(await run('delete', id)).toMatchObject({ code: 0, stdout: `${id}  deleted\n` });
    expect((await run('show', id)).code).toBe(EXIT_CODES.notFound.code);
  });

  test('cleanup forgets finished jobs, and never without being told which', async () => {
    const id = await pendingJob('throwaway');
    await run('cancel', id);
    expect((await run('cleanup')).code).toBe(EXIT_CODES.usage.code);
    expect(await run('cleanup', '--older-than', '1d')).toMatchObject({ code: 0, stdout: 'Nothing to forget.\n' });
    expect((await json<{ ids: string[] }>('cleanup', '--all', '--status', 'cancelled')).ids).toContain(id);
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
    await service.client.ask('create_many', { jobs: many.slice(0, 550) });
    await service.client.ask('create_many', { jobs: many.slice(550) });
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
    const same = await runCli(['doctor'], { ...options, env: { ...options.env, TALLYMAN_ROOTS: tmpdir() } });
    expect(same.stdout).not.toContain('was started with others');
  });

  test('doctor shows rclone, and an allowed remote that it does not know', async () => {
    const config = await writeRemotes({ cloud: { type: 'memory' } });
    const { stdout } = await runCli(['doctor'], {
      ...options,
      env: { ...options.env, TALLYMAN_REMOTES: 'cloud,store', TALLYMAN_RCLONE_CONFIG: config },
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
    const { child, result } = startCli(['watch', '--json', id], options);
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    await expect.poll(() => seen).toContain('"pending"');
    await service.client.command('start', id);
    await expect.poll(() => seen).toContain('"queued"');
    await service.client.command('cancel', id);
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
