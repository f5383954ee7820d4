import { CLIENT_OPTIONS, usageError, type Args } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { resolveId } from '../ids.js';
import { shortId } from '../job-view.js';
import type { Service } from '../service.js';

export const reorder: Command = {
  name: 'reorder',
  group: 'steer',
  args: 'ID',
  minArgs: 1,
  maxArgs: 1,
  completes: 'ids',
  summary: 'let a waiting job run earlier or later',
  details: '"tallyman list --status queued --sort queue" shows the order in which they run.',
  options: [
    { name: 'first', describe: 'before all that wait' },
    { name: 'last', describe: 'behind all that wait now' },
    { name: 'before', value: 'ID', describe: 'just before that one' },
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman reorder 8KX2M4QT --first', 'the next one to run'],
    ['tallyman reorder 8KX2M4QT --before 3VQZ7R1B', 'and with its priority'],
  ],
  async run({ service, terminal, json }, args) {
    const to = await placeOf(service, args);
    const id = await resolveId(service, args.positionals[0] ?? '');
    const job = await (await service.client()).ask('reorder', { id, to });
    if (json) terminal.json(job);
    else terminal.print([terminal.interactive ? shortId(id) : id, 'bold'], '  ', job.name);
    return EXIT_CODES.ok.code;
  },
};

async function placeOf(service: Service, args: Args): Promise<'first' | 'last' | { before: string }> {
  const given = ['first', 'last', 'before'].filter((flag) => args.flag(flag));
  if (given.length !== 1) throw usageError('Say where to: one of --first, --last and --before ID.');
  const before = args.text('before');
  if (args.flag('before') && before !== undefined) return { before: await resolveId(service, before) };
  return args.flag('first') ? 'first' : 'last';
}

export const duplicate: Command = {
  name: 'duplicate',
  group: 'make',
  args: 'ID',
  minArgs: 1,
  maxArgs: 1,
  completes: 'ids',
  summary: 'make a new job of what an old one was asked to do, and print its id',
  options: [
    { name: 'pending', describe: 'do not start it yet: "tallyman start ID" does' },
    {
      name: 'override',
      value: 'JSON',
      describe: 'fields that are to be otherwise: \'{"name": "again", "options": {"verify": "checksum"}}\'',
    },
    { name: 'idempotency-key', value: 'KEY', describe: 'a repeat with the same key is the same job' },
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman duplicate 8KX2M4QT', 'does it once more'],
    ['tallyman duplicate 8KX2M4QT --override \'{"destination": "/mnt/second/photos/"}\'', 'to another disk'],
  ],
  async run({ service, terminal, json }, args) {
    const overrides = { ...overridesOf(args), ...(args.flag('pending') ? { start: false } : {}) };
    const id = await resolveId(service, args.positionals[0] ?? '');
    const idempotencyKey = args.text('idempotency-key');
    const job = await (
      await service.client()
    ).ask('duplicate', { id, overrides, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) });
    if (json) terminal.json(job);
    else terminal.print(job.id);
    return EXIT_CODES.ok.code;
  },
};

export function overridesOf(args: Args): Record<string, unknown> {
  const text = args.text('override') ?? '{}';
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw usageError('--override is not a JSON object, as \'{"name": "again"}\'.');
}
