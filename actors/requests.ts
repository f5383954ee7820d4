import { z } from 'zod';
import {
  FILE_OUTCOMES,
  FINISHED_STATUSES,
  JOB_STATUSES,
  PHASES,
  TRANSFER_TYPES,
  deletionSchema,
  jobFailureSchema,
  labelsSchema,
  nameSchema,
  ownOptionsSchema,
  progressSchema,
  transferOptionsSchema,
  verificationSchema,
} from './job.js';
import { seenSchema } from './seen.js';
import { bandwidthSchema } from './bandwidth.js';
import { disksSchema } from './disks.js';
import { LIMITS } from './limits.js';
import { id, idempotencyKey, ifVersion } from './request-fields.js';
import { SCHEDULE_REQUESTS } from './schedule-requests.js';

const attempt = z.number().int().min(1);
const workerName = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[\x21-\x7e]+$/, 'visible ASCII without blanks');
const type = z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/, 'a lower-case word of at most 32 characters');
const waitMs = z.number().int().min(0).max(LIMITS.waitMsMax).default(0);
const path = z.string().min(1).max(LIMITS.pathChars);
const deletion = deletionSchema.optional().describe('what this attempt deleted in the source');

/** Within `create_many` also `#0`, `#1` …: an earlier job of the same request. */
const after = z.array(z.union([z.string().regex(/^#\d{1,3}$/), id])).max(LIMITS.afterPerJob);

const anyJob = {
  name: nameSchema.optional(),
  labels: labelsSchema.default({}),
  priority: z.number().int().min(-100).max(100).default(0),
  runAt: z.iso.datetime({ offset: true }).nullable().default(null),
  after: after.optional(),
  start: z.boolean().default(true),
  idempotencyKey,
};

/** The very same object for every job that says nothing of options. */
export const DEFAULT_OPTIONS = { transfer: transferOptionsSchema.parse({}), own: ownOptionsSchema.parse({}) };

const skipDeletion = z.boolean().optional().describe('delete nothing in the source in this run; the next one deletes as its options say');

const transferCreate = z.strictObject({
  ...anyJob,
  type: z.enum(TRANSFER_TYPES, 'rsync or rclone, or another lower-case word for a job of your own workers'),
  source: path,
  destination: path,
  previewId: z.string().min(1).max(400).optional().describe('run no more than this preview showed'),
  skipDeletion,
  options: transferOptionsSchema.default(() => DEFAULT_OPTIONS.transfer),
});

const ownCreate = z.strictObject({
  ...anyJob,
  type: type.refine((word) => !(TRANSFER_TYPES as readonly string[]).includes(word), 'rsync and rclone need source and destination'),
  input: z.unknown().optional(),
  options: ownOptionsSchema.default(() => DEFAULT_OPTIONS.own),
});

export const createSchema = z.union([transferCreate, ownCreate]);
export type CreateTransfer = z.infer<typeof transferCreate>;
export type CreateOwn = z.infer<typeof ownCreate>;

/** For error messages: which of the two shapes a body was meant to be is told by its type. */
export const createSchemaFor = (body: unknown): z.ZodType<CreateTransfer | CreateOwn> => {
  const word = (body as { type?: unknown } | null)?.type;
  return typeof word === 'string' && !(TRANSFER_TYPES as readonly string[]).includes(word) ? ownCreate : transferCreate;
};

const one = { id: id.optional(), ids: z.array(id).min(1).max(LIMITS.idsPerRequest).optional(), ifVersion };
const isEither = (body: { id?: unknown; ids?: unknown }) => (body.id === undefined) !== (body.ids === undefined);
const command = z.strictObject(one).refine(isEither, 'give either id or ids');
const run = z.strictObject({ ...one, skipDeletion }).refine(isEither, 'give either id or ids');

const progressUpdate = z.strictObject({
  id,
  attempt: attempt.optional(),
  phase: z.enum(PHASES).optional(),
  progress: progressSchema.partial().optional(),
});
export type ProgressUpdate = z.infer<typeof progressUpdate>;

/** The request body of every verb that the JobManager answers. */
export const REQUESTS = {
  create: createSchema,
  create_many: z.strictObject({ jobs: z.array(z.unknown()).min(1).max(LIMITS.jobsPerCreateMany), idempotencyKey }),
  get: z.strictObject({ id }),
  list: z.strictObject({
    status: z.array(z.enum(JOB_STATUSES)).max(JOB_STATUSES.length).optional(),
    type: type.optional(),
    labels: labelsSchema.optional(),
    schedule: id.optional().describe('only runs of this schedule'),
    text: z.string().max(200).optional(),
    sort: z
      .enum([
        'createdAt',
        '-createdAt',
        'updatedAt',
        '-updatedAt',
        'name',
        '-name',
        'priority',
        '-priority',
        'finishedAt',
        '-finishedAt',
        'queue',
      ])
      .default('-createdAt'),
    limit: z.number().int().min(1).max(LIMITS.listMax).default(LIMITS.listDefault),
    cursor: z.string().max(2048).nullable().optional(),
  }),
  stats: z.strictObject({}),
  history: z.strictObject({ id }),
  why: z.strictObject({ id }),
  verify: z.strictObject({ id, method: z.enum(['checksum', 'size']).default('checksum'), idempotencyKey }),
  update: z.strictObject({
    id,
    ifVersion,
    name: nameSchema.optional(),
    labels: labelsSchema.optional(),
    priority: z.number().int().min(-100).max(100).optional(),
    after: after.optional().describe('fewer of the jobs that it waits for'),
    options: z.record(z.string(), z.unknown()).optional().describe('the options to change; others stay'),
  }),
  progress: z.union([progressUpdate, z.strictObject({ updates: z.array(progressUpdate).min(1).max(LIMITS.updatesPerRequest) })]),
  start: run,
  pause: command,
  resume: run,
  cancel: command,
  retry: z
    .strictObject({
      ...one,
      skipDeletion,
      onlyFailed: z.boolean().optional().describe('take just the files that failed in the last attempt'),
    })
    .refine(isEither, 'give either id or ids'),
  delete: command,
  reorder: z.strictObject({ id, ifVersion, to: z.union([z.enum(['first', 'last']), z.strictObject({ before: id })]) }),
  duplicate: z.strictObject({
    id,
    overrides: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('fields of create that are to be otherwise; of options, those to change'),
    idempotencyKey,
  }),
  bandwidth: z.strictObject({}),
  set_bandwidth: z.strictObject({ limit: bandwidthSchema.nullable().describe('of all transfers together; null: as in the settings') }),
  cleanup: z.strictObject({
    olderThanSeconds: z.number().min(0).default(0),
    statuses: z
      .array(z.enum(FINISHED_STATUSES))
      .min(1)
      .default([...FINISHED_STATUSES]),
    keepLast: z.number().int().min(0).default(0).describe('how many of the newest finished jobs stay in any case'),
  }),
  claim: z.strictObject({ worker: workerName, types: z.array(type).min(1).max(32), waitMs, disks: disksSchema.optional() }),
  heartbeat: z.strictObject({
    id,
    attempt,
    phase: z.enum(PHASES).optional(),
    progress: progressSchema.partial().optional(),
    seen: seenSchema.optional(),
  }),
  complete: z.strictObject({
    id,
    attempt,
    result: z.unknown().optional(),
    progress: progressSchema.partial().optional(),
    warnings: z.array(z.string().max(2048)).max(100).default([]),
    verification: verificationSchema.nullable().default(null),
    deletion,
    seen: seenSchema.optional(),
  }),
  fail: z.strictObject({
    id,
    attempt,
    error: jobFailureSchema,
    progress: progressSchema.partial().optional(),
    verification: verificationSchema.optional().describe('what a verification found that did not pass'),
    deletion,
  }),
  release: z.strictObject({ id, attempt, reason: z.string().max(200).optional(), deletion }),
  ...SCHEDULE_REQUESTS,
} as const;

export type Verb = keyof typeof REQUESTS;
export const VERBS = Object.keys(REQUESTS) as Verb[];
export type Requests = { [V in Verb]: z.infer<(typeof REQUESTS)[V]> };

/** Verbs that change nothing: safe to repeat, answered from memory. */
export const READ_VERBS: ReadonlySet<Verb> = new Set([
  'get',
  'list',
  'stats',
  'history',
  'why',
  'bandwidth',
  'schedule_get',
  'schedule_list',
]);

/**
 * Verbs that read the journal, the logs and the files, answered by a gateway and not by
 * the JobManager, so that a thousand watchers cost it nothing.
 */
export const READER_REQUESTS = {
  changes: z.strictObject({
    since: z.number().int().min(0).optional().describe('the seq of the last answer; none: a fresh list'),
    ids: z.array(id).min(1).max(LIMITS.idsPerRequest).optional(),
    status: z.array(z.enum(JOB_STATUSES)).max(JOB_STATUSES.length).optional(),
    waitMs,
  }),
  logs: z.strictObject({
    id,
    after: z.number().int().min(0).default(0).describe('the seq of the last line seen'),
    attempt: attempt.optional(),
    level: z.enum(['debug', 'info', 'warning', 'error']).optional().describe('this level and above'),
    stream: z.enum(['stdout', 'stderr', 'worker']).optional(),
    text: z.string().max(200).optional(),
    limit: z.number().int().min(1).max(LIMITS.logLinesPerAnswer).default(1000),
    last: z.number().int().min(1).max(LIMITS.logLinesPerAnswer).optional().describe('of the lines that fit just the newest so many'),
    waitMs,
  }),
  files: z.strictObject({
    id,
    attempt: attempt.optional().describe('default: the newest'),
    outcome: z.array(z.enum(FILE_OUTCOMES)).min(1).max(FILE_OUTCOMES.length).optional(),
    text: z.string().max(200).optional().describe('what the path or the cause holds'),
    after: z.number().int().min(0).default(0).describe('`next` of the page before'),
    limit: z.number().int().min(1).max(LIMITS.filesPerAnswer).default(1000),
  }),
} as const;

export type ReaderVerb = keyof typeof READER_REQUESTS;
export const READER_VERBS = Object.keys(READER_REQUESTS) as ReaderVerb[];
export type ReaderRequests = { [V in ReaderVerb]: z.infer<(typeof READER_REQUESTS)[V]> };

/** What a worker answers: it alone sees the disks. */
export const WORKER_REQUESTS = { preview: z.union([transferCreate, z.strictObject({ id })]) } as const;

/** For error messages, as `createSchemaFor`. */
export const previewSchemaFor = (body: unknown): z.ZodType<z.infer<typeof WORKER_REQUESTS.preview>> =>
  typeof body === 'object' && body !== null && 'id' in body ? WORKER_REQUESTS.preview.options[1] : transferCreate;

/** Every verb, whoever answers it. */
export const ALL_REQUESTS = { ...REQUESTS, ...READER_REQUESTS, ...WORKER_REQUESTS } as const;
export type AnyVerb = keyof typeof ALL_REQUESTS;
export const ALL_VERBS = Object.keys(ALL_REQUESTS) as AnyVerb[];

/** Whether a verb, whoever answers it, changes nothing. */
export const isRead = (verb: AnyVerb): boolean => READ_VERBS.has(verb as Verb) || !(verb in REQUESTS);
