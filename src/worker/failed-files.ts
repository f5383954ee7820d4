import { JobError } from '../../actors/errors.js';
import type { Job } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { bytesOf } from '../file-record.js';
import type { JobClient } from '../job-client.js';
import { failed } from './preflight.js';

/** The paths of the files that failed in an earlier attempt. A list that lacks some is refused: the job would seem whole without them. */
export async function failedFiles(
  client: Pick<JobClient, 'ask'>,
  id: string,
  { attempt, files: expected }: NonNullable<Job['onlyFailed']>,
): Promise<Buffer[]> {
  const found = new Map<string, Buffer>();
  for (let after: number | null = 0; after !== null;) {
    const page = await askPage(client, { id, attempt, outcome: ['failed'], after, limit: LIMITS.filesPerAnswer });
    for (const record of page.files) {
      const path = bytesOf(record);
      found.set(path.toString('latin1'), path);
    }
    after = page.next;
  }
  if (found.size === expected) return [...found.values()];
  throw failed(
    'failed_files_unknown',
    `Of the ${expected} files that failed in attempt ${attempt}, the list has ${found.size} still.`,
    `Retry the whole job: "tallyman retry ${id}". What was copied is not copied again.`,
  );
}

async function askPage(client: Pick<JobClient, 'ask'>, body: Parameters<typeof client.ask<'files'>>[1]) {
  try {
    return await client.ask('files', body);
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    throw failed(
      'files_unreadable',
      `The list of the files that failed cannot be read: ${error.message}`,
      'The job is tried again by itself.',
      true,
    );
  }
}
