import { randomUUID } from 'node:crypto';
import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { resolveIds } from '../ids.js';
import { FOLLOW_OPTIONS, followOrDetach } from '../transfer.js';

export const verify: Command = {
  name: 'verify',
  group: 'make',
  args: 'ID',
  minArgs: 1,
  maxArgs: 1,
  completes: 'ids',
  summary: 'compare the two sides of a finished job again, now',
  details:
    'Makes a job that compares and copies nothing. It fails with verification_failed when the sides differ; its log names each file.',
  options: [
    { name: 'method', value: 'HOW', choices: ['checksum', 'size'], describe: 'by what to compare (default checksum)' },
    ...FOLLOW_OPTIONS,
    ...CLIENT_OPTIONS,
  ],
  examples: [['tallyman verify 8KX2M4QT', 'is the backup of last month still whole?']],
  async run(context, args) {
    const [id = ''] = await resolveIds(context.service, args.positionals);
    const method = (args.text('method') ?? 'checksum') as 'checksum' | 'size';
    const job = await (await context.service.client()).ask('verify', { id, method, idempotencyKey: randomUUID() });
    return followOrDetach(context, args, job);
  },
};
