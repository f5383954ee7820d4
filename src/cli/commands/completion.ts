import { usageError } from '../args.js';
import type { Command } from '../command.js';
import { bashScript, fishScript, zshScript } from '../completion-scripts.js';
import { EXIT_CODES } from '../exit-codes.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `commands` gives the whole table, which this command is itself a part of. */
export const completionFor = (commands: () => readonly Command[]): Command => ({
  name: 'completion',
  group: 'help',
  args: SHELLS.join('|'),
  minArgs: 1,
  maxArgs: 1,
  completes: SHELLS,
  summary: 'a script that completes commands, flags and ids in your shell',
  options: [],
  examples: [
    ['source <(tallyman completion bash)', 'in ~/.bashrc'],
    ['source <(tallyman completion zsh)', 'in ~/.zshrc, after compinit'],
    ['tallyman completion fish | source', 'in ~/.config/fish/config.fish'],
  ],
  run(context, args) {
    const shell = SHELLS.find((name) => name === args.positionals[0]);
    if (shell === undefined)
      throw usageError(`There is no completion for ${JSON.stringify(args.positionals[0])}: give one of ${SHELLS.join(', ')}.`);
    context.printText({ bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands()));
    return Promise.resolve(EXIT_CODES.ok.code);
  },
});
