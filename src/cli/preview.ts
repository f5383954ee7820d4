import { createInterface } from 'node:readline/promises';
import { LIMITS } from '../../actors/limits.js';
import type { Preview } from '../answers.js';
import type { RequestBody } from '../job-client.js';
import { usageError } from './args.js';
import type { Context } from './context.js';
import { EXIT_CODES } from './exit-codes.js';
import { bytes, plural } from './format.js';
import { tableLines, type Cell } from './table.js';
import type { Piece, Style } from './terminal.js';

const NAMES_SHOWN = 50;
const STYLES: Record<Preview['names'][number]['change'], Style> = { create: 'green', change: 'yellow', delete: 'red' };

/** Shows what the transfer would do. Answers the exit code: a finding means that it would fail. */
export async function showPreview(context: Context, body: RequestBody<'create'>): Promise<number> {
  const preview = await ask(context, body);
  if (context.json) context.terminal.json(preview);
  else for (const line of previewLines(preview, context.terminal.columns)) context.terminal.print(...line);
  return preview.findings.length > 0 ? EXIT_CODES.failed.code : EXIT_CODES.ok.code;
}

/** Shows the preview and asks. Resolves with its id after a yes, else with null. Throws `invalid_request` where nobody can be asked. */
export async function agreedPreview(context: Context, body: RequestBody<'create'>): Promise<string | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY || context.json) {
    throw usageError('A mirror deletes files, and there is no terminal to ask on: give --yes, or look first with --dry-run.');
  }
  const { terminal } = context;
  const preview = await ask(context, body);
  for (const line of previewLines(preview, terminal.columns)) terminal.say(...line);
  if (preview.findings.length === 0) {
    const { files, folders } = preview.counts.delete;
    if (await says(`Run it, and delete ${plural(files, 'file')} and ${plural(folders, 'folder')}? [y/N] `)) return preview.previewId;
  }
  terminal.say('Nothing was done.');
  return null;
}

async function ask({ service }: Context, body: RequestBody<'create'>): Promise<Preview> {
  return (await service.client()).ask('preview', body as RequestBody<'preview'>, { timeoutMs: LIMITS.askTimeoutMsMax });
}

async function says(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(question)).trim());
  } finally {
    lines.close();
  }
}

function previewLines(preview: Preview, columns: number): Piece[][] {
  const { create, change, delete: deleted, skip, equal } = preview.counts;
  const number = (count: number | null): Cell => ({ text: count === null ? '?' : String(count) });
  const size = (count: number | null): Cell => ({ text: count === null ? '?' : bytes(count) });
  const amount = (name: string, { files, folders, bytes: sum }: typeof create, ...styles: Style[]): Cell[] => [
    { text: name, styles },
    number(files),
    number(folders),
    size(sum),
  ];
  const totals = tableLines(
    [{ title: '' }, { title: 'FILES', right: true }, { title: 'FOLDERS', right: true }, { title: 'SIZE', right: true }],
    [
      amount('create', create, 'green'),
      amount('change', change, 'yellow'),
      amount('delete', deleted, 'red'),
      [{ text: 'leave out' }, number(skip.files), number(skip.folders), { text: '' }],
      [{ text: 'equal' }, number(equal.files), { text: '' }, { text: '' }],
    ],
    columns,
  );
  const shown = preview.names.slice(0, NAMES_SHOWN);
  const names = shown.map(({ change: what, path }): Piece[] => [[what, STYLES[what]], `  ${path}`]);
  return [
    ...names,
    ...(preview.truncated || shown.length < preview.names.length ? [['… and more; --json tells more names.']] : []),
    ...totals,
    ...preview.unusedPatterns.map((pattern): Piece[] => [['unused', 'yellow'], `  Nothing fits the pattern ${JSON.stringify(pattern)}.`]),
    ...preview.findings.map(({ message, advice }): Piece[] => [['would fail', 'red'], `  ${message} ${advice ?? ''}`]),
    ['This would run: ', preview.commandText],
  ];
}
