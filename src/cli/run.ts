import { JobError } from '../../actors/errors.js';
import { packageVersion } from '../package-root.js';
import { Args, parseCommandArgs } from './args.js';
import type { Command } from './command.js';
import { COMMANDS } from './commands.js';
import { commandNamed } from './commands/help.js';
import { Context } from './context.js';
import { EXIT_CODES, exitCodeOfError } from './exit-codes.js';
import { commandHelp, overview } from './help-text.js';

/** One Ctrl-C under npx comes twice: from the terminal, and passed on. */
const SAME_SIGNAL_MS = 500;

/** Runs one command line (without the program's name). Resolves with the exit code; never rejects. */
export async function runCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const plain = new Context(new Args([], new Map(argv.includes('--json') ? [['json', ['']]] : [])), env);
  try {
    const [name, ...rest] = argv;
    if (name === undefined || name === '--help' || name === '-h') {
      plain.printText(overview(COMMANDS));
      return name === undefined ? EXIT_CODES.usage.code : EXIT_CODES.ok.code;
    }
    if (name === '--version' || name === '-v') {
      if (plain.json) plain.terminal.json({ version: packageVersion });
      else plain.terminal.print(packageVersion);
      return EXIT_CODES.ok.code;
    }
    const command = commandNamed(name, COMMANDS);
    const args = parseCommandArgs(command, rest);
    if (!args.flag('help')) return await runCommand(command, args, new Context(args, env));
    plain.printText(commandHelp(command, plain.terminal.columns));
    return EXIT_CODES.ok.code;
  } catch (error) {
    return tell(error, plain);
  }
}

async function runCommand(command: Command, args: Args, context: Context): Promise<number> {
  if (command.group === 'service') return command.run(context, args);
  process.on('exit', () => context.terminal.close());
  try {
    return await Promise.race([command.run(context, args), interrupted(context)]);
  } finally {
    await context.close();
  }
}

/** The service's own roles stop by themselves; the client's commands say first what becomes of the job. */
function interrupted(context: Context): Promise<number> {
  return new Promise((resolve, reject) => {
    let askedAtMs: number | null = null;
    const onSignal = (): void => {
      const nowMs = performance.now();
      if (askedAtMs !== null && nowMs - askedAtMs > SAME_SIGNAL_MS) process.exit(EXIT_CODES.interrupted.code);
      if (askedAtMs !== null) return;
      askedAtMs = nowMs;
      context.onInterrupt().then(resolve, reject);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

function tell(error: unknown, { terminal, json }: Context): number {
  const known =
    error instanceof JobError ? error : new JobError('internal', `Unexpected: ${error instanceof Error ? error.message : String(error)}`);
  if (json) terminal.jsonError(known.toBody());
  else terminal.say(['tallyman', 'red'], `: ${known.message}`);
  return exitCodeOfError(known.code);
}
