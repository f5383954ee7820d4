import { FINISHED_STATUSES } from '../../../actors/job.js';
import type { RequestBody } from '../../job-client.js';
import { CLIENT_OPTIONS, usageError, type Args } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { parseDuration, plural } from '../format.js';

export const cleanup: Command = {
  name: 'cleanup',
  group: 'steer',
  args: '',
  minArgs: 0,
  maxArgs: 0,
  summary: 'forget finished jobs; files stay',
  details: 'The service does this by itself too, as TALLYMAN_CLEANUP_AFTER_SECONDS says.',
  options: [
    { name: 'older-than', value: '7d', describe: 'only what finished longer ago: 90s, 15m, 12h, 7d, 2w' },
    {
      name: 'status',
      short: 's',
      value: 'STATUS',
      choices: FINISHED_STATUSES,
      multiple: true,
      describe: `only these: ${FINISHED_STATUSES.join(', ')}`,
    },
    { name: 'keep-last', value: 'N', describe: 'so many of the newest finished jobs stay in any case' },
    { name: 'all', describe: 'all finished jobs' },
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman cleanup --older-than 7d', 'what finished more than a week ago'],
    ['tallyman cleanup --status completed --keep-last 100', 'the completed ones but the last hundred'],
  ],
  async run({ service, terminal, json }, args) {
    const body = bodyOf(args);
    const client = await service.client();
    const ids: string[] = [];
    let remaining = 1;
    while (remaining > 0) {
      const answer = await client.ask('cleanup', body);
      ids.push(...answer.ids);
      remaining = answer.deleted > 0 ? answer.remaining : 0;
    }
    if (json) terminal.json({ deleted: ids.length, ids });
    else terminal.print(ids.length === 0 ? 'Nothing to forget.' : `${plural(ids.length, 'job')} forgotten.`);
    return EXIT_CODES.ok.code;
  },
};

function bodyOf(args: Args): RequestBody<'cleanup'> {
  const olderThan = args.text('older-than');
  const keepLast = args.whole('keep-last');
  const statuses = args.words('status') as (typeof FINISHED_STATUSES)[number][];
  if (olderThan === undefined && keepLast === undefined && !args.flag('all')) {
    throw usageError('Say which finished jobs to forget: --older-than 7d, --keep-last 100, or --all.');
  }
  return {
    ...(olderThan === undefined ? {} : { olderThanSeconds: parseDuration(olderThan, '--older-than') }),
    ...(keepLast === undefined ? {} : { keepLast }),
    ...(statuses.length === 0 ? {} : { statuses }),
  };
}
