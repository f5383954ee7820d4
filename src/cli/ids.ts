import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import type { JobClient } from '../job-client.js';

const WHOLE_ID_CHARS = 26;
const SUFFIX_CHARS_MIN = 4;
/** Short ids are looked for among this many of the newest jobs. */
const PAGES_MAX = 20;

/**
 * Ids as people type them: whole, or the end of one, 4 characters or more,
 * that belongs to one job alone. Throws `job_not_found`, or `invalid_request`
 * when several jobs end so.
 */
export async function resolveIds(client: JobClient, typed: readonly string[]): Promise<string[]> {
  const wrong = typed.find((id) => !/^[A-Za-z0-9_-]{1,64}$/.test(id));
  if (wrong !== undefined) throw new JobError('invalid_request', `${JSON.stringify(wrong)} is no id of a job. "tallyman list" shows the ids.`);
  const unique = [...new Set(typed)];
  const short = unique.filter((id) => id.length < WHOLE_ID_CHARS);
  if (short.length === 0) return unique;
  const tooShort = short.find((id) => id.length < SUFFIX_CHARS_MIN);
  if (tooShort !== undefined) {
    throw new JobError('invalid_request', `${JSON.stringify(tooShort)} is too short for an id: give at least its last ${SUFFIX_CHARS_MIN} characters.`);
  }
  const known = await newestIds(client);
  return [...new Set(unique.map((id) => (id.length < WHOLE_ID_CHARS ? wholeId(id, known) : id)))];
}

export async function resolveId(client: JobClient, typed: string): Promise<string> {
  return (await resolveIds(client, [typed]))[0] ?? typed;
}

function wholeId(suffix: string, known: readonly string[]): string {
  const matches = known.filter((id) => id.toLowerCase().endsWith(suffix.toLowerCase()));
  if (matches.length > 1) {
    throw new JobError('invalid_request', `${matches.length} jobs have an id that ends in ${suffix}: give more of it, as ${matches.slice(0, 3).join(' or ')}.`);
  }
  const match = matches[0];
  if (match === undefined) {
    throw new JobError('job_not_found', `No job has an id that ends in ${suffix}. "tallyman list --all" shows the ids.`, { id: suffix });
  }
  return match;
}

async function newestIds(client: JobClient): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX; page++) {
    const { jobs, nextCursor } = await client.list({ limit: LIMITS.listMax, cursor });
    ids.push(...jobs.map((job) => job.id));
    if (nextCursor === null) break;
    cursor = nextCursor;
  }
  return ids;
}
