import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../actors/job.js';
import type { Schedule } from '../../actors/schedule.js';
import type { ScheduleAnswer } from '../../src/answers.js';
import { EXIT_CODES } from '../../src/cli/exit-codes.js';
import { startTestService, type TestService } from '../support/service.js';
import { announce, runCli, type CliOptions } from './cli.js';

let service: TestService;
let options: CliOptions;
beforeAll(async () => {
  service = await startTestService();
  options = { dataDir: await announce(service), cwd: '/tmp', env: { TZ: 'Europe/Berlin' } };
});
afterAll(() => service.stop());

const schedule = (...args: string[]) => runCli(['schedule', ...args], options);
const jsonOf = async <T>(...args: string[]): Promise<T> => JSON.parse((await schedule(...args, '--json')).stdout) as T;

test('without any the list says how to make one', async () => {
  const { code, stdout, stderr } = await schedule('list');
  expect([code, stdout]).toEqual([0, '']);
  expect(stderr).toContain('tallyman schedule add');
});

test('one is added with the flags of a copy, in the time zone of the machine, shown, changed and deleted', async () => {
  const flags = ['--verify', 'checksum', '--exclude', '*.tmp', '--label', 'set=nightly', '--overlap', 'wait', '--missed', 'skip'];
  const added = await schedule('add', 'photos', '30 2 * * *', 'photos/', '/mnt/photos/', ...flags);
  expect(added.code).toBe(0);
  expect(added.stderr).toMatch(/^It runs next at .* 02:30:00, in /);
  const shown = await jsonOf<ScheduleAnswer>('show', 'photos');
  expect(shown).toMatchObject({
    id: added.stdout.trim(),
    cron: '30 2 * * *',
    timeZone: 'Europe/Berlin',
    overlap: 'wait',
    missed: 'skip',
    job: {
      source: '/tmp/photos/',
      destination: '/mnt/photos/',
      labels: { set: 'nightly' },
      options: { verify: 'checksum', excludes: ['*.tmp'] },
    },
  });
  expect(shown.next).toHaveLength(5);
  expect((await schedule('show', shown.id.slice(-6))).stdout).toContain('30 2 * * * Europe/Berlin');
  expect((await schedule('list')).stdout).toMatch(new RegExp(`${shown.id} +photos +30 2 \\* \\* \\* Europe/Berlin +in `));
  expect(await jsonOf('change', 'photos', '--cron', '0 4 * * MON', '--rename', 'weekly', '--if-version', '1')).toMatchObject({
    version: 2,
  });
  expect((await schedule('change', 'weekly', '--missed', 'once', '--if-version', '1')).code).toBe(EXIT_CODES.conflict.code);
  expect(await jsonOf('pause', 'weekly')).toMatchObject({ cron: '0 4 * * MON', enabled: false });
  expect((await schedule('list')).stdout).toContain('paused');
  expect(await jsonOf('resume', 'weekly')).toMatchObject({ enabled: true });
  expect(await jsonOf('delete', 'weekly')).toEqual({ deleted: [shown.id] });
  expect((await schedule('show', 'weekly')).code).toBe(EXIT_CODES.notFound.code);
});

test('a template is run with what is otherwise this time, and its runs are listed', async () => {
  await schedule('template', 'report', '--type', 'report', '--input', '{"month":7}');
  const { stdout } = await schedule('run', 'report', '--override', '{"name":"July"}');
  const listed = await runCli(['list', '--schedule', 'report', '--json'], options);
  expect((JSON.parse(listed.stdout) as { jobs: Job[] }).jobs).toMatchObject([{ id: stdout.trim(), name: 'July', input: { month: 7 } }]);
  expect(await jsonOf('show', 'report')).toMatchObject({ cron: null, runs: 1 });
});

test('what deletes files is asked for once, here', async () => {
  const move = ['template', 'camera', '/tmp/camera/', '/mnt/camera/', '--move', '--per-file'];
  expect((await schedule(...move)).stderr).toContain('--yes');
  const { id } = await jsonOf<Schedule>(...move, '--yes');
  expect(await jsonOf('show', id)).toMatchObject({ job: { options: { deleteSource: { mode: 'per_file', confirmed: true } } } });
  const mirror = ['template', 'mirror', '/tmp/camera/', '/mnt/camera/', '--mirror', '--max-delete', '10'];
  expect((await schedule(...mirror)).code).toBe(EXIT_CODES.usage.code);
  expect((await schedule(...mirror, '--yes')).code).toBe(0);
  expect((await schedule(...mirror, '--yes', '--move')).code).toBe(EXIT_CODES.usage.code);
});

test.each([
  [['chnage', 'x'], /Did you mean change\?/],
  [['add', 'photos'], /Something is missing: tallyman schedule add NAME CRON/],
  [['list', '--exclude', 'x'], /schedule list takes no --exclude/],
  [
    ['add', 'x', '30 26 * * *', '/tmp/a', '/tmp/b'],
    /cron: the hour cannot be "26"\. It takes 0 to 23.* Expected: minute hour day month weekday/,
  ],
  [['change', 'x'], /Say what is to be otherwise/],
  [['add', 'x', '@daily', '/tmp/a', '/tmp/b', '--per-file'], /go with --move/],
])('%j is refused and says what would be right', async (args, message) => {
  const { code, stderr } = await schedule(...args);
  expect(code).toBe(EXIT_CODES.usage.code);
  expect(stderr).toMatch(message);
});

test('two of one name are told apart by their ids', async () => {
  for (const again of ['twice', 'twice']) await schedule('template', again, '--type', 'report');
  expect((await schedule('show', 'twice')).stderr).toMatch(/2 schedules fit "twice": give an id, as \w{26} or \w{26}/);
});
