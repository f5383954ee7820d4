import { JobError } from '../../actors/errors.js';
import { LIMITS } from '../../actors/limits.js';
import type { Answers } from '../answers.js';
import type { JobClient } from '../job-client.js';
import type { Service } from './service.js';

const WHOLE_ID_CHARS = 26;
const SUFFIX_CHARS_MIN = 4;

/**
 * Ids as people type them: whole, or the end of one, 4 characters or more,
 * that belongs to one job alone. Throws `job_not_found`, or `invalid_request`
 * when several jobs end so.
 */
export async function resolveIds(service: Service, typed: readonly string[]): Promise<string[]> {
  const wrong = typed.find((id) => !/^[A-Za-z0-9_-]{1,64}$/.test(id));
  if (wrong !== undefined)
    throw new JobError('invalid_request', `${JSON.stringify(wrong)} is no id of a job. "tallyman list" shows the ids.`);
  const unique = [...new Set(typed)];
  const short = unique.filter((id) => id.length < WHOLE_ID_CHARS);
  if (short.length === 0) return unique;
  const tooShort = short.find((id) => id.length < SUFFIX_CHARS_MIN);
  if (tooShort !== undefined) {
    throw new JobError(
      'invalid_request',
      `${JSON.stringify(tooShort)} is too short for an id: give at least its last ${SUFFIX_CHARS_MIN} characters.`,
    );
  }
  const client = await service.client();
  const whole = await Promise.all(unique.map(async (id) => (id.length < WHOLE_ID_CHARS ? await wholeId(client, id) : id)));
  return [...new Set(whole)];
}

export async function resolveId(service: Service, typed: string): Promise<string> {
  return (await resolveIds(service, [typed]))[0] ?? typed;
}

async function wholeId(client: JobClient, suffix: string): Promise<string> {
  const matches = await idsEndingIn(client, suffix);
  if (matches.length > 1) {
    throw new JobError(
      'invalid_request',
      `${matches.length} jobs have an id that ends in ${suffix}: give more of it, as ${matches.slice(0, 3).join(' or ')}.`,
    );
  }
  const match = matches[0];
  if (match === undefined)
    throw new JobError('job_not_found', `There is no job whose id is or ends in ${suffix}. "tallyman list --all" shows the ids.`, {
      id: suffix,
    });
  return match;
}

async function idsEndingIn(client: JobClient, suffix: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const { jobs, nextCursor }: Answers['list'] = await client.list({ text: suffix, limit: LIMITS.listMax, cursor });
    ids.push(...jobs.map((job) => job.id).filter((id) => id.toLowerCase().endsWith(suffix.toLowerCase())));
    cursor = nextCursor;
  } while (cursor !== null);
  return ids;
}
