import { JobError } from '../errors.js';
import { NO_PROGRESS, NOT_IN_NAMES, isTransferType, type Job } from '../job.js';
import type { Entry } from '../entry.js';
import type { StoredKey } from '../journal.js';
import { LIMITS } from '../limits.js';
import { parseRequest, withinPart } from '../parse-request.js';
import { readPreviewId } from '../preview-id.js';
import { checkTransfer } from '../transfer-rules.js';
import { DEFAULT_OPTIONS, createSchemaFor, type CreateOwn, type CreateTransfer, type Requests } from '../requests.js';
import { requireDeletion } from '../run-options.js';
import type { VerbContext } from './context.js';

/** What a job has that is the run of a schedule. */
export interface Origin {
  schedule: string;
  after: string[];
  /** For its history. */
  note: string;
}

/** Makes one job, or finds the one that an earlier request with the same key made: the same if `asked` is. */
export function create(context: VerbContext, body: Requests['create'], asked: object = body, origin?: Origin): Entry {
  const { key, id } = madeBefore(context, body.idempotencyKey, asked);
  return id === null ? insert(context, body, key, origin) : requireMade(context, id);
}

/** The job that an earlier request made. */
export function requireMade(context: VerbContext, id: string): Entry {
  const entry = context.draft.table.get(id);
  if (!entry)
    throw new JobError('job_not_found', `The job that this key made, ${id}, has been deleted. Use a new key for a new job.`, { id });
  return entry;
}

/** The key to store, and what an earlier request made with it: `null` when nothing was. Throws `idempotency_conflict`. */
export function madeBefore(
  context: VerbContext,
  idempotencyKey: string | undefined,
  asked: object,
): { key: StoredKey | undefined; id: string | null } {
  if (idempotencyKey === undefined) return { key: undefined, id: null };
  const digest = context.digest(JSON.stringify({ ...asked, idempotencyKey: undefined }));
  const known = context.draft.findKey(idempotencyKey);
  if (!known) return { key: [idempotencyKey, digest], id: null };
  if (known.digest === digest) return { key: undefined, id: known.id };
  throw new JobError('idempotency_conflict', 'This idempotency key was used with another body. Use a new key for what is new.', {
    id: known.id,
  });
}

/** All of them or none: the first that is refused takes the others with it. */
export function createMany(context: VerbContext, { jobs, idempotencyKey }: Requests['create_many']): string {
  const ids: string[] = [];
  const texts = jobs.map((item, index) => {
    const part = `jobs[${index}].`;
    const parsed = parseRequest(createSchemaFor(item), item, part);
    const body = { ...parsed, after: parsed.after?.map((word) => (word.startsWith('#') ? (ids[Number(word.slice(1))] ?? word) : word)) };
    const key = body.idempotencyKey ?? (idempotencyKey === undefined ? undefined : `${idempotencyKey}#${index}`);
    const { job, text } = withinPart(part, () => create(context, key === undefined ? body : { ...body, idempotencyKey: key }));
    ids.push(job.id);
    return text;
  });
  return `{"jobs":[${texts.join(',')}]}`;
}

function insert(context: VerbContext, body: CreateTransfer | CreateOwn, key?: StoredKey, origin?: Origin): Entry {
  const { draft } = context;
  if (draft.table.entries.size >= LIMITS.jobs) {
    throw new JobError('storage_failed', `The job list holds ${LIMITS.jobs} jobs and is full. Make room with "cleanup".`);
  }
  const job = newJob(context, body);
  if (!origin) return draft.put(job, { verb: 'create' }, key);
  const { schedule, after, note } = origin;
  return draft.put({ ...job, schedule, after }, { verb: 'create', note }, key);
}

/** Values that most jobs have in common are kept once: a hundred thousand jobs then cost less memory and less collecting. */
const NO_LABELS: Job['labels'] = Object.freeze({});
const NO_WARNINGS: Job['warnings'] = [];
const NOBODY: Job['after'] = [];
const DEFAULTS = Object.values(DEFAULT_OPTIONS).map((options) => ({ options, text: JSON.stringify(options) }));

function shared(options: Job['options']): Job['options'] {
  if (DEFAULTS.some((known) => known.options === options)) return options;
  const text = JSON.stringify(options);
  return DEFAULTS.find((known) => known.text === text)?.options ?? options;
}

/** The job as it would be stored. Throws what `create` refuses. */
export function newJob(context: VerbContext, body: CreateTransfer | CreateOwn): Job {
  const transfer = isTransferType(body.type) ? (body as CreateTransfer) : null;
  if (transfer) checkTransfer(context, transfer);
  checkDeadline(context, body.options);
  if (transfer?.skipDeletion) requireDeletion(body.options);
  const input = transfer ? null : ((body as CreateOwn).input ?? null);
  if (JSON.stringify(input).length > LIMITS.inputBytes) {
    throw new JobError('payload_too_large', `input: more than ${LIMITS.inputBytes} characters. Put it elsewhere and give its place.`, {
      field: 'input',
    });
  }
  const job: Job = {
    id: context.newId(),
    name: body.name ?? (transfer ? nameFor(transfer.source) : body.type),
    type: body.type,
    source: transfer?.source ?? null,
    destination: transfer?.destination ?? null,
    input,
    result: null,
    labels: Object.keys(body.labels).length === 0 ? NO_LABELS : body.labels,
    schedule: null,
    options: shared(body.options),
    priority: body.priority,
    rank: null,
    status: body.start ? 'queued' : 'pending',
    wanted: 'run',
    phase: null,
    progress: NO_PROGRESS,
    attempt: 0,
    retries: 0,
    worker: null,
    runAt: body.runAt === null ? null : new Date(body.runAt).toISOString(),
    retryAt: null,
    after: body.after ? afterOf(context, body.after) : NOBODY,
    error: null,
    warnings: NO_WARNINGS,
    verification: null,
    deletion: null,
    preview: transfer?.previewId === undefined ? null : readPreviewId(transfer.previewId, transfer, context.nowMs, context.digest),
    onlyFailed: null,
    seen: null,
    version: 1,
    createdAt: context.nowIso,
    updatedAt: context.nowIso,
    startedAt: null,
    finishedAt: null,
  };
  // Not within: an object is made much quicker from names that are all known.
  return transfer?.skipDeletion ? { ...job, skipDeletion: true } : job;
}

/** A deadline that has passed would only make a job that fails. */
export function checkDeadline({ nowMs }: VerbContext, { deadlineAt }: Pick<Job['options'], 'deadlineAt'>): void {
  if (!deadlineAt || Date.parse(deadlineAt) > nowMs) return;
  throw new JobError('invalid_request', `options.deadlineAt: ${deadlineAt} has passed already. Give a later time, or none.`, {
    field: 'options.deadlineAt',
  });
}

/** Jobs that are there: a job can only wait for older ones, so none waits for itself round a corner. */
function afterOf({ draft: { table } }: VerbContext, after: readonly string[]): string[] {
  const missing = after.find((id) => !table.get(id));
  if (missing !== undefined) {
    throw new JobError('job_not_found', `after: there is no job ${missing}. Name jobs that are there; "list" shows them.`, {
      field: 'after',
      id: missing,
    });
  }
  return [...new Set(after)];
}

/** The last part of the path, without what a name may not hold. */
function nameFor(path: string): string {
  const last = path.split('/').filter(Boolean).at(-1) ?? '/';
  return last.replaceAll(NOT_IN_NAMES, '?').slice(0, 200);
}
