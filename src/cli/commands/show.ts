import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { resolveId } from '../ids.js';
import { jobDetails } from '../job-view.js';

export const show: Command = {
  name: 'show',
  group: 'look',
  args: 'ID',
  minArgs: 1,
  maxArgs: 1,
  completes: 'ids',
  summary: 'everything about one job',
  options: CLIENT_OPTIONS,
  examples: [
    ['tallyman show 8KX2M4QT', 'the end of an id is enough'],
    ['tallyman show --json 8KX2M4QT | jq .progress', 'for scripts'],
  ],
  async run({ service, terminal, json }, args) {
    const id = await resolveId(service, args.positionals[0] ?? '');
    const client = await service.client();
    const [job, { reasons }] = await Promise.all([client.get(id), client.ask('why', { id })]);
    if (json) terminal.json(job);
    else for (const line of jobDetails(job, reasons, Date.now())) terminal.print(...line);
    return EXIT_CODES.ok.code;
  },
};
