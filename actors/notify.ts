import { z } from 'zod';
import { LIMITS } from './limits.js';

/** What people and programs are told: how a job finished (`warning` is completed, but with warnings), and that a run of a schedule did not happen. */
export const NOTICE_EVENTS = ['completed', 'warning', 'failed', 'cancelled', 'skipped'] as const;
export type NoticeEvent = (typeof NOTICE_EVENTS)[number];

/** Everybody who reads the job reads the URL too: a password has no place in it. */
export const webhookSchema = z
  .string()
  .max(LIMITS.webhookChars)
  .refine((text) => /^https?:\/\/[\x21-\x7e]+$/i.test(text) && URL.canParse(text), {
    error: 'a URL that begins with https:// or http://, without blanks',
    abort: true,
  })
  .refine((text) => {
    const { username, password } = new URL(text);
    return username === '' && password === '';
  }, 'must hold no user and no password: the signature proves who sends it');

export const notifySchema = z
  .strictObject({
    webhook: webhookSchema.optional(),
    on: z
      .array(z.enum(NOTICE_EVENTS))
      .max(NOTICE_EVENTS.length)
      .default([...NOTICE_EVENTS]),
  })
  .describe('whom to tell when the job has finished, and of what');
export type NotifyOption = z.input<typeof notifySchema>;
