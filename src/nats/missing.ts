import { ErrorCode, NatsError } from 'nats';

const NOT_THERE = new Set([10037, 10043, 10059]);

/** Whether JetStream said that the stream or message that was asked for is not there. */
export const isMissing = (error: unknown): boolean =>
  error instanceof NatsError &&
  (NOT_THERE.has(error.api_error?.err_code ?? 0) || error.code === (ErrorCode.JetStream404NoMessages as string));
