import { didYouMean, usageError } from '../args.js';
import type { Command } from '../command.js';
import { EXIT_CODES } from '../exit-codes.js';
import { commandHelp, overview } from '../help-text.js';
import { nearest } from '../suggest.js';

/** `commands` gives the whole table, which this command is itself a part of. */
export const helpFor = (commands: () => readonly Command[]): Command => ({
  name: 'help',
  group: 'help',
  args: '[COMMAND]',
  minArgs: 0,
  maxArgs: 1,
  completes: 'commands',
  summary: 'explain a command, with examples',
  options: [],
  examples: [['tallyman help copy', 'the same as tallyman copy --help']],
  run(context, args) {
    const name = args.positionals[0];
    context.printText(name === undefined ? overview(commands()) : commandHelp(commandNamed(name, commands()), context.terminal.columns));
    return Promise.resolve(EXIT_CODES.ok.code);
  },
});

/** Throws `invalid_request` with the name that was likely meant. */
export function commandNamed(name: string, commands: readonly Command[]): Command {
  const command = commands.find((one) => one.name === name);
  if (command) return command;
  const guess = nearest(
    name,
    commands.map((one) => one.name),
  );
  throw usageError(`There is no command ${JSON.stringify(name)}.${didYouMean(guess)} "tallyman --help" lists the commands.`);
}
