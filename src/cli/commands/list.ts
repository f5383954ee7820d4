import type { Job, JobStatus } from '../../../actors/job.js';
import { LIMITS } from '../../../actors/limits.js';
import type { Answers } from '../../answers.js';
import type { JobClient, RequestBody } from '../../job-client.js';
import { CLIENT_OPTIONS, STATUS_OPTION, type Args } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { jobTable } from '../job-view.js';
import { scheduleMeant } from '../schedules.js';
import type { Terminal } from '../terminal.js';

const FIELDS = ['createdAt', 'updatedAt', 'name', 'priority', 'finishedAt'];
const SORTS = [...FIELDS.flatMap((field) => [`-${field}`, field]), 'queue'];

export const list: Command = {
  name: 'list',
  group: 'look',
  args: '',
  minArgs: 0,
  maxArgs: 0,
  summary: 'the jobs, newest first',
  options: [
    STATUS_OPTION,
    { name: 'type', short: 't', value: 'TYPE', describe: 'only jobs of this type' },
    { name: 'label', value: 'KEY=VALUE', multiple: true, describe: 'only jobs with this label; may be repeated' },
    { name: 'schedule', value: 'NAME', describe: 'only runs of this schedule: its name or id' },
    { name: 'text', value: 'TEXT', describe: 'only jobs with this in their name or paths' },
    { name: 'sort', value: 'FIELD', choices: SORTS, describe: `${SORTS.join(', ')} (default -createdAt: the newest first)` },
    { name: 'limit', short: 'n', value: 'N', describe: `at most so many (default ${LIMITS.listDefault})` },
    { name: 'all', describe: 'all of them' },
    { name: 'ids', describe: 'print only ids, one a line' },
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman list --status running,queued', 'what is under way'],
    ['tallyman list --label set=nightly --sort -finishedAt -n 10', 'the ten that finished last'],
    ['tallyman list --schedule photos', 'the runs of a schedule'],
    ['tallyman retry $(tallyman list --status failed --ids)', 'tries again whatever failed'],
  ],
  async run({ service, terminal, json }, args) {
    const limit = args.flag('all') ? Infinity : (args.whole('limit') ?? LIMITS.listDefault);
    const client = await service.client();
    const query = { ...queryOf(args), ...(await scheduleOf(client, args)) };
    const answer = await pages(client, query, limit);
    if (json) terminal.json(answer);
    else if (args.flag('ids')) for (const job of answer.jobs) terminal.print(job.id);
    else show(answer, terminal, Object.keys(query).length > 1);
    return EXIT_CODES.ok.code;
  },
};

async function scheduleOf(client: JobClient, args: Args): Promise<{ schedule?: string }> {
  const typed = args.text('schedule');
  return typed === undefined ? {} : { schedule: (await scheduleMeant(client, typed)).id };
}

function queryOf(args: Args): RequestBody<'list'> {
  const [type, text, status, labels] = [args.text('type'), args.text('text'), args.words('status') as JobStatus[], args.pairs('label')];
  return {
    sort: (args.text('sort') ?? '-createdAt') as NonNullable<RequestBody<'list'>['sort']>,
    ...(type === undefined ? {} : { type }),
    ...(text === undefined ? {} : { text }),
    ...(status.length === 0 ? {} : { status }),
    ...(args.flag('label') ? { labels } : {}),
  };
}

async function pages(client: JobClient, query: RequestBody<'list'>, limit: number): Promise<Answers['list']> {
  const jobs: Job[] = [];
  let cursor: string | null = null;
  for (;;) {
    const page: Answers['list'] = await client.list({ ...query, limit: Math.min(limit - jobs.length, LIMITS.listMax), cursor });
    jobs.push(...page.jobs);
    cursor = page.nextCursor;
    if (cursor === null || jobs.length >= limit) return { ...page, jobs };
  }
}

function show({ jobs, total, nextCursor }: Answers['list'], terminal: Terminal, filtered: boolean): void {
  if (jobs.length === 0) {
    terminal.say(filtered ? 'No job fits. "tallyman list" without flags shows all.' : 'No jobs yet. Make one: tallyman copy SRC DEST');
    return;
  }
  for (const line of jobTable(jobs, terminal, Date.now())) terminal.print(...line);
  if (nextCursor !== null) terminal.say(`${jobs.length} of ${total} jobs. --all shows all.`);
}
