import { parseArgs } from 'node:util';
import { JobError } from '../../actors/errors.js';
import { JOB_STATUSES } from '../../actors/job.js';
import type { Command, Option } from './command.js';
import { nearest } from './suggest.js';

/** The flags that every command takes. */
export const COMMON_OPTIONS: readonly Option[] = [
  { name: 'help', short: 'h', describe: 'explain the command, with examples' },
  { name: 'json', describe: 'answer in JSON, errors too, for scripts' },
  { name: 'no-color', describe: 'no colours (as NO_COLOR=1 does)' },
];

/** The flags of the commands that talk to a service. */
export const CLIENT_OPTIONS: readonly Option[] = [
  { name: 'data', value: 'FOLDER', describe: 'data folder of the service (TALLYMAN_DATA, else ./data)' },
  { name: 'nats-url', value: 'URL', describe: 'use the service there; user from TALLYMAN_NATS_USER and TALLYMAN_NATS_PASSWORD' },
  { name: 'prefix', value: 'WORD', describe: 'prefix of the service (TALLYMAN_PREFIX, else tallyman)' },
  { name: 'ask-timeout-ms', value: 'MS', describe: 'how long a request may take (TALLYMAN_ASK_TIMEOUT_MS, else 5000)' },
];

/** Of the commands that show some jobs and not others. */
export const STATUS_OPTION: Option = {
  name: 'status',
  short: 's',
  value: 'STATUS',
  choices: JOB_STATUSES,
  multiple: true,
  describe: `only these: ${JOB_STATUSES.join(', ')}`,
};

/** A wrong command line: exit code 2. */
export const usageError = (message: string): JobError => new JobError('invalid_request', message);

/** The checked words of a command line. */
export class Args {
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.positionals = positionals;
    this.#values = values;
  }

  /** The same flags with other words. */
  of(positionals: readonly string[]): Args {
    return new Args(positionals, this.#values);
  }

  without(name: string): Args {
    return new Args(this.positionals, new Map([...this.#values].filter(([flag]) => flag !== name)));
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  /** The last value that was given wins. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  texts(name: string): string[] {
    return [...(this.#values.get(name) ?? [])];
  }

  /** Several values, also with commas between them. */
  words(name: string): string[] {
    return this.texts(name).flatMap((text) => text.split(',').filter(Boolean));
  }

  whole(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value))
      throw usageError(`--${name} is ${JSON.stringify(text)}: give a whole number.`);
    return value;
  }

  /** `--label set=nightly --label host=ada` */
  pairs(name: string): Record<string, string> {
    return Object.fromEntries(
      this.texts(name).map((text) => {
        const split = text.indexOf('=');
        if (split < 1) throw usageError(`--${name} is ${JSON.stringify(text)}: give KEY=VALUE.`);
        return [text.slice(0, split), text.slice(split + 1)];
      }),
    );
  }
}

/** Reads the words after the command's name. Throws `invalid_request` that says what was meant. */
export function parseCommandArgs(command: Command, argv: readonly string[]): Args {
  const options = new Map([...command.options, ...COMMON_OPTIONS].map((option) => [option.name, option]));
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      [...options.values()].map((option) => [
        option.name,
        { type: option.value === undefined ? 'boolean' : 'string', ...(option.short === undefined ? {} : { short: option.short }) },
      ]),
    ),
  });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = options.get(token.name);
    if (!option) throw unknownFlag(command, token.rawName, [...options.keys()]);
    values.set(option.name, [...(values.get(option.name) ?? []), valueOf(option, token, options)]);
  }
  if (!values.has('help')) checkCount(command, positionals);
  return new Args(positionals, values);
}

function valueOf(
  option: Option,
  token: { rawName: string; value: string | undefined; inlineValue: boolean | undefined },
  known: ReadonlyMap<string, Option>,
): string {
  if (option.value === undefined) {
    if (token.value !== undefined) throw usageError(`${token.rawName} takes no value.`);
    return '';
  }
  const forgotten =
    token.inlineValue === false && token.value?.startsWith('--') === true && known.has(token.value.slice(2).split('=')[0] ?? '');
  if (token.value === undefined || token.value === '' || forgotten) {
    throw usageError(`${token.rawName} needs a value: ${token.rawName} ${option.value}.`);
  }
  const words = option.multiple === true ? token.value.split(',') : [token.value];
  const wrong = option.choices && words.find((word) => !option.choices?.includes(word));
  if (wrong !== undefined && option.choices) {
    throw usageError(
      `${token.rawName} does not take ${JSON.stringify(wrong)}.${didYouMean(nearest(wrong, option.choices))} Give one of ${option.choices.join(', ')}.`,
    );
  }
  return token.value;
}

function unknownFlag(command: Command, flag: string, known: readonly string[]): JobError {
  const guess = nearest(flag.replace(/^-+/, ''), known);
  return usageError(
    `${command.name} has no flag ${flag}.${didYouMean(guess && `--${guess}`)} "tallyman ${command.name} --help" lists them; after "--" come names that begin with a dash.`,
  );
}

function checkCount(command: Command, positionals: readonly string[]): void {
  const usage = `tallyman ${command.name} ${command.args}`.trim();
  if (positionals.length < command.minArgs) throw usageError(`Something is missing: ${usage}. See "tallyman ${command.name} --help".`);
  if (positionals.length > command.maxArgs) {
    throw usageError(`${JSON.stringify(positionals[command.maxArgs])} is one word too many: ${usage}. Put names with blanks in quotes.`);
  }
  if (positionals.includes('')) throw usageError(`An argument is empty: ${usage}.`);
}

/** ` Did you mean list?`, to stand after a sentence. */
export const didYouMean = (guess: string | null): string => (guess === null ? '' : ` Did you mean ${guess}?`);
