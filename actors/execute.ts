import type { ProgressUpdate, Requests, Verb } from './requests.js';
import * as attempts from './verbs/attempts.js';
import { setBandwidth, showBandwidth } from './verbs/bandwidth.js';
import * as commands from './verbs/commands.js';
import type { VerbContext } from './verbs/context.js';
import { requireEntry } from './verbs/context.js';
import { create, createMany } from './verbs/create.js';
import { duplicate } from './verbs/duplicate.js';
import { list } from './verbs/list.js';
import { why } from './verbs/queue.js';
import { reorder } from './verbs/reorder.js';
import * as schedules from './verbs/schedules.js';
import { verify } from './verbs/verify.js';

/** One request, validated: the verb and its body. */
export type Command = { [V in Verb]: { verb: V; body: Requests[V] } }[Verb];

/** What the manager knows beyond the job table, for `list` and `stats`. */
export interface ManagerView {
  seq(): number;
  stats(): object;
}

/** The answer is JSON text, made once and passed on as it is; `wait` means: nothing yet, and the caller will wait for it. */
export type Outcome = { answer: string } | 'wait';

/**
 * Decides one request: changes go to the draft, the answer comes back. No I/O,
 * no clock, no randomness but what `context` brings. Throws a `JobError` of the
 * catalogue; the caller then takes back what the draft got. A verb that needs
 * another calls it: there is nothing to wait for inside a decision.
 */
export function execute(command: Command, context: VerbContext, view: ManagerView): Outcome {
  if (command.verb === 'claim') return claim(context, command.body);
  return { answer: decide(command, context, view) };
}

function claim(context: VerbContext, body: Requests['claim']): Outcome {
  const entry = attempts.claim(context, body);
  if (!entry && body.waitMs > 0) return 'wait';
  return { answer: claimAnswer(context, entry?.text ?? 'null') };
}

export const claimAnswer = (context: Pick<VerbContext, 'leaseMs'>, jobText: string): string =>
  `{"job":${jobText},"leaseMs":${context.leaseMs}}`;

function decide(command: Exclude<Command, { verb: 'claim' }>, context: VerbContext, view: ManagerView): string {
  const { table } = context.draft;
  switch (command.verb) {
    case 'create':
      return create(context, command.body).text;
    case 'create_many':
      return createMany(context, command.body);
    case 'get':
      return requireEntry(context, command.body.id).text;
    case 'list':
      return list(table, command.body, view.seq());
    case 'stats':
      return JSON.stringify(view.stats());
    case 'history': {
      const { notes, notesDropped } = requireEntry(context, command.body.id);
      return `{"history":[${notes.join(',')}],"truncated":${notesDropped > 0}}`;
    }
    case 'why':
      return why(context, command.body.id);
    case 'verify':
      return verify(context, command.body).text;
    case 'update':
      return commands.update(context, command.body).text;
    case 'start':
    case 'pause':
    case 'resume':
    case 'cancel':
      return oneOrMany(context, command.body, (id) => commands.command(context, command.verb, id, command.body).text);
    case 'reorder':
      return reorder(context, command.body).text;
    case 'duplicate':
      return duplicate(context, command.body).text;
    case 'retry':
      return oneOrMany(context, command.body, (id) => commands.retry(context, id, command.body).text);
    case 'delete':
      return remove(context, command.body);
    case 'bandwidth':
      return showBandwidth(context);
    case 'set_bandwidth':
      return setBandwidth(context, command.body);
    case 'cleanup':
      return commands.cleanup(context, command.body);
    case 'progress':
      return 'updates' in command.body ? manyUpdates(context, command.body.updates) : attempts.progress(context, command.body).text;
    case 'heartbeat':
      return JSON.stringify(attempts.progressAnswer(context, attempts.progress(context, command.body)));
    case 'complete':
      return attempts.complete(context, command.body).text;
    case 'fail':
      return attempts.fail(context, command.body).text;
    case 'release':
      return attempts.release(context, command.body).text;
    case 'schedule_create':
      return schedules.create(context, command.body);
    case 'schedule_update':
      return schedules.update(context, command.body);
    case 'schedule_get':
      return schedules.get(context, command.body.id);
    case 'schedule_list':
      return schedules.list(context, command.body);
    case 'schedule_delete':
      return schedules.remove(context, command.body);
    case 'schedule_run':
      return schedules.run(context, command.body).text;
  }
}

function oneOrMany(context: VerbContext, { id, ids }: Requests['start'], one: (id: string) => string): string {
  return ids ? commands.each(context, ids, (each) => `{"id":"${each}","job":${one(each)}}`) : one(id as string);
}

function remove(context: VerbContext, { id, ids, ifVersion }: Requests['delete']): string {
  if (!ids) {
    commands.remove(context, id as string, ifVersion);
    return JSON.stringify({ deleted: [id] });
  }
  return commands.each(context, ids, (each) => {
    commands.remove(context, each, ifVersion);
    return `{"id":"${each}","deleted":true}`;
  });
}

function manyUpdates(context: VerbContext, updates: readonly ProgressUpdate[]): string {
  const results = updates.map((update) =>
    commands.attemptOne(context, update.id, () => {
      const { version, wanted, leaseMs } = attempts.progressAnswer(context, attempts.progress(context, update));
      return `{"id":"${update.id}","version":${version},"wanted":"${wanted}","leaseMs":${leaseMs}}`;
    }),
  );
  return `{"results":[${results.join(',')}]}`;
}
