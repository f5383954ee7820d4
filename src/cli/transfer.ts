import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../../actors/errors.js';
import { TRANSFER_TYPES, type Job } from '../../actors/job.js';
import type { RequestBody } from '../job-client.js';
import { usageError, type Args } from './args.js';
import type { Option } from './command.js';
import type { Context } from './context.js';
import { EXIT_CODES, exitCodeOfJob } from './exit-codes.js';
import { follow } from './follow.js';
import { outcomeLines, shortId } from './job-view.js';
import { placeOf } from './paths.js';
import { ProgressView, isFinished } from './progress-view.js';
import { isPassing } from './service.js';

const CREATE_TRIES = 5;

/** What `copy` and `move` have in common: the job is made, then followed to its end. */
export const FOLLOW_OPTIONS: readonly Option[] = [
  { name: 'detach', short: 'd', describe: 'print the id and do not wait' },
  { name: 'cancel-on-interrupt', describe: 'Ctrl-C cancels the job' },
];

export const ENGINE_OPTION: Option = {
  name: 'type',
  short: 't',
  value: 'TYPE',
  choices: TRANSFER_TYPES,
  describe: 'the program that copies: rsync (the default) or rclone',
};

/** Makes the job and follows it to its end, unless `--detach` says not to. Answers the exit code. */
export async function makeAndFollow(context: Context, args: Args, body: RequestBody<'create'>): Promise<number> {
  return followOrDetach(context, args, await create(context, body));
}

export async function followOrDetach(context: Context, args: Args, job: Job): Promise<number> {
  if (!args.flag('detach')) return followToEnd(context, job, args.flag('cancel-on-interrupt'));
  if (context.json) context.terminal.json(job);
  else context.terminal.print(job.id);
  return EXIT_CODES.ok.code;
}

export function placesOf(args: Args, type: string): [source: string, destination: string] {
  const [source, destination] = args.positionals.map((typed) => placeOf(typed, process.cwd(), type));
  if (source === undefined || destination === undefined) throw usageError('Give a source and a destination.');
  return [source, destination];
}

/** Sent again under the same key when the answer got lost: it stays one job. */
async function create({ service }: Context, body: RequestBody<'create'>): Promise<Job> {
  const idempotencyKey = randomUUID();
  for (let tries = 1; ; tries++) {
    try {
      return await (await service.client()).create(body, { idempotencyKey });
    } catch (error) {
      const repeat = isPassing(error) && error.code !== 'unavailable' && tries < CREATE_TRIES;
      if (!repeat) throw error;
      await sleep(200 * tries);
    }
  }
}

async function followToEnd(context: Context, created: Job, cancelOnInterrupt: boolean): Promise<number> {
  const { terminal, service } = context;
  const view = context.json ? null : new ProgressView(terminal);
  const id = created.id;
  context.onInterrupt = async () => {
    if (cancelOnInterrupt) await (await service.client()).command('cancel', id);
    view?.end();
    if (cancelOnInterrupt) terminal.say(`Job ${shortId(id)} is being cancelled.`);
    else
      terminal.say(
        `Job ${shortId(id)} goes on in the service. "tallyman watch ${shortId(id)}" follows it, "tallyman cancel ${shortId(id)}" ends it.`,
      );
    return EXIT_CODES.interrupted.code;
  };
  context.say(`Job ${shortId(id)}: ${created.source} to ${created.destination}`);
  try {
    const job = await lastState(context, id, view);
    view?.end();
    if (context.json) terminal.json(job);
    else for (const line of outcomeLines(job)) terminal.print(...line);
    return exitCodeOfJob(job);
  } finally {
    view?.end();
  }
}

/** Nobody who waits for its end would ever answer it. */
const asks = ({ status, error }: Job): boolean => status === 'paused' && error?.asks !== undefined;

async function lastState({ service, say }: Context, id: string, view: ProgressView | null): Promise<Job> {
  for await (const { jobs, deleted, reset } of follow(service, { ids: [id] }, say)) {
    const job = jobs.find((one) => one.id === id);
    if (job && (isFinished(job) || asks(job))) return job;
    if (job) view?.show(job);
    if (deleted.includes(id) || (reset && !job))
      throw new JobError('job_not_found', `Job ${id} was deleted while it was followed.`, { id });
  }
  throw new JobError('unavailable', 'The service can be followed no more.');
}
