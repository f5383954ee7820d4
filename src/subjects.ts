import type { FileOutcome } from '../actors/job.js';
import type { NoticeEvent } from '../actors/notify.js';
import type { AnyVerb } from '../actors/requests.js';

/**
 * Every subject, stream and header name, in one place. `nats.conf` grants
 * these same subjects to each role; a spec holds the two together.
 */
export const DEFAULT_PREFIX = 'tallyman';

export const subjectsOf = (prefix: string) => ({
  verb: (verb: AnyVerb) => `${prefix}.jobs.${verb}`,
  allVerbs: `${prefix}.jobs.*`,
  journalStream: `${prefix}_JOURNAL`,
  journal: `${prefix}.journal`,
  /** The way into the journal's account for those who read it: requests, and the messages that come of them. */
  feedApi: `${prefix}.feed_api`,
  feed: `${prefix}.feed`,
  logsStream: `${prefix}_LOGS`,
  log: (jobId: string, attempt: number) => `${prefix}.logs.${jobId}.${attempt}`,
  logsOfJob: (jobId: string) => `${prefix}.logs.${jobId}.*`,
  allLogs: `${prefix}.logs.>`,
  filesStream: `${prefix}_FILES`,
  files: (jobId: string, attempt: number, outcome: FileOutcome | 'counts' | '*') => `${prefix}.files.${jobId}.${attempt}.${outcome}`,
  filesOfJob: (jobId: string) => `${prefix}.files.${jobId}.>`,
  allFiles: `${prefix}.files.>`,
  event: (event: NoticeEvent, jobId: string) => `${prefix}.events.${event}.${jobId}`,
  allEvents: `${prefix}.events.>`,
  noticesStream: `${prefix}_NOTICES`,
  allNotices: `${prefix}.notices.>`,
  notice: (receiver: string, noticeId: string) => `${prefix}.notices.due.${receiver}.${noticeId}`,
  dueNotices: `${prefix}.notices.due.>`,
  /** How far the journal was read for notices. */
  noticesCursor: `${prefix}.notices.cursor`,
});
export type Subjects = ReturnType<typeof subjectsOf>;

export const HEADERS = {
  askTimeoutMs: 'Ask-Timeout-Ms',
  idempotencyKey: 'Idempotency-Key',
  ifVersion: 'If-Version',
  traceparent: 'traceparent',
  errorCode: 'Nats-Service-Error-Code',
  error: 'Nats-Service-Error',
} as const;

/** Replies to a role travel under its own word, so that no other role can listen to them. */
export const INBOX_PREFIX = {
  manager: '_INBOX_manager',
  journal: '_INBOX_journal',
  logs: '_INBOX_logs',
  notifier: '_INBOX_notifier',
  gateway: '_INBOX_gateway',
  worker: '_INBOX_worker',
  client: '_INBOX',
} as const;
export type Role = keyof typeof INBOX_PREFIX;
