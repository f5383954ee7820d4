import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import type { Schedule } from '../../actors/schedule.js';
import type { Answers } from '../answers.js';
import type { JobClient } from '../job-client.js';

const SUFFIX_CHARS_MIN = 4;

export async function everySchedule(client: JobClient): Promise<Schedule[]> {
  const schedules: Schedule[] = [];
  let cursor: string | null = null;
  do {
    const page: Answers['schedule_list'] = await client.ask('schedule_list', { limit: LIMITS.listMax, cursor });
    schedules.push(...page.schedules);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return schedules;
}

/** The schedule that a person means by its name, its id or the end of it. Throws `schedule_not_found`, or `invalid_request` when several fit. */
export async function scheduleMeant(client: JobClient, typed: string): Promise<Schedule> {
  const all = await everySchedule(client);
  const ends = ({ id }: Schedule) => typed.length >= SUFFIX_CHARS_MIN && id.toLowerCase().endsWith(typed.toLowerCase());
  const exact = all.filter(({ id }) => id === typed);
  const named = all.filter(({ name }) => name === typed);
  const [found, ...more] = [exact, named, all.filter(ends)].find((list) => list.length > 0) ?? [];
  if (!found)
    throw new JobError('schedule_not_found', `There is no schedule ${JSON.stringify(typed)}. "tallyman schedule list" shows them.`);
  if (more.length === 0) return found;
  const ids = [found, ...more].map(({ id }) => id).slice(0, 3);
  throw new JobError('invalid_request', `${more.length + 1} schedules fit ${JSON.stringify(typed)}: give an id, as ${ids.join(' or ')}.`);
}
