import { z } from 'zod';
import { bandwidthSchema } from '../../actors/bandwidth.js';
import { ERROR_CATALOGUE, type ErrorCode } from '../../actors/errors.js';
import { FILE_OUTCOMES, JOB_STATUSES, WANTED, fileCountsSchema, historyEntrySchema, jobSchema } from '../../actors/job.js';
import { LIMITS } from '../../actors/limits.js';
import { reasonSchema } from '../../actors/reasons.js';
import { scheduleAnswerSchema, scheduleSchema } from '../../actors/schedule.js';
import type { AnyVerb } from '../../actors/requests.js';
import type { Answers } from '../answers.js';

const count = z.number().int().min(0);

export const errorBodySchema = z.object({
  code: z.enum(Object.keys(ERROR_CATALOGUE) as [ErrorCode, ...ErrorCode[]]),
  message: z.string().describe('for people: says what to do'),
  status: z.number().int(),
  executed: z.enum(['no', 'unknown']).describe('no: safe to repeat; unknown: repeat it with the same idempotency key'),
  details: z.record(z.string(), z.unknown()),
});

export const problemSchema = errorBodySchema.extend({ type: z.string(), title: z.string(), detail: z.string() });

const itemError = z.object({ id: z.string(), error: errorBodySchema });
const progressAnswer = z.object({ version: z.number().int(), wanted: z.enum(WANTED), leaseMs: count });

const command = z.union([jobSchema, z.object({ results: z.array(z.union([z.object({ id: z.string(), job: jobSchema }), itemError])) })]);

const logLineSchema = z.object({
  seq: count,
  at: z.string(),
  job: z.string(),
  attempt: z.number().int(),
  level: z.enum(['debug', 'info', 'warning', 'error']),
  stream: z.enum(['stdout', 'stderr', 'worker']),
  text: z.string(),
});

const fileRecordSchema = z.object({
  seq: count,
  at: z.string(),
  job: z.string(),
  attempt: z.number().int(),
  path: z.string().describe('relative to the source folder'),
  pathBase64: z.string().exactOptional().describe('the raw bytes, when they are no valid UTF-8'),
  outcome: z.enum(FILE_OUTCOMES),
  bytes: count.nullable(),
  provedBy: z.enum(['checksum', 'bytes', 'size', 'none']).nullable(),
  checksum: z.string().nullable(),
  why: z.string().nullable(),
});

const bandwidthAnswer = z.object({
  limit: bandwidthSchema,
  from: z.enum(['request', 'settings']).describe('who gave it'),
  bytesPerSecond: count.describe('of all transfers together, now; 0 is no limit'),
  shares: z.array(z.object({ id: z.string(), bytesPerSecond: count.nullable() })).describe('of the running transfers'),
});

const statsSchema = z.object({
  total: count,
  byStatus: z.record(z.enum(JOB_STATUSES), count),
  byType: z.record(z.string(), count),
  schedules: z.object({
    total: count,
    active: count.describe('those that wait for a time'),
    nextAt: z.string().nullable().describe('the first of these times'),
  }),
  seq: count,
  epoch: count,
  startedAt: z.string(),
  clock: z.object({
    behindMs: z.number().min(0).describe('how far the wall clock stands behind the newest change in the journal'),
    timesHeld: z.boolean().describe('new changes get the time of the newest one until the clock has caught up'),
  }),
  mailbox: z.object({ messages: count, bytes: count, parkedClaims: count }),
  journal: z.object({ bytes: count, messages: count, firstSeq: count, liveBytes: count }),
  counters: z.object({ asks: count, commits: count, changes: count, errors: z.record(z.string(), count) }),
});

const previewed = z.object({ files: count, folders: count, bytes: count.nullable() });
const previewSchema = z.object({
  previewId: z.string().describe('create with it runs no more than this'),
  expiresAt: z.string(),
  counts: z.object({
    create: previewed,
    change: previewed,
    delete: previewed,
    skip: z.object({ files: count, folders: count }),
    equal: z.object({ files: count }),
  }),
  names: z.array(z.object({ change: z.enum(['create', 'change', 'delete']), path: z.string(), bytes: count.nullable() })),
  truncated: z.boolean(),
  unusedPatterns: z.array(z.string()),
  command: z.array(z.string()),
  commandText: z.string(),
  findings: z.array(z.object({ code: z.string(), message: z.string(), advice: z.string().nullable() })),
});

/** The answer of every verb as a schema: the compiler holds it to `Answers`. */
export const ANSWERS = {
  create: jobSchema,
  create_many: z.object({ jobs: z.array(jobSchema) }),
  get: jobSchema,
  list: z.object({ jobs: z.array(jobSchema), nextCursor: z.string().nullable(), total: count, seq: count }),
  stats: statsSchema,
  history: z.object({ history: z.array(historyEntrySchema), truncated: z.boolean() }),
  why: z.object({ reasons: z.array(reasonSchema) }),
  verify: jobSchema,
  update: jobSchema,
  progress: z.union([jobSchema, z.object({ results: z.array(z.union([progressAnswer.extend({ id: z.string() }), itemError])) })]),
  start: command,
  pause: command,
  resume: command,
  cancel: command,
  retry: command,
  delete: z.union([
    z.object({ deleted: z.array(z.string()) }),
    z.object({ results: z.array(z.union([z.object({ id: z.string(), deleted: z.literal(true) }), itemError])) }),
  ]),
  reorder: jobSchema,
  duplicate: jobSchema,
  bandwidth: bandwidthAnswer,
  set_bandwidth: bandwidthAnswer,
  cleanup: z.object({ deleted: count, ids: z.array(z.string()), remaining: count }),
  claim: z.object({ job: jobSchema.nullable(), leaseMs: count }),
  heartbeat: progressAnswer,
  complete: jobSchema,
  fail: jobSchema,
  release: jobSchema,
  schedule_create: scheduleAnswerSchema,
  schedule_update: scheduleAnswerSchema,
  schedule_get: scheduleAnswerSchema,
  schedule_list: z.object({ schedules: z.array(scheduleSchema), nextCursor: z.string().nullable(), total: count }),
  schedule_delete: z.object({ deleted: z.array(z.string()) }),
  schedule_run: jobSchema,
  preview: previewSchema,
  changes: z.object({
    seq: count,
    jobs: z.array(jobSchema),
    deleted: z.array(z.string()),
    reset: z.boolean(),
    total: count
      .optional()
      .describe(`with reset: how many jobs there are; of more than ${LIMITS.watchSnapshotJobs} the oldest are left out of jobs`),
  }),
  logs: z.object({ lines: z.array(logLineSchema), last: count }),
  files: z.object({
    attempt: count,
    files: z.array(fileRecordSchema),
    next: count.nullable().describe('pass it as `after`; null: that was all'),
    counts: fileCountsSchema.optional().describe('of all files of the attempt; on the first page, once they are stored'),
  }),
} satisfies { [V in AnyVerb]: z.ZodType<Answers[V]> };
