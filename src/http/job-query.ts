import { z } from 'zod';
import { JOB_STATUSES } from '../../actors/job.js';
import { READER_REQUESTS, REQUESTS } from '../../actors/requests.js';

const listed = (text: unknown): unknown => (text === '' ? undefined : [text].flat().flatMap((part) => String(part).split(',')));
const number = (text: unknown): unknown => (text === '' || text === undefined ? undefined : Number(text));

const statuses = z.preprocess(listed, z.array(z.enum(JOB_STATUSES)).max(JOB_STATUSES.length).optional()).optional();
const labels = z
  .preprocess(listed, z.array(z.string().regex(/^[^=]+=/, 'key=value')).optional())
  .transform(
    (pairs) => pairs && Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])),
  )
  .optional();

const { type, text, schedule, sort, limit } = REQUESTS.list.shape;

/** `GET /v1/jobs?…` as the body of `list`. */
export const listQuerySchema = z.strictObject({
  status: statuses,
  type,
  labels,
  schedule,
  text,
  sort: sort.optional(),
  limit: z.preprocess(number, limit).optional(),
  cursor: z.string().max(2048).optional(),
});

const schedules = REQUESTS.schedule_list.shape;

/** `GET /v1/schedules?…`. */
export const scheduleListQuerySchema = z.strictObject({
  limit: z.preprocess(number, schedules.limit.optional()).optional(),
  cursor: schedules.cursor,
});

const { ids } = READER_REQUESTS.changes.shape;

/** `GET /v1/events?…`. */
export const eventsQuerySchema = z.strictObject({
  since: z.preprocess(number, READER_REQUESTS.changes.shape.since).optional(),
  ids: z.preprocess(listed, ids).optional(),
  status: statuses,
});

const logs = READER_REQUESTS.logs.shape;

/** `GET /v1/jobs/{id}/log?…`. */
export const logQuerySchema = z.strictObject({
  after: z.preprocess(number, logs.after),
  attempt: z.preprocess(number, logs.attempt).optional(),
  level: logs.level,
  stream: logs.stream,
  text: logs.text,
  limit: z.preprocess(number, logs.limit.optional()).optional().describe('of format text and jsonl: all lines when not given'),
  last: z.preprocess(number, logs.last).optional(),
  waitMs: z.preprocess(number, logs.waitMs),
  format: z.enum(['json', 'text', 'jsonl']).optional().describe('default: what the Accept header prefers, else json'),
  download: z.stringbool().default(false).describe('let a browser save it as a file'),
  follow: z.stringbool().default(false).describe('server-sent events: lines as they come'),
});

const { after, attempt, outcome, text: fileText, limit: fileLimit } = READER_REQUESTS.files.shape;

/** `GET /v1/jobs/{id}/files?…`. */
export const fileQuerySchema = z.strictObject({
  after: z.preprocess(number, after),
  attempt: z.preprocess(number, attempt).optional(),
  outcome: z.preprocess(listed, outcome).optional(),
  text: fileText,
  limit: z.preprocess(number, fileLimit.optional()).optional().describe('of any format but json: all files when not given'),
  format: z.enum(['json', 'text', 'jsonl', 'csv']).optional().describe('default: what the Accept header prefers, else json'),
  download: z.stringbool().default(false).describe('let a browser save it as a file'),
});
