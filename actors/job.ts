import { z } from 'zod';
import { hoursSchema } from './hours.js';
import { LIMITS } from './limits.js';
import { metadataSchema } from './metadata.js';
import { notifySchema } from './notify.js';
import { agreedSchema, seenSchema } from './seen.js';

/** The states of a job; `job-lifecycle.ts` says how one leads to another. */
export const JOB_STATUSES = ['pending', 'queued', 'running', 'paused', 'completed', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const FINISHED_STATUSES = ['completed', 'failed', 'cancelled'] as const satisfies JobStatus[];

export const isFinished = (status: JobStatus): boolean => (FINISHED_STATUSES as readonly JobStatus[]).includes(status);

/** What the manager wants of a running attempt. */
export const WANTED = ['run', 'pause', 'cancel', 'stop'] as const;

export const PHASES = ['preflight', 'counting', 'transferring', 'verifying', 'deleting_source'] as const;
export type Phase = (typeof PHASES)[number];

/**
 * What became of one file of an attempt. `differs`, `missing` and `extra` (left over in a mirror) are a verification's
 * findings; `kept` is a source file that was not deleted. `deleting` is told before, so that what a killed attempt did
 * is known: only who asks for it sees it.
 */
export const FILE_OUTCOMES = [
  'transferred',
  'unchanged',
  'equal',
  'differs',
  'missing',
  'extra',
  'failed',
  'skipped',
  'deleting',
  'deleted',
  'kept',
] as const;
export type FileOutcome = (typeof FILE_OUTCOMES)[number];

/** Types that move files: they have `source` and `destination`. Every other type has `input`. */
export const TRANSFER_TYPES = ['rsync', 'rclone'] as const;
export type TransferType = (typeof TRANSFER_TYPES)[number];
export const isTransferType = (type: string): type is TransferType => (TRANSFER_TYPES as readonly string[]).includes(type);

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
/** How many files had each outcome. */
export const fileCountsSchema = z.partialRecord(z.enum(FILE_OUTCOMES), count);
export type FileCounts = z.infer<typeof fileCountsSchema>;

const timestamp = z.string().describe('ISO 8601, UTC, milliseconds');

/** Progress of the current phase. `null` where it is not known yet; `percent` never falls within a phase. */
export const progressSchema = z.strictObject({
  percent: z.number().min(0).max(100).nullable(),
  bytesTransferred: count.nullable(),
  bytesTotal: count.nullable(),
  bytesPerSecond: z.number().min(0).nullable(),
  etaSeconds: z.number().min(0).nullable(),
  filesTransferred: count.nullable(),
  filesTotal: count.nullable(),
  currentFile: z.string().max(8192).nullable(),
});
export type Progress = z.infer<typeof progressSchema>;

export const NO_PROGRESS: Progress = Object.freeze({
  percent: null,
  bytesTransferred: null,
  bytesTotal: null,
  bytesPerSecond: null,
  etaSeconds: null,
  filesTransferred: null,
  filesTotal: null,
  currentFile: null,
});

/** Why an attempt failed: `code` by cause, `advice` what to do, `retriable` whether waiting can help. */
export const jobFailureSchema = z.strictObject({
  code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'lower-case words joined by _'),
  message: z.string().max(8192),
  exitCode: z.number().int().nullable().default(null),
  retriable: z.boolean().default(false),
  advice: z.string().max(2048).nullable().default(null),
  filesFailed: count.exactOptional().describe('all others are done: `retry` with `onlyFailed` takes just these'),
  asks: agreedSchema.exactOptional().describe('the job is paused: `resume` says yes to this, in this job alone'),
  away: z.literal(true).exactOptional().describe('a side cannot be reached for now, and the job was asked to wait for it'),
});
export type JobFailure = z.infer<typeof jobFailureSchema>;

/** What a verification really did, not what was asked for. */
export const verificationSchema = z.strictObject({
  method: z.enum(['checksum', 'bytes', 'size', 'none']),
  algorithm: z.string().max(64).nullable(),
  filesExpected: count,
  filesEqual: count,
  mismatches: count,
  extra: count.exactOptional().describe('of a mirror: files and folders that are in the destination alone'),
});
export type Verification = z.infer<typeof verificationSchema>;

/** What was deleted in the source, by all attempts together, and what the last one kept. The files themselves: verb `files`. */
export const deletionSchema = z.strictObject({
  filesDeleted: count,
  bytesDeleted: count,
  foldersDeleted: count,
  filesKept: count,
  /** Why files were kept, with how many for each reason. */
  kept: z.array(z.strictObject({ why: z.string().max(200), files: count })).max(20),
  upToAttempt: count.exactOptional().describe('what this attempt and those before it deleted is counted'),
});
export type Deletion = z.infer<typeof deletionSchema>;

const pattern = z
  .string()
  .min(1)
  .max(1024)
  .refine((text) => !/[\0\n\r]/.test(text), 'must not hold NUL or line breaks')
  .refine((text) => text !== '!', '"!" alone would clear the list of patterns');

/** The name of a marker file. None of rsync's wildcards: it becomes a rule that keeps the file. */
const fileName = z
  .string()
  .regex(/^[^/\\*?[\p{Cc}]{1,255}$/u, 'the name of a file, without "/", control characters and any of *?[\\')
  .refine((name) => name !== '.' && name !== '..', 'the name of a file');

/** Options of any job. The times may be left out, or taken away with null. */
const anyOptions = {
  maxRetries: z.number().int().min(0).max(1000).default(10),
  notify: notifySchema.optional(),
  deadlineAt: z.iso.datetime({ offset: true }).nullable().optional().describe('a job that has not completed by then fails'),
  attemptTimeoutSeconds: z
    .number()
    .int()
    .min(1)
    .max(365 * 24 * 3600)
    .nullable()
    .optional()
    .describe('an attempt that takes longer is stopped, and has failed'),
  hours: hoursSchema.nullable().optional().describe('when it may run'),
};

/** Options of a transfer (`bandwidthLimit` in bytes a second, 0 is none; `maxRetries` after the first attempt). */
export const transferOptionsSchema = z.strictObject({
  excludes: z.array(pattern).max(256).default([]),
  includes: z.array(pattern).max(256).default([]),
  bandwidthLimit: count.default(0),
  verify: z.enum(['none', 'size', 'checksum']).default('none'),
  deleteSource: z
    .strictObject({
      mode: z.enum(['never', 'after_verify', 'per_file']).default('never'),
      confirmed: z.boolean().default(false),
      emptyFolders: z.boolean().optional().describe('remove folders that are empty afterwards, too'),
    })
    .default({ mode: 'never', confirmed: false }),
  requireMount: z.enum(['source', 'destination', 'both']).nullish().describe('what must be on a mounted disk'),
  marker: z
    .strictObject({ source: fileName.nullish(), destination: fileName.nullish() })
    .nullish()
    .describe('files that must be there: they tell the right disk'),
  otherDisk: z
    .enum(['ask', 'allow'])
    .optional()
    .describe('a side is on another disk than at the last run of the same two sides: pause and ask (the default), or go on'),
  minSourcePercent: z
    .number()
    .int()
    .min(0)
    .max(100)
    .nullish()
    .describe('pause and ask when the source has less of the files or bytes that it had at the last run; a mirror: 50, else 0, never'),
  deleteExtraneous: z.boolean().optional().describe('a mirror: what the source does not have is deleted in the destination'),
  maxDelete: count.nullish().describe('the most files and folders that one attempt of a mirror may delete'),
  trash: z.string().min(1).max(LIMITS.pathChars).nullish().describe('a folder that takes what a mirror deletes and replaces'),
  ...anyOptions,
  parallel: z
    .number()
    .int()
    .min(1)
    .max(LIMITS.parallel)
    .optional()
    .describe('how many rsyncs copy a tree of many files at once; default 1'),
  resume: z
    .enum(['auto', 'ask'])
    .optional()
    .describe('after an interruption: go on by itself, or pause and ask; default ask where the source is deleted, else auto'),
  stallTimeoutSeconds: z
    .number()
    .int()
    .min(0)
    .max(7 * 24 * 3600)
    .optional()
    .describe('an attempt that moves no byte for so long is ended and tried again; 0: never; default 900'),
  whenAway: z
    .enum(['fail', 'wait'])
    .optional()
    .describe('the network or the disk of a side is away: a failure like others (the default), or wait until it is back'),
  listUnchanged: z.boolean().optional().describe('files that need no copy are told in `files` too; of large trees they are many'),
  manifest: z
    .string()
    .min(1)
    .max(LIMITS.pathChars)
    .nullish()
    .describe('a file that gets the SHA-256 of every file, once the verification by checksum has passed'),
  metadata: metadataSchema.nullish().describe('what is copied beside contents, times, permissions, owners and links; of rsync'),
  compareOnly: z.boolean().optional().describe('copies nothing: both sides are compared as they are, by the method of verify'),
});
export type TransferOptions = z.infer<typeof transferOptionsSchema>;

/** Options of a job for workers of one's own. */
export const ownOptionsSchema = z.strictObject(anyOptions);

/** What a preview counted: the job does no more than that. */
const previewLimitsSchema = z.strictObject({
  create: count,
  change: count,
  delete: count,
  deletions: z.string().max(100).describe('a digest of the names to be deleted'),
});
export type PreviewLimits = z.infer<typeof previewLimitsSchema>;

const labelKey = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$/, 'letters, digits, "_", ".", "/", "-"; at most 63');
export const labelsSchema = z
  .record(labelKey, z.string().max(256))
  .refine((labels) => Object.keys(labels).length <= 32, 'at most 32 labels');

/** Control characters, those that turn the direction of writing among them: names reach terminals and pages. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
export const NOT_IN_NAMES = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export const nameSchema = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => text.search(NOT_IN_NAMES) < 0, 'must not hold control characters');

export const jobSchema = z.object({
  id: z.string().describe('sortable by creation'),
  name: z.string(),
  type: z.string(),
  source: z.string().nullable(),
  destination: z.string().nullable(),
  input: z.unknown().describe('of a job for workers of one’s own: any JSON'),
  result: z.unknown().describe('what the worker gave back when it completed the job'),
  labels: z.record(z.string(), z.string()),
  schedule: z.string().nullable().describe('the id of the schedule of which it is a run'),
  options: z.union([transferOptionsSchema, ownOptionsSchema]),
  priority: z.number().int().describe('higher runs first'),
  rank: z.string().nullable().describe('its place among those of its priority, in the order of texts; null: that of its id'),
  status: z.enum(JOB_STATUSES),
  wanted: z.enum(WANTED).describe('what the manager wants of a running attempt; stop: to be given back, its time is over'),
  phase: z.enum(PHASES).nullable(),
  progress: progressSchema,
  attempt: z.number().int().describe('0 before the first'),
  retries: z.number().int().describe('attempts repeated by themselves since the last start, resume or retry by a person'),
  worker: z.string().nullable(),
  runAt: timestamp.nullable(),
  after: z.array(z.string()).describe('ids of jobs that have to be completed before it may run; none once it has run'),
  retryAt: timestamp.nullable(),
  awaySince: timestamp.optional().describe('since when it waits for a side that is away (`whenAway`), and looks again at `retryAt`'),
  error: jobFailureSchema.nullable(),
  warnings: z.array(z.string()),
  verification: verificationSchema.nullable(),
  deletion: deletionSchema.nullable(),
  preview: previewLimitsSchema.nullable().describe('of a job that was created from a preview'),
  onlyFailed: z
    .object({ attempt: z.number().int(), files: count })
    .nullable()
    .describe('the next attempt takes just the files that failed in this one, and how many they are'),
  seen: seenSchema.nullable().describe('what earlier attempts, or the last job of the same two sides, saw there'),
  skipDeletion: z.boolean().optional().describe('this run deletes nothing in its source, whatever the options say'),
  bandwidthShare: count.optional().describe('what its newest attempt got of the bandwidth limit in all, in bytes a second'),
  target: z.string().optional().describe('disk, machine or remote that its newest attempt writes to, under TALLYMAN_DISK_LIMIT'),
  version: z.number().int().describe('one more at every change'),
  createdAt: timestamp,
  updatedAt: timestamp,
  startedAt: timestamp.nullable(),
  finishedAt: timestamp.nullable(),
});

/** A job as everybody sees it. Immutable: a change makes a new value. */
export type Job = Readonly<z.infer<typeof jobSchema>>;

/** One line of a job's history: who did what, when, and what became of the job. */
export const historyEntrySchema = z.object({
  at: timestamp,
  verb: z.string(),
  status: z.enum(JOB_STATUSES),
  version: z.number().int(),
  attempt: z.number().int(),
  worker: z.string().nullable(),
  note: z.string().nullable(),
});
export type HistoryEntry = z.infer<typeof historyEntrySchema>;

/** Whether an interrupted job waits for a person before it goes on. */
export const asksToResume = ({ options, skipDeletion }: Pick<Job, 'options' | 'skipDeletion'>): boolean =>
  'deleteSource' in options && (options.resume ?? (options.deleteSource.mode === 'never' || skipDeletion ? 'auto' : 'ask')) === 'ask';
