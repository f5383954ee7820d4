import { JobError } from './errors.js';

/** What the manager says to asks that it does not, or cannot, answer. */
export const timedOut = () =>
  new JobError('ask_timeout', 'The request waited in the mailbox past its time. It was not executed; try again.');
export const unknownOutcome = () =>
  new JobError(
    'outcome_unknown',
    'The journal has not answered in time: the change may have been stored or not. Look with "get", or repeat it with the same idempotency key.',
  );

export const tooLargeForRecord = () =>
  new JobError('payload_too_large', 'The request changes more at once than one journal record takes. Send it in parts.');

export const storageFailed = (why: string) =>
  new JobError('storage_failed', `The journal could not take the change: ${why} Nothing was changed. Make room, then repeat it.`);

export const notServing = (failure: string | null) =>
  new JobError('unavailable', `The job manager does not serve: ${failure ?? 'it is shutting down'}. Nothing was done.`);

export const shuttingDown = () => new JobError('unavailable', 'The job manager is shutting down. Nothing was done; try again in a moment.');

export const mailboxFull = ({ messages, bytes }: { messages: number; bytes: number }) =>
  new JobError('overloaded', 'Too many requests wait. Nothing was done; try again in a second.', { messages, bytes });

export const tooManyClaims = () => new JobError('overloaded', 'Too many workers wait for a job. Nothing was done; ask again in a second.');

export const defect = (id: string) => new JobError('internal', `This is a defect of the service. Its log tells more under ${id}.`, { id });

export const stoppedWhileStoring = (failure: string | null) =>
  new JobError(
    'outcome_unknown',
    `The job manager stopped while the change was being stored: ${failure ?? 'it was told to'}. Look with "get", or repeat it with the same key.`,
  );
