import { createInterface } from 'node:readline/promises';
import { usageError, type Args } from './args.js';
import { safeText } from './safe-text.js';

/** Goes on only with a person's yes or with `--yes`. Rejects otherwise: nothing was done then. */
export async function requireYes(args: Args, question: string): Promise<void> {
  if (args.flag('yes')) return;
  if (!process.stdin.isTTY) throw usageError('This deletes files, and there is no terminal to ask at: give --yes if that is meant.');
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await prompt.question(`${safeText(question)} [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    prompt.close();
  }
  throw usageError('Not confirmed: nothing was done.');
}
