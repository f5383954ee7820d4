import { isTransferType, type Job } from '../job.js';
import type { Entry } from '../entry.js';
import { parseRequest } from '../parse-request.js';
import { createSchemaFor, type Requests } from '../requests.js';
import { requireEntry, type VerbContext } from './context.js';
import { create } from './create.js';

/** Makes a new job of what an old one was asked to do, but for `overrides`. */
export function duplicate(context: VerbContext, request: Requests['duplicate']): Entry {
  const { id, overrides, idempotencyKey } = request;
  const { job } = requireEntry(context, id);
  const { name, type, labels, priority, source, destination, input } = job;
  const what = isTransferType(type) ? { source, destination } : { input };
  const merged = overridden({ name, type, labels, priority, ...what, options: optionsOf(job) }, overrides);
  const body = parseRequest(createSchemaFor(merged), merged, 'overrides.');
  return create(context, idempotencyKey === undefined ? body : { ...body, idempotencyKey }, request);
}

/** The body of `create` with other fields in it; of options, others. */
export function overridden(body: Record<string, unknown>, overrides: Record<string, unknown>): Record<string, unknown> {
  const { options } = overrides;
  const merged = { ...body, ...overrides };
  return isPlain(options) && isPlain(body['options']) ? { ...merged, options: { ...body['options'], ...options } } : merged;
}

/** A yes to the deletion of source files was given to the old job, and not to this one. */
function optionsOf({ options }: Job): object {
  return 'deleteSource' in options ? { ...options, deleteSource: { ...options.deleteSource, confirmed: false } } : options;
}

const isPlain = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
