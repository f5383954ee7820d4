import { z } from 'zod';

/** Fields that requests of several verbs have. */
export const id = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z0-9_-]+$/, 'an id as create answers it');
export const ifVersion = z.number().int().min(1).optional();
export const idempotencyKey = z.string().min(1).max(200).optional();
