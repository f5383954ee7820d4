import { JobError } from './errors.js';
import type { Job, TransferOptions } from './job.js';

/** The options as they hold for the run that is under way: without its deletion if that is skipped, and within its share of the bandwidth. */
export function runOptions(job: Pick<Job, 'options' | 'skipDeletion' | 'bandwidthShare'>): Job['options'] {
  const { options, skipDeletion, bandwidthShare } = job;
  if (!('deleteSource' in options)) return options;
  // A share is within the job's own limit.
  const shared = { ...options, bandwidthLimit: bandwidthShare ?? options.bandwidthLimit };
  return skipDeletion ? { ...shared, ...WITHOUT_DELETION } : shared;
}

/** What would have been proved before it went is compared all the same. */
const WITHOUT_DELETION = {
  verify: 'checksum',
  deleteSource: { mode: 'never', confirmed: false },
} as const satisfies Partial<TransferOptions>;

/** Only a job that deletes its source can skip that. */
export function requireDeletion(options: Job['options'], id?: string): void {
  if ('deleteSource' in options && options.deleteSource.mode !== 'never') return;
  throw new JobError(
    'invalid_request',
    'skipDeletion: this job deletes nothing in its source, so there is nothing to skip. Leave it out.',
    {
      field: 'skipDeletion',
      ...(id === undefined ? {} : { id }),
    },
  );
}
