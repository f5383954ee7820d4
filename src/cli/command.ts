import type { Args } from './args.js';
import type { Context } from './context.js';

/** One flag of a command. Without `value` it is a switch. */
export interface Option {
  name: string;
  short?: string;
  /** Placeholder of its value in the help: `PATTERN`, `7d`. */
  value?: string;
  /** The only values that it takes. */
  choices?: readonly string[];
  multiple?: boolean;
  describe: string;
}

/** One command of the table in `commands.ts`, from which help, completion and the docs are made. */
export interface Command {
  name: string;
  group: 'service' | 'make' | 'look' | 'steer' | 'help';
  /** Its arguments as the help shows them: `SRC DEST`, `ID…`. */
  args: string;
  minArgs: number;
  maxArgs: number;
  /** What completion offers for an argument. */
  completes?: 'files' | 'ids' | 'commands' | readonly string[];
  summary: string;
  details?: string;
  options: readonly Option[];
  examples: readonly (readonly [command: string, does: string])[];
  /** Resolves with the exit code. Throws `JobError` for what went wrong. */
  run(context: Context, args: Args): Promise<number>;
}
