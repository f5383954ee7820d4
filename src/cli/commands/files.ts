import { FILE_OUTCOMES, type FileCounts, type FileOutcome } from '../../../actors/job.js';
import { LIMITS } from '../../../actors/limits.js';
import type { Answers } from '../../answers.js';
import type { FileRecord } from '../../file-record.js';
import type { RequestBody } from '../../job-client.js';
import { CLIENT_OPTIONS, usageError, type Args } from '../args.js';
import type { Command } from '../command.js';
import type { Context } from '../context.js';
import { EXIT_CODES } from '../exit-codes.js';
import { resolveId } from '../ids.js';
import type { Style } from '../terminal.js';

const STYLES: Partial<Record<FileOutcome, readonly Style[]>> = {
  failed: ['red'],
  differs: ['red'],
  missing: ['red'],
  extra: ['red'],
  skipped: ['yellow'],
  kept: ['yellow'],
};
const OUTCOME_COLUMNS = 11;

export const files: Command = {
  name: 'files',
  group: 'look',
  args: 'ID',
  minArgs: 1,
  maxArgs: 1,
  completes: 'ids',
  summary: 'what became of the files of a job',
  options: [
    { name: 'failed', describe: 'only those that failed' },
    { name: 'outcome', value: 'OUTCOME', multiple: true, choices: FILE_OUTCOMES, describe: `only these: ${FILE_OUTCOMES.join(', ')}` },
    { name: 'text', value: 'TEXT', describe: 'only with this in the path or in the cause' },
    { name: 'attempt', value: 'N', describe: 'of this attempt; default: the newest' },
    ...CLIENT_OPTIONS,
  ],
  examples: [
    ['tallyman files --failed 8KX2M4QT', 'what failed, and why'],
    ['tallyman files --outcome differs,missing,extra 8KX2M4QT', 'what a verification found'],
  ],
  async run(context, args) {
    const query = queryOf(args, await resolveId(context.service, args.positionals[0] ?? ''));
    const client = await context.service.client();
    let isEmpty = true;
    for (let after: number | null = 0; after !== null;) {
      const page: Answers['files'] = await client.ask('files', { ...query, after, limit: LIMITS.filesPerAnswer });
      if (after === 0) sayCounts(context, page.attempt, page.counts);
      // The newest attempt may be another one before the list has ended.
      query.attempt = Math.max(1, page.attempt);
      printFiles(context, page.files);
      isEmpty &&= page.files.length === 0;
      after = page.next;
    }
    if (isEmpty) context.say('No files. A job that has not run yet has none; flags may leave all out.');
    return EXIT_CODES.ok.code;
  },
};

function queryOf(args: Args, id: string): RequestBody<'files'> {
  const attempt = args.whole('attempt');
  if (attempt !== undefined && attempt < 1) throw usageError('--attempt counts from 1.');
  const outcome = [...(args.flag('failed') ? (['failed'] as const) : []), ...(args.words('outcome') as FileOutcome[])];
  const text = args.text('text');
  return {
    id,
    ...(attempt === undefined ? {} : { attempt }),
    ...(outcome.length === 0 ? {} : { outcome: [...new Set(outcome)] }),
    ...(text === undefined ? {} : { text }),
  };
}

function sayCounts({ say }: Context, attempt: number, counts: FileCounts | undefined): void {
  if (!counts) return;
  const words = FILE_OUTCOMES.flatMap((outcome) => (counts[outcome] ? [`${counts[outcome]} ${outcome}`] : []));
  say(`Attempt ${attempt}: ${words.join(', ')}.`);
}

function printFiles({ terminal, json }: Context, records: readonly FileRecord[]): void {
  for (const record of records) {
    const { outcome, path, why } = record;
    if (json) terminal.json(record);
    else terminal.print([outcome.padEnd(OUTCOME_COLUMNS), ...(STYLES[outcome] ?? [])], ` ${path}`, [why === null ? '' : `  ${why}`, 'dim']);
  }
}
