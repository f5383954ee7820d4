import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { localTime } from '../format.js';
import { resolveId } from '../ids.js';
import { tableLines } from '../table.js';

const COLUMNS = [
  { title: 'WHEN' },
  { title: 'WHAT' },
  { title: 'THEN' },
  { title: 'ATTEMPT', right: true },
  { title: 'WORKER' },
  { title: 'NOTE', shrinks: true },
];

export const history: Command = {
  name: 'history',
  group: 'look',
  args: 'ID',
  minArgs: 1,
  maxArgs: 1,
  completes: 'ids',
  summary: 'what happened to one job, in order',
  options: CLIENT_OPTIONS,
  examples: [['tallyman history 8KX2M4QT', 'who did what, and when']],
  async run({ service, terminal, json }, args) {
    const id = await resolveId(service, args.positionals[0] ?? '');
    const answer = await (await service.client()).ask('history', { id });
    if (json) {
      terminal.json(answer);
      return EXIT_CODES.ok.code;
    }
    const rows = answer.history.map((entry) =>
      [
        localTime(entry.at),
        entry.verb,
        entry.status,
        entry.attempt === 0 ? '' : String(entry.attempt),
        entry.worker ?? '',
        entry.note ?? '',
      ].map((text) => ({ text })),
    );
    for (const line of tableLines(COLUMNS, rows, terminal.interactive ? terminal.columns - 1 : Infinity)) terminal.print(...line);
    if (answer.truncated) terminal.say('What was before is no longer kept.');
    return EXIT_CODES.ok.code;
  },
};
