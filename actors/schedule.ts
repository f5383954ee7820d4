import { z } from 'zod';

/** What becomes of a run whose time comes before the runs before it have ended. */
export const OVERLAPS = ['skip', 'wait', 'allow'] as const;

/** What becomes of times that passed while nobody could run them. */
export const MISSED_RULES = ['once', 'skip'] as const;

/** The first time of a cron expression after a moment, both in ms since 1970; `null`: never. Throws what is wrong with the expression. */
export type NextTime = (cron: string, timeZone: string, afterMs: number) => number | null;

const timestamp = z.string().describe('ISO 8601, UTC, milliseconds');

/** A run that did not happen. */
export const skipSchema = z.object({
  at: timestamp.describe('when it was due'),
  code: z.string().describe('overlap, missed, no_next_time, or the code of the error by which its job was refused'),
  why: z.string(),
});
export type Skip = Readonly<z.infer<typeof skipSchema>>;

export const scheduleSchema = z.object({
  id: z.string().describe('sortable by creation'),
  name: z.string(),
  cron: z.string().nullable().describe('null: a template, which runs only when it is asked to'),
  timeZone: z.string(),
  overlap: z.enum(OVERLAPS),
  missed: z.enum(MISSED_RULES),
  enabled: z.boolean(),
  job: z.record(z.string(), z.unknown()).describe('the body of create that each run is made of'),
  nextAt: timestamp.nullable(),
  lastAt: timestamp.nullable().describe('when the last run was made'),
  lastJobId: z.string().nullable(),
  lastSkip: skipSchema.nullable().describe('the last run that did not happen'),
  runs: z.number().int().describe('how many jobs it has made'),
  version: z.number().int().describe('one more at every change'),
  createdAt: timestamp,
  updatedAt: timestamp,
});

/** When which job is to be made, again and again. Immutable: a change makes a new value. */
export type Schedule = Readonly<z.infer<typeof scheduleSchema>>;

/** As `create`, `get` and `update` answer it. */
export const scheduleAnswerSchema = scheduleSchema.extend({
  next: z.array(timestamp).describe('the next five times; none while it is paused'),
});
