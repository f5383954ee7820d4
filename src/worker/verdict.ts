import type { Verification } from '../../actors/job.js';
import { number } from './number.js';
import { failed } from './preflight.js';

/** What a verification found, in words. Throws `verification_failed` when the two sides are not the same. */
export function requireEqual(jobId: string, { filesEqual, filesExpected, mismatches, extra = 0, algorithm, method }: Verification): string {
  const counts = `${number(filesEqual)} of ${number(filesExpected)} files are equal by ${algorithm ?? method}`;
  if (mismatches === 0 && extra === 0 && filesEqual >= filesExpected) return counts;
  const left = extra === 0 ? '' : `, ${number(extra)} are in the destination alone`;
  throw failed(
    'verification_failed',
    `The two sides differ: ${counts}, ${number(mismatches)} differ${left}.`,
    `"tallyman files ${jobId} --outcome differs,missing,extra" lists them (GET /v1/jobs/${jobId}/files?outcome=differs,missing,extra). Retry the job while nothing writes to either side; if files differ again, check the disks and the memory.`,
  );
}
