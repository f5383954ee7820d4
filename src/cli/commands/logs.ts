import type { LogLine } from '../../log-line.js';
import type { RequestBody } from '../../job-client.js';
import { CLIENT_OPTIONS, usageError, type Args } from '../args.js';
import type { Command } from '../command.js';
import type { Context } from '../context.js';
import { EXIT_CODES } from '../exit-codes.js';
import { localTime } from '../format.js';
import { resolveId } from '../ids.js';
import { patiently } from '../patience.js';
import { isFinished } from '../progress-view.js';
import type { Style } from '../terminal.js';

const LEVELS = ['debug', 'info', 'warning', 'error'] as const;
const LEVEL_STYLES: Record<LogLine['level'], readonly Style[]> = { debug: ['dim'], info: [], warning: ['yellow'], error: ['red'] };
const LEVEL_COLUMNS = 7;
const WAIT_MS = 3_000;

export const logs: Command = {
  name: 'logs',
  group: 'look',
  args: 'ID',
  minArgs: 1,
  maxArgs: 1,
  completes: 'ids',
  summary: 'the log of one job',
  options: [
    { name: 'follow', short: 'f', describe: 'go on with what comes, until the job has finished' },
    { name: 'level', value: 'LEVEL', choices: LEVELS, describe: `this and what is graver: ${LEVELS.join(', ')}` },
    { name: 'text', value: 'TEXT', describe: 'only lines with this in them' },
    { name: 'attempt', value: 'N', describe: 'only of this attempt' },
    { name: 'tail', short: 'n', value: 'N', describe: 'just the last N lines, of those that fit the other flags' },
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman logs --follow 8KX2M4QT', 'as it runs'],
    ['tallyman logs --tail 20 8KX2M4QT', 'how it ended'],
    ['tallyman logs --level warning --attempt 2 8KX2M4QT', 'what went wrong in the second attempt'],
  ],
  async run(context, args) {
    const query = queryOf(args, await resolveId(context.service, args.positionals[0] ?? ''));
    await (await context.service.client()).get(query.id);
    const count = args.flag('follow') ? await followLines(context, query) : await readLines(context, query);
    if (count === 0) context.say('No lines. A job that has not run yet has no log; flags may leave all out.');
    return EXIT_CODES.ok.code;
  },
};

function queryOf(args: Args, id: string): RequestBody<'logs'> {
  const attempt = args.whole('attempt');
  if (attempt !== undefined && attempt < 1) throw usageError('--attempt counts from 1.');
  const level = args.text('level') as LogLine['level'] | undefined;
  const text = args.text('text');
  const last = args.whole('tail');
  if (last === 0) throw usageError('--tail counts from 1.');
  return {
    id,
    ...(attempt === undefined ? {} : { attempt }),
    ...(level === undefined ? {} : { level }),
    ...(text === undefined ? {} : { text }),
    ...(last === undefined ? {} : { last }),
  };
}

/** Of what was there at the beginning just the newest lines, then every one. */
const pageAfter = (query: RequestBody<'logs'>, after: number): RequestBody<'logs'> =>
  after === 0 ? query : { ...query, after, last: undefined };

async function readLines(context: Context, query: RequestBody<'logs'>): Promise<number> {
  const client = await context.service.client();
  let count = 0;
  for (let last = 0; ;) {
    const { lines, last: read } = await client.ask('logs', pageAfter(query, last));
    if (lines.length === 0) return count;
    printLines(context, lines);
    count += lines.length;
    last = read;
  }
}

/** A job's lines come before its end, so what is read after the end was seen has the last of them. */
async function followLines(context: Context, query: RequestBody<'logs'>): Promise<number> {
  let count = 0;
  for (let last = 0; ;) {
    const { finished, answer } = await patiently(context.service, context.say, async (client) => {
      const finished = isFinished(await client.get(query.id));
      const waitMs = finished ? 0 : WAIT_MS;
      return { finished, answer: await client.ask('logs', { ...pageAfter(query, last), waitMs }, { timeoutMs: 2 * WAIT_MS }) };
    });
    if (finished && answer.lines.length === 0) return count;
    printLines(context, answer.lines);
    count += answer.lines.length;
    last = answer.last;
  }
}

function printLines({ terminal, json }: Context, lines: readonly LogLine[]): void {
  for (const line of lines) {
    if (json) terminal.json(line);
    else
      terminal.print(
        [localTime(line.at), 'dim'],
        ` ${line.attempt} `,
        [line.level.padEnd(LEVEL_COLUMNS), ...LEVEL_STYLES[line.level]],
        ` ${line.text}`,
      );
  }
}
