import { parseBandwidth, type Bandwidth } from '../../../actors/bandwidth.js';
import { CLIENT_OPTIONS } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { speed } from '../format.js';
import { shortId } from '../job-view.js';
import { pairLines } from '../table.js';

export const bandwidth: Command = {
  name: 'bandwidth',
  group: 'steer',
  args: '[LIMIT]',
  minArgs: 0,
  maxArgs: 1,
  completes: ['off', 'settings'],
  summary: 'show or set the bandwidth limit of all transfers together',
  details:
    'LIMIT is bytes a second (500k, 20M), off, or a timetable: each time of day with the limit that holds from then on, days before ' +
    'it if it is not for all, and a time zone at the end (default: that of this machine). "settings" goes back to ' +
    'TALLYMAN_BANDWIDTH_LIMIT. Running transfers that need another share are stopped and go on with it from their partial files.',
  options: CLIENT_OPTIONS,
  examples: [
    ['tallyman bandwidth', 'what holds, and who has how much of it'],
    ['tallyman bandwidth 20M', 'from now on at most 20 MB a second'],
    ['tallyman bandwidth "mon-fri 08:00 5M, 18:00 off Europe/Berlin"', 'little in the hours of work'],
  ],
  async run({ service, terminal, json }, args) {
    const client = await service.client();
    const [text] = args.positionals;
    const answer = text === undefined ? await client.ask('bandwidth', {}) : await client.ask('set_bandwidth', { limit: limitOf(text) });
    if (json) {
      terminal.json(answer);
      return EXIT_CODES.ok.code;
    }
    const lines = pairLines([
      ['limit', `${limitWords(answer.limit)}${answer.from === 'settings' ? ' (TALLYMAN_BANDWIDTH_LIMIT)' : ''}`],
      ['now', rateWords(answer.bytesPerSecond)],
      ...answer.shares.map(({ id, bytesPerSecond }) => [terminal.interactive ? shortId(id) : id, rateWords(bytesPerSecond ?? 0)] as const),
    ]);
    for (const line of lines) terminal.print(...line);
    return EXIT_CODES.ok.code;
  },
};

const limitOf = (text: string): Bandwidth | null =>
  text === 'settings' ? null : parseBandwidth(text, 'LIMIT', Intl.DateTimeFormat().resolvedOptions().timeZone);

const rateWords = (bytesPerSecond: number): string => (bytesPerSecond === 0 ? 'off' : speed(bytesPerSecond));

function limitWords(limit: Bandwidth): string {
  if (typeof limit === 'number') return rateWords(limit);
  const steps = limit.steps.map(({ days, from, bytesPerSecond }) => {
    const on = days.length < 7 ? `${days.join(' ')} ` : '';
    return `${on}${from} ${rateWords(bytesPerSecond)}`;
  });
  return `${steps.join(', ')} ${limit.timeZone}`;
}
