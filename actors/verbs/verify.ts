import { JobError } from '../errors.js';
import { FINISHED_STATUSES, isTransferType, transferOptionsSchema, type JobStatus, type TransferOptions } from '../job.js';
import type { Entry } from '../entry.js';
import type { Requests } from '../requests.js';
import { requireEntry, type VerbContext } from './context.js';
import { create } from './create.js';

/** The label by which the jobs are found that checked another one. */
const LABEL = 'verifies';

/** A new job that compares both sides of a finished one, by the same patterns, and copies nothing. */
export function verify(context: VerbContext, { id, method, idempotencyKey }: Requests['verify']): Entry {
  const { job } = requireEntry(context, id);
  const { type, source, destination, status } = job;
  if (!isTransferType(type) || source === null || destination === null) {
    throw new JobError('invalid_request', `Job ${id} is of type ${type}: it has no two sides to compare.`, { id });
  }
  if (!(FINISHED_STATUSES as readonly JobStatus[]).includes(status)) {
    throw new JobError('illegal_transition', `Job ${id} is ${status}: its sides can be compared when it is finished.`, { id, status });
  }
  if ((job.deletion?.filesDeleted ?? 0) > 0) {
    throw new JobError('illegal_transition', `Job ${id} deleted its source: there is nothing left to compare with. Its log has the sums.`, {
      id,
      status,
    });
  }
  const { excludes, includes, deleteExtraneous, marker } = job.options as TransferOptions;
  // Of a mirror what is left over counts too. The marker of its destination is not of the source.
  const mirror = deleteExtraneous ? { deleteExtraneous, maxDelete: 0, marker } : {};
  const labels = Object.keys(job.labels).length < 32 ? { ...job.labels, [LABEL]: id } : job.labels;
  const options = transferOptionsSchema.parse({ excludes, includes, ...mirror, verify: method, compareOnly: true });
  const body = {
    type,
    source,
    destination,
    name: `Verify ${job.name}`.slice(0, 200),
    labels,
    priority: job.priority,
    runAt: null,
    options,
  };
  return create(context, { ...body, start: true, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) });
}
