import { describe, expect, test } from 'vitest';
import type { Answers } from '../../src/answers.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { resolveId } from '../../src/cli/ids.js';
import type { Service } from '../../src/cli/service.js';
import { useCliService } from './cli-service.js';
import { runCli } from './cli.js';

const cli = useCliService();
const { run, json, pendingJob } = cli;

describe('the queue', () => {
  test('is reordered, and jobs are duplicated', async () => {
    const type = 'reordered';
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c']) ids.push((await cli.service.client.create({ type, name })).id);
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
    const ids = [
      await runCli(args, { ...cli.options, stdin: '{"month":7}' }),
      await runCli(args, { ...cli.options, stdin: '{"month":7}' }),
    ];
    expect(ids[0]).toEqual(ids[1]);
    expect(await json('show', ids[0]!.stdout.trim())).toMatchObject({
      type: 'report',
      input: { month: 7 },
      priority: -5,
      status: 'queued',
    });
    expect((await runCli(args, { ...cli.options, stdin: '{"month":8}' })).code).toBe(EXIT_CODES.conflict.code);
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
