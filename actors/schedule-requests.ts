import { z } from 'zod';
import { isTimeZone } from './hours.js';
import { nameSchema } from './job.js';
import { LIMITS } from './limits.js';
import { id, idempotencyKey, ifVersion } from './request-fields.js';
import { MISSED_RULES, OVERLAPS } from './schedule.js';

/** No ":": a date is no cron expression, though the library would take one. */
const cron = z
  .string()
  .max(LIMITS.cronChars)
  .regex(/^[\w*,/#?@+ -]+$/, 'minute hour day month weekday, as "30 2 * * *", with seconds before them if need be, or @daily')
  .nullable()
  .describe('minute hour day month weekday; null: a template');

const fields = {
  timeZone: z.string().max(64).refine(isTimeZone, 'a time zone as Europe/Berlin or UTC'),
  overlap: z.enum(OVERLAPS).describe('when a run is due and one before it has not ended: none, one that waits for it, or both at once'),
  missed: z.enum(MISSED_RULES).describe('times that passed while the service was away: made up for by one run, or not at all'),
  enabled: z.boolean(),
  job: z.record(z.string(), z.unknown()).describe('the body of create, without after, runAt, previewId, idempotencyKey and deadlineAt'),
};

export const SCHEDULE_REQUESTS = {
  schedule_create: z.strictObject({
    name: nameSchema,
    cron: cron.default(null),
    timeZone: fields.timeZone.default('UTC'),
    overlap: fields.overlap.default('skip'),
    missed: fields.missed.default('once'),
    enabled: fields.enabled.default(true),
    job: fields.job,
    idempotencyKey,
  }),
  schedule_update: z.strictObject({
    id,
    ifVersion,
    name: nameSchema.optional(),
    cron: cron.optional(),
    timeZone: fields.timeZone.optional(),
    overlap: fields.overlap.optional(),
    missed: fields.missed.optional(),
    enabled: fields.enabled.optional().describe('false pauses it'),
    job: fields.job.optional(),
  }),
  schedule_get: z.strictObject({ id }),
  schedule_list: z.strictObject({
    limit: z.number().int().min(1).max(LIMITS.listMax).default(LIMITS.listDefault),
    cursor: id.nullable().optional(),
  }),
  schedule_delete: z.strictObject({ id, ifVersion }),
  schedule_run: z.strictObject({
    id,
    ifVersion,
    overrides: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('fields of create that are to be otherwise in this run; of options, those to change'),
    idempotencyKey,
  }),
} as const;
