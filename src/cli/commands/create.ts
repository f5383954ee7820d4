import { text as readAll } from 'node:stream/consumers';
import { isTransferType } from '../../../actors/job.js';
import type { RequestBody } from '../../job-client.js';
import { CLIENT_OPTIONS, usageError, type Args } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { placeOf } from '../paths.js';
import type { Service } from '../service.js';
import { JOB_OPTIONS, TRANSFER_OPTIONS, jobBody } from './job-options.js';

export const create: Command = {
  name: 'create',
  group: 'make',
  args: '[SRC DEST]',
  minArgs: 0,
  maxArgs: 2,
  completes: 'files',
  summary: 'make a job of any type and print its id',
  details: 'rsync and rclone take SRC and DEST. Any other type is for workers of your own, who get --input as it is.',
  options: [
    { name: 'type', short: 't', value: 'TYPE', describe: 'rsync (the default), rclone, or a word of your own' },
    { name: 'input', value: 'JSON', describe: 'input of a job of your own type; "-" reads it from stdin' },
    { name: 'pending', describe: 'do not start it yet: "tallyman start ID" does' },
    { name: 'run-at', value: 'TIME', describe: 'not before then: 2030-01-31T22:00:00Z' },
    { name: 'idempotency-key', value: 'KEY', describe: 'a repeat with the same key is the same job' },
    ...JOB_OPTIONS,
    ...TRANSFER_OPTIONS,
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman create --pending ~/photos/ /mnt/backup/photos/', 'a transfer that waits to be started'],
    ['tallyman create --type report --input \'{"month": 7}\'', 'a job for workers of your own'],
    ['jq . order.json | tallyman create --type order --input - --idempotency-key order-17', 'made once, however often it is sent'],
  ],
  async run({ service, terminal, json }, args) {
    const body = await createBody(service, args, args.positionals);
    const key = args.text('idempotency-key');
    const job = await (await service.client()).create(body, key === undefined ? {} : { idempotencyKey: key });
    if (json) terminal.json(job);
    else terminal.print(job.id);
    return EXIT_CODES.ok.code;
  },
};

/** What the flags and places of a command line say of a job of any type. */
export async function createBody(service: Service, args: Args, places: readonly string[]): Promise<RequestBody<'create'>> {
  const type = args.text('type') ?? (args.flag('input') ? null : 'rsync');
  if (type === null) throw usageError('--input is for jobs of your own type: give --type too.');
  const [source, destination] = places.map((typed) => placeOf(typed, process.cwd(), type));
  const runAt = args.text('run-at');
  const more = { ...(args.flag('pending') ? { start: false } : {}), ...(runAt === undefined ? {} : { runAt }) };
  if (isTransferType(type)) {
    if (source === undefined || destination === undefined)
      throw usageError(`A job of type ${type} needs SRC and DEST. A type of your own is given with --type.`);
    if (args.flag('input')) throw usageError(`A job of type ${type} takes no --input.`);
    return { ...(await jobBody(service, args, type, { source, destination })), ...more };
  }
  if (source !== undefined) throw usageError(`A job of type ${JSON.stringify(type)} takes no SRC and DEST: put them into --input.`);
  const input = await inputOf(args);
  return { ...(await jobBody(service, args, type, null)), ...more, ...(input === undefined ? {} : { input }) };
}

async function inputOf(args: Args): Promise<unknown> {
  const given = args.text('input');
  if (given === undefined) return undefined;
  const text = given === '-' ? await readAll(process.stdin) : given;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw usageError('--input is not JSON. A plain text is JSON in double quotes: \'"text"\'.');
  }
}
