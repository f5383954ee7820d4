import type { LogLine } from '../../log-line.js';
import type { Answers } from '../../answers.js';
import type { JobClient, RequestBody } from '../../job-client.js';
import { CLIENT_OPTIONS, usageError, type Args } from '../args.js';
import type { Command } from '../command.js';
import type { Context } from '../context.js';
import { EXIT_CODES } from '../exit-codes.js';
import { localTime } from '../format.js';
import { resolveId } from '../ids.js';
import { isFinished } from '../progress-view.js';
import type { Style } from '../terminal.js';

const LEVELS = ['debug', 'info', 'warning', 'error'] as const;
const LEVEL_STYLES: Record<LogLine['level'], readonly Style[]> = { debug: ['dim'], info: [], warning: ['yellow'], error: ['red'] };
const LEVEL_COLUMNS = 7;
const WAIT_MS = 5_000;

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
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman logs --follow 8KX2M4QT', 'as it runs'],
    ['tallyman logs --level warning --attempt 2 8KX2M4QT', 'what went wrong in the second attempt'],
  ],
  async run(context, args) {
    const query = queryOf(args, await resolveId(context.service, args.positionals[0] ?? ''));
    const client = await context.service.client();
    await client.get(query.id);
    const count = args.flag('follow') ? await followLines(context, client, query) : await readLines(context, client, query);
    if (count === 0 && !context.json) context.terminal.say('No lines. A job that has not run yet has no log; flags may leave all out.');
    return EXIT_CODES.ok.code;
  },
};

function queryOf(args: Args, id: string): RequestBody<'logs'> {
  const attempt = args.whole('attempt');
  if (attempt !== undefined && attempt < 1) throw usageError('--attempt counts from 1.');
  const level = args.text('level') as LogLine['level'] | undefined;
  const text = args.text('text');
  return {
    id,
    ...(attempt === undefined ? {} : { attempt }),
    ...(level === undefined ? {} : { level }),
    ...(text === undefined ? {} : { text }),
  };
}

async function readLines(context: Context, client: JobClient, query: RequestBody<'logs'>, after = 0): Promise<number> {
  let count = 0;
  for (let last = after; ;) {
    const answer: Answers['logs'] = await client.ask('logs', { ...query, after: last });
    if (answer.lines.length === 0) return count;
    printLines(context, answer.lines);
    count += answer.lines.length;
    last = answer.last;
  }
}

/** The lines of a job come before its end does, so one more look after the end has the last of them. */
async function followLines(context: Context, client: JobClient, query: RequestBody<'logs'>): Promise<number> {
  let count = 0;
  let last = 0;
  for (;;) {
    const answer = await client.ask('logs', { ...query, after: last, waitMs: WAIT_MS }, { timeoutMs: 2 * WAIT_MS });
    printLines(context, answer.lines);
    count += answer.lines.length;
    last = answer.last;
    if (answer.lines.length > 0) continue;
    if (isFinished(await client.get(query.id))) return count + (await readLines(context, client, query, last));
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
