/** What other services import: the typed client, the shapes of jobs and requests, and the errors. */
export { JobClient, type AskOptions, type JobClientOptions, type RequestBody } from './job-client.js';
export type { NatsLogin } from './nats/connection.js';
export type { Answers, ItemResult, ProgressAnswer } from './answers.js';
export type { LogLine } from './log-line.js';
export { ERROR_CATALOGUE, JobError, type ErrorBody, type ErrorCode } from '../actors/errors.js';
export type { HistoryEntry, Job, JobFailure, JobStatus, Phase, Progress, Verification } from '../actors/job.js';
