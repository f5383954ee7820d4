import { CLIENT_OPTIONS, didYouMean, usageError, type Args } from '../args.js';
import type { Command, Option } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { nearest } from '../suggest.js';
import { ACTIONS, type Action } from './schedule-actions.js';

const WORDS = Object.keys(ACTIONS);

export const schedule: Command = {
  name: 'schedule',
  group: 'make',
  args: 'ACTION …',
  minArgs: 1,
  maxArgs: 5,
  completes: WORDS,
  summary: 'make jobs by the clock, or of templates',
  details: `Actions: ${Object.entries(ACTIONS)
    .map(([word, { args, does }]) => `${word}${args === '' ? '' : ` ${args}`} (${does})`)
    .join('; ')}. Where NAME names one that is there, its id or the end of that is taken too.`,
  options: [...unionOf(Object.values(ACTIONS)), ...CLIENT_OPTIONS],
  examples: [
    ['tallyman schedule add photos "30 2 * * *" ~/photos/ /mnt/backup/photos/', 'every night at 2:30'],
    ['tallyman schedule add report "0 9 1 * *" --type report --missed skip', 'a job for workers of your own, on the first of each month'],
    ['tallyman schedule list', 'when what runs, and how it went'],
    ['tallyman schedule pause photos', 'until "schedule resume photos"'],
    ['tallyman schedule template camera ~/camera/ /mnt/archive/camera/', 'kept, to be run when it is wanted'],
    ['tallyman schedule run camera --override \'{"source": "/media/card/"}\'', 'makes a job of it, this time from elsewhere'],
  ],
  async run(context, args) {
    const [word = '', ...positionals] = args.positionals;
    const action = ACTIONS[word];
    if (!action)
      throw usageError(`schedule cannot ${JSON.stringify(word)}.${didYouMean(nearest(word, WORDS))} It can: ${WORDS.join(', ')}.`);
    await action.run(context, checked(word, action, args.of(positionals)));
    return EXIT_CODES.ok.code;
  },
};

function checked(word: string, { args: usage, minArgs, maxArgs, options }: Action, args: Args): Args {
  const { length } = args.positionals;
  if (length < minArgs || length > maxArgs)
    throw usageError(
      `${length < minArgs ? 'Something is missing' : 'Too many words'}: tallyman schedule ${word} ${usage}. Put names with blanks in quotes.`,
    );
  const misplaced = unionOf(Object.values(ACTIONS)).find(({ name }) => args.flag(name) && !options.some((option) => option.name === name));
  if (misplaced) throw usageError(`schedule ${word} takes no --${misplaced.name}.`);
  return args;
}

function unionOf(actions: readonly Action[]): Option[] {
  return [...new Map(actions.flatMap(({ options }) => options).map((option) => [option.name, option])).values()];
}
