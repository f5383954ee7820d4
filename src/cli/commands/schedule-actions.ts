import type { ScheduleAnswer } from '../../answers.js';
import type { RequestBody } from '../../job-client.js';
import { usageError, type Args } from '../args.js';
import type { Option } from '../command.js';
import { requireYes } from '../confirm.js';
import type { Context } from '../context.js';
import { localTime, relativeTime } from '../format.js';
import { scheduleDetails, scheduleTable } from '../schedule-view.js';
import { everySchedule, scheduleMeant } from '../schedules.js';
import { createBody } from './create.js';
import { JOB_OPTIONS, MIRROR_OPTIONS, TRANSFER_OPTIONS } from './job-options.js';
import { overridesOf } from './queue.js';

/** One thing that can be done with schedules: a word behind `tallyman schedule`. */
export interface Action {
  args: string;
  minArgs: number;
  maxArgs: number;
  does: string;
  options: readonly Option[];
  run(context: Context, args: Args): Promise<void>;
}

const zone: Option = { name: 'time-zone', value: 'ZONE', describe: 'time zone of CRON and of --hours (default: that of this machine)' };
const WHEN: readonly Option[] = [
  zone,
  {
    name: 'overlap',
    value: 'HOW',
    choices: ['skip', 'wait', 'allow'],
    describe: 'when the run before has not ended: skip it (the default), wait for that, or allow both at once',
  },
  {
    name: 'missed',
    value: 'HOW',
    choices: ['once', 'skip'],
    describe: 'times that passed while the service was away: made up for by one run (the default), or skipped',
  },
];

/** Of one job, and not of many. */
const OF_ONE_JOB = ['name', 'after', 'deadline', 'time-zone', 'dry-run', 'yes'];
const JOB: readonly Option[] = [
  { name: 'type', short: 't', value: 'TYPE', describe: 'rsync (the default), rclone, or a word of your own' },
  { name: 'input', value: 'JSON', describe: 'input of jobs of your own type; "-" reads it from stdin' },
  ...[...JOB_OPTIONS, ...TRANSFER_OPTIONS, ...MIRROR_OPTIONS].filter(({ name }) => !OF_ONE_JOB.includes(name)),
  { name: 'move', describe: 'delete the source files that are proved, in every run' },
  { name: 'per-file', describe: 'with --move: each file when it is proved' },
  { name: 'empty-folders', describe: 'with --move: remove the folders that are empty afterwards, too' },
  { name: 'yes', short: 'y', describe: 'do not ask before what deletes files' },
];
const KEY: Option = { name: 'idempotency-key', value: 'KEY', describe: 'a repeat with the same key is the same one' };
const IF_VERSION: Option = { name: 'if-version', value: 'N', describe: 'only when the schedule has this version still' };

export const ACTIONS: Record<string, Action> = {
  add: {
    args: 'NAME CRON [SRC DEST]',
    minArgs: 2,
    maxArgs: 4,
    does: 'make a job at every time of CRON: minute hour day month weekday',
    options: [...WHEN, ...JOB, KEY],
    run: (context, args) => add(context, args, args.positionals.slice(2), args.positionals[1] ?? null),
  },
  template: {
    args: 'NAME [SRC DEST]',
    minArgs: 1,
    maxArgs: 3,
    does: 'keep a job that is made only when "schedule run" asks for it',
    options: [zone, ...JOB, KEY],
    run: (context, args) => add(context, args, args.positionals.slice(1), null),
  },
  list: { args: '', minArgs: 0, maxArgs: 0, does: 'all schedules and templates', options: [], run: list },
  show: { args: 'NAME', minArgs: 1, maxArgs: 1, does: 'everything about one, and its next five times', options: [], run: show },
  change: {
    args: 'NAME',
    minArgs: 1,
    maxArgs: 1,
    does: 'change when it runs',
    options: [
      { name: 'cron', value: 'CRON', describe: 'other times' },
      { name: 'rename', value: 'NAME', describe: 'another name' },
      ...WHEN,
      IF_VERSION,
    ],
    run: change,
  },
  pause: {
    args: 'NAME',
    minArgs: 1,
    maxArgs: 1,
    does: 'let it make no jobs for now',
    options: [IF_VERSION],
    run: (context, args) => update(context, args, { enabled: false }),
  },
  resume: {
    args: 'NAME',
    minArgs: 1,
    maxArgs: 1,
    does: 'go on with its next time',
    options: [IF_VERSION],
    run: (context, args) => update(context, args, { enabled: true }),
  },
  run: {
    args: 'NAME',
    minArgs: 1,
    maxArgs: 1,
    does: 'make a job of it now, and print its id',
    options: [
      { name: 'override', value: 'JSON', describe: 'fields that are to be otherwise: \'{"destination": "/mnt/second/"}\'' },
      KEY,
      IF_VERSION,
    ],
    run: runNow,
  },
  delete: { args: 'NAME', minArgs: 1, maxArgs: 1, does: 'forget it; its jobs stay', options: [IF_VERSION], run: remove },
};

async function add(context: Context, args: Args, places: readonly string[], cron: string | null): Promise<void> {
  const { service, terminal, json } = context;
  const name = args.positionals[0] ?? '';
  // Without --hours the zone is that of CRON alone.
  const job = await createBody(service, args.flag('hours') ? args : args.without('time-zone'), places);
  const options = { ...job.options, ...(await deletionOf(args, job)) };
  const timeZone = args.text('time-zone') ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const key = args.text('idempotency-key');
  const body = { name, cron, timeZone, ...whenOf(args), job: { ...job, options }, ...(key === undefined ? {} : { idempotencyKey: key }) };
  const schedule = await (await service.client()).ask('schedule_create', body);
  if (json) {
    terminal.json(schedule);
    return;
  }
  terminal.print(schedule.id);
  sayNext(context, schedule);
}

/** What deletes files in every run is agreed to once, here. */
async function deletionOf(args: Args, job: RequestBody<'create'>): Promise<object> {
  const { source, destination } = job as { source?: string; destination?: string };
  if (args.flag('mirror')) {
    if (args.flag('move'))
      throw usageError('A mirror of a source that is deleted would delete the copies next time: give --mirror or --move.');
    await requireYes(args, `Delete in every run what ${destination} has and ${source} has not, up to --max-delete files and folders?`);
  }
  if (!args.flag('move')) {
    if (args.flag('per-file') || args.flag('empty-folders')) throw usageError('--per-file and --empty-folders go with --move.');
    return {};
  }
  await requireYes(args, `Delete in every run the files in ${source} once their copies in ${destination} are proved?`);
  const mode = args.flag('per-file') ? 'per_file' : 'after_verify';
  return { deleteSource: { mode, confirmed: true, emptyFolders: args.flag('empty-folders') } };
}

function whenOf(args: Args) {
  const overlap = args.text('overlap') as 'skip' | 'wait' | 'allow' | undefined;
  const missed = args.text('missed') as 'once' | 'skip' | undefined;
  return { ...(overlap === undefined ? {} : { overlap }), ...(missed === undefined ? {} : { missed }) };
}

async function list({ service, terminal, json }: Context): Promise<void> {
  const schedules = await everySchedule(await service.client());
  if (json) {
    terminal.json({ schedules });
    return;
  }
  if (schedules.length === 0) {
    terminal.say('No schedules yet. Make one: tallyman schedule add NAME "30 2 * * *" SRC DEST');
    return;
  }
  for (const line of scheduleTable(schedules, terminal, Date.now())) terminal.print(...line);
}

async function show({ service, terminal, json }: Context, args: Args): Promise<void> {
  const client = await service.client();
  const { id } = await scheduleMeant(client, args.positionals[0] ?? '');
  const schedule = await client.ask('schedule_get', { id });
  if (json) {
    terminal.json(schedule);
    return;
  }
  for (const line of scheduleDetails(schedule, Date.now())) terminal.print(...line);
}

async function change(context: Context, args: Args): Promise<void> {
  const [cron, name, timeZone] = [args.text('cron'), args.text('rename'), args.text('time-zone')];
  const changes = {
    ...(cron === undefined ? {} : { cron }),
    ...(name === undefined ? {} : { name }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...whenOf(args),
  };
  if (Object.keys(changes).length === 0)
    throw usageError('Say what is to be otherwise: --cron, --time-zone, --overlap, --missed or --rename.');
  await update(context, args, changes);
}

async function update(context: Context, args: Args, changes: Omit<RequestBody<'schedule_update'>, 'id'>): Promise<void> {
  const { service, terminal, json } = context;
  const client = await service.client();
  const { id } = await scheduleMeant(client, args.positionals[0] ?? '');
  const schedule = await client.ask('schedule_update', { id, ...versionOf(args), ...changes });
  if (json) {
    terminal.json(schedule);
    return;
  }
  terminal.print([schedule.name, 'bold'], schedule.enabled ? '' : '  paused');
  sayNext(context, schedule);
}

async function runNow({ service, terminal, json }: Context, args: Args): Promise<void> {
  const client = await service.client();
  const overrides = overridesOf(args);
  const { id } = await scheduleMeant(client, args.positionals[0] ?? '');
  const key = args.text('idempotency-key');
  const job = await client.ask('schedule_run', {
    id,
    overrides,
    ...versionOf(args),
    ...(key === undefined ? {} : { idempotencyKey: key }),
  });
  if (json) terminal.json(job);
  else terminal.print(job.id);
}

async function remove({ service, terminal, json }: Context, args: Args): Promise<void> {
  const client = await service.client();
  const { id, name } = await scheduleMeant(client, args.positionals[0] ?? '');
  const answer = await client.ask('schedule_delete', { id, ...versionOf(args) });
  if (json) terminal.json(answer);
  else terminal.print([name, 'bold'], '  deleted');
}

function versionOf(args: Args): { ifVersion?: number } {
  const ifVersion = args.whole('if-version');
  return ifVersion === undefined ? {} : { ifVersion };
}

function sayNext({ say }: Context, { next: [next] }: ScheduleAnswer): void {
  if (next !== undefined) say(`It runs next at ${localTime(next)}, ${relativeTime(next, Date.now())}.`);
}
