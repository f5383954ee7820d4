import { NatsError, type ServiceMsg } from 'nats';
import { randomUUID } from 'node:crypto';
import { JobError } from '../../actors/errors.js';

/** Writes a line to the log of the process. */
export type WriteLog = (message: string, details: Record<string, unknown>) => void;

/** Answers a request with `error`: service error headers for NATS tools, the error's body for clients. */
export function respondError(msg: ServiceMsg, error: unknown, writeLog: WriteLog): void {
  const jobError = toJobError(error, writeLog);
  // A header ends at a line break.
  const description = jobError.message.replace(/[^\x20-\x7e]+/g, ' ');
  msg.respondError(jobError.status, description, Buffer.from(JSON.stringify(jobError.toBody())));
}

/** An error of the catalogue as it is; anything else is a defect: `internal`, its stack trace in the log only, both with the same id. */
export function toJobError(error: unknown, writeLog: WriteLog): JobError {
  if (error instanceof JobError) return error;
  if (error instanceof NatsError && error.code === 'MAX_PAYLOAD_EXCEEDED') {
    return new JobError(
      'payload_too_large',
      'The answer is larger than the NATS server takes. Ask for less: fewer ids, a status, a smaller limit.',
    );
  }
  const id = randomUUID();
  writeLog('defect', { id, stack: error instanceof Error ? error.stack : String(error) });
  return new JobError('internal', `A defect in the service; its log has the details under ${id}.`, { id });
}
