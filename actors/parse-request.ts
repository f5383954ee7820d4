import type { z } from 'zod';
import { JobError } from './errors.js';
import { LIMITS } from './limits.js';

/** Parses JSON text of at most `LIMITS.requestBytes`; an empty text is an empty object. Throws `invalid_request` or `payload_too_large`. */
export function parseJson(text: string): unknown {
  if (text.length > LIMITS.requestBytes) {
    throw new JobError(
      'payload_too_large',
      `The request has ${text.length} characters; at most ${LIMITS.requestBytes} are taken. Send it in parts.`,
    );
  }
  if (text === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new JobError('invalid_request', 'The request body is not JSON.');
  }
  checkPlain(value, LIMITS.requestDepth);
  return value;
}

/** Refuses what is valid JSON but would hurt later: great depth, numbers that JSON cannot give back, `__proto__`. */
function checkPlain(value: unknown, depthLeft: number): void {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new JobError('invalid_request', 'The request holds a number that is too large.');
  if (typeof value !== 'object' || value === null) return;
  if (depthLeft === 0) throw new JobError('invalid_request', `The request is nested deeper than ${LIMITS.requestDepth} levels.`);
  if (Array.isArray(value)) {
    for (const item of value) checkPlain(item, depthLeft - 1);
    return;
  }
  for (const key in value) {
    if (key === '__proto__') throw new JobError('invalid_request', 'A field may not be called "__proto__".');
    checkPlain((value as Record<string, unknown>)[key], depthLeft - 1);
  }
}

/** Validates `value`; `at` is put before the field's name, as in `jobs[3].`. Throws `invalid_request` naming the field and what was expected. */
export function parseRequest<T>(schema: z.ZodType<T>, value: unknown, at = ''): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = mostTelling(result.error.issues);
  const [unknown] = issue.keys ?? [];
  const field =
    at +
    [...issue.path, ...(unknown === undefined ? [] : [unknown])]
      .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
      .join('')
      .replace(/^\./, '');
  const expected = unknown === undefined ? issue.message : 'there is no such field: leave it out, or look for its right name';
  throw new JobError('invalid_request', `${field === '' ? 'The request' : field}: ${expected}.`, { field, expected });
}

/** Does what may refuse a part of a request, and lets the refusal name the part; `at` as in `jobs[3].`. */
export function withinPart<T>(at: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    const { code, message, details } = error;
    const { field } = details;
    const isOfField = typeof field === 'string' && message.startsWith(field);
    const told = isOfField ? `${at}${message}` : `${at.replace(/\.$/, '')}: ${message}`;
    throw new JobError(code, told, isOfField ? { ...details, field: at + field } : details, { cause: error });
  }
}

interface Issue {
  code?: string;
  path: PropertyKey[];
  message: string;
  /** Fields that are not known. */
  keys?: readonly string[];
  errors?: Issue[][];
}

/** Of a union's complaints the deepest: it belongs to the shape that was meant. */
function mostTelling(issues: readonly Issue[]): Issue {
  const [first] = issues as readonly [Issue, ...Issue[]];
  if (first.code !== 'invalid_union' || !first.errors?.length) return first;
  const candidates = first.errors.filter((list) => list.length > 0).map((list) => mostTelling(list));
  const deepest = candidates.sort((a, b) => b.path.length - a.path.length)[0];
  return deepest ? { ...deepest, path: [...first.path, ...deepest.path] } : first;
}
