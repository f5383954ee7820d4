import { packageVersion } from '../package-root.js';
import { COMMON_OPTIONS } from './args.js';
import type { Command, Option } from './command.js';
import { EXIT_CODES } from './exit-codes.js';

/** Help for the terminal and for the docs, made from the table of commands. */

const GROUPS: Record<Command['group'], string> = {
  service: 'Run the service',
  make: 'Make jobs',
  look: 'Look at jobs',
  steer: 'Steer jobs',
  help: 'Help',
};

const START = [
  ['tallyman serve', 'run the service (in a fresh checkout: npm start)'],
  ['tallyman copy ~/photos/ /mnt/backup/photos/', 'copy what is in a folder and follow it'],
  ['tallyman watch', 'see what is under way'],
] as const;

export function overview(commands: readonly Command[]): string {
  const groups = (Object.keys(GROUPS) as Command['group'][]).map((group) => {
    const rows = commands
      .filter((command) => command.group === group)
      .map((command) => [`${command.name} ${command.args}`.trim(), command.summary] as const);
    return `${GROUPS[group]}:\n${twoColumns(rows)}`;
  });
  return [
    `tallyman ${packageVersion}: jobs that copy files, and any other work, safe in a journal.`,
    `To begin:\n${twoColumns(START)}`,
    ...groups,
    `Flags of every command:\n${optionRows(COMMON_OPTIONS)}`,
    `Exit codes:\n${twoColumns(Object.values(EXIT_CODES).map(({ code, means }) => [String(code), means] as const))}`,
    'An id may be cut to its last characters, 4 or more. "tallyman COMMAND --help" explains one command.',
  ].join('\n\n');
}

export function commandHelp(command: Command, columns: number): string {
  const details = command.details === undefined ? [] : [wrapped(command.details, columns)];
  const examples = command.examples.map(([line, does]) => `  ${line}\n      ${does}`).join('\n');
  return [
    `tallyman ${command.name} ${command.args}`.trim() + `\n${capitalised(command.summary)}.`,
    ...details,
    `Examples:\n${examples}`,
    `Flags:\n${optionRows([...command.options, ...COMMON_OPTIONS])}`,
  ].join('\n\n');
}

/** The tables of `docs/cli.md`. */
export function markdownTables(commands: readonly Command[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const table = (head: string, rows: readonly (readonly string[])[]): string =>
    [`| ${head} | |`, '| --- | --- |', ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`)].join('\n');
  return [
    table(
      'command',
      commands.map((command) => [`\`${`${command.name} ${command.args}`.trim()}\``, command.summary]),
    ),
    table(
      'exit code',
      Object.values(EXIT_CODES).map(({ code, means }) => [String(code), means]),
    ),
  ].join('\n\n');
}

const optionRows = (options: readonly Option[]): string =>
  twoColumns(
    options.map((option) => {
      const short = option.short === undefined ? '    ' : `-${option.short}, `;
      return [`${short}--${option.name}${option.value === undefined ? '' : ` ${option.value}`}`, option.describe] as const;
    }),
  );

function twoColumns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}

function wrapped(text: string, columns: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    const longer = lines[last] === '' ? word : `${lines[last]} ${word}`;
    if (longer.length < columns) lines[last] = longer;
    else lines.push(word);
  }
  return lines.join('\n');
}

const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
