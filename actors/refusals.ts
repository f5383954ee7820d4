import { JobError } from './errors.js';

/** What the manager says to asks that it does not, or cannot, answer. */
export const timedOut = () =>
  new JobError('ask_timeout', 'The request waited in the mailbox past its time. It was not executed; try again.');
export const unknownOutcome = () =>
  new JobError(
    'outcome_unknown',
    'The journal has not answered in time: the change may have been stored or not. Look with "get", or repeat it with the same idempotency key.',
  );

export const notServing = (failure: string | null) =>
  new JobError('unavailable', `The job manager does not serve: ${failure ?? 'it is shutting down'}. Nothing was done.`);
