import type { ErrorBody } from '../../../actors/errors.js';
import type { Job } from '../../../actors/job.js';
import { LIMITS } from '../../../actors/limits.js';
import type { JobClient } from '../../job-client.js';
import { CLIENT_OPTIONS } from '../args.js';
import type { Command, Option } from '../command.js';
import { EXIT_CODES, exitCodeOfError } from '../exit-codes.js';
import { resolveIds } from '../ids.js';
import { shortId, statusStyles, statusWords } from '../job-view.js';
import type { Terminal } from '../terminal.js';

/** The commands that steer jobs that are there: many ids in one request, an outcome each. */

type Verb = 'start' | 'pause' | 'resume' | 'cancel' | 'retry' | 'delete';
type Result = { id: string } & ({ error: ErrorBody } | { job: Job } | { deleted: true });

const ONLY_FAILED = { name: 'only-failed', describe: 'take just the files that failed in the last attempt' };
const SKIP_DELETION = { name: 'skip-deletion', describe: 'copy and verify, but delete nothing in the source in this run' };
const MORE_OPTIONS: Partial<Record<Verb, readonly Option[]>> = {
  start: [SKIP_DELETION],
  resume: [SKIP_DELETION],
  retry: [ONLY_FAILED, SKIP_DELETION],
};

function steering(name: Verb, summary: string, example: readonly [string, string]): Command {
  return {
    name,
    group: 'steer',
    args: 'ID…',
    minArgs: 1,
    maxArgs: Infinity,
    completes: 'ids',
    summary,
    options: [
      ...(MORE_OPTIONS[name] ?? []),
      { name: 'if-version', value: 'N', describe: 'only when the job has this version still' },
      ...CLIENT_OPTIONS,
    ],
    examples: [example],
    async run({ service, terminal, json }, args) {
      const ifVersion = args.whole('if-version');
      const ids = await resolveIds(service, args.positionals);
      const extra = {
        ...(ifVersion === undefined ? {} : { ifVersion }),
        ...(args.flag('only-failed') ? { onlyFailed: true } : {}),
        ...(args.flag('skip-deletion') ? { skipDeletion: true } : {}),
      };
      const results = await send(await service.client(), name, ids, extra);
      if (json) terminal.json({ results });
      else for (const result of results) printResult(result, terminal);
      return exitCodeOf(results);
    },
  };
}

export const STEERING: readonly Command[] = [
  steering('start', 'start jobs that were made with --pending, or that wait to be tried again', [
    'tallyman start 8KX2M4QT',
    'queues it for the next free worker',
  ]),
  steering('pause', 'stop jobs so that they can go on later', ['tallyman pause 8KX2M4QT 3VQZ7R1B', 'what was copied stays']),
  steering('resume', 'go on with paused jobs', ['tallyman resume 8KX2M4QT', 'from where it was']),
  steering('cancel', 'end jobs', ['tallyman cancel $(tallyman list --status queued --ids)', 'all that wait']),
  steering('retry', 'try failed or cancelled jobs again, and now those that wait for it', [
    'tallyman retry 8KX2M4QT',
    'counts its retries anew',
  ]),
  steering('delete', 'forget jobs that do not run; files stay', ['tallyman delete 8KX2M4QT', 'the job, its history and its log are gone']),
];

async function send(client: JobClient, verb: Verb, ids: string[], extra: object): Promise<Result[]> {
  const results: Result[] = [];
  for (let first = 0; first < ids.length; first += LIMITS.idsPerRequest) {
    const body = { ids: ids.slice(first, first + LIMITS.idsPerRequest), ...extra };
    const answer = await client.ask(verb, body);
    if ('results' in answer) results.push(...answer.results);
  }
  return results;
}

function printResult(result: Result, terminal: Terminal): void {
  const id = terminal.interactive ? shortId(result.id) : result.id;
  if ('error' in result) terminal.say([id, 'bold'], '  ', ['refused', 'red'], `  ${result.error.message}`);
  else if ('job' in result)
    terminal.print([id, 'bold'], '  ', [statusWords(result.job, Date.now()), ...statusStyles(result.job)], `  ${result.job.name}`);
  else terminal.print([id, 'bold'], '  deleted');
}

/** Of one id the code of its error; of several `failed` when any was refused. */
function exitCodeOf(results: readonly Result[]): number {
  const refused = results.flatMap((result) => ('error' in result ? [result.error] : []));
  const only = refused[0];
  if (only === undefined) return EXIT_CODES.ok.code;
  return results.length === 1 ? exitCodeOfError(only.code) : EXIT_CODES.failed.code;
}
