import { JobError } from '../errors.js';
import { JOB_STATUSES, type Job } from '../job.js';
import type { Entry } from '../entry.js';
import type { JobTable } from '../job-table.js';
import { LIMITS } from '../limits.js';
import type { OrderedSet } from '../ordered-set.js';
import type { Requests } from '../requests.js';
import { queueKey } from '../run-queue.js';

type Query = Requests['list'];
type SortField = 'createdAt' | 'updatedAt' | 'name' | 'priority' | 'finishedAt' | 'queue';

/** `queue`: the order in which waiting jobs run. */
const sortValue = (job: Job, field: SortField): string | number => (field === 'queue' ? queueKey(job) : (job[field] ?? ''));

/** One page of jobs. Sorted by creation it costs what the page costs; other orders and searches look at every job once. */
export function list(table: JobTable, query: Query, seq: number): string {
  const page = query.sort.endsWith('createdAt') ? byCreation(table, query) : bySorting(table, query);
  const nextCursor = page.more && page.last ? cursorOf(query.sort, page.last) : null;
  const texts = page.entries.map((entry) => entry.text);
  return `{"jobs":[${texts.join(',')}],"nextCursor":${JSON.stringify(nextCursor)},"total":${page.total},"seq":${seq}}`;
}

interface Page {
  entries: Entry[];
  last: Entry | undefined;
  more: boolean;
  total: number;
}

function byCreation(table: JobTable, query: Query): Page {
  const descending = query.sort.startsWith('-');
  const after = query.cursor ? readCursor(query.sort, query.cursor).id : undefined;
  const matches = matcher(query);
  const ids = mergedIds(setsOf(table, query), descending, after);
  const page = newPage(query.limit);
  for (const id of ids) {
    const entry = table.get(id) as Entry;
    if (matches && !matches(entry.job)) continue;
    if (!page.take(entry)) break;
  }
  return {
    ...page.result(),
    total: matches ? countMatches(table, query, matches) : setsOf(table, query).reduce((sum, set) => sum + set.size, 0),
  };
}

function bySorting(table: JobTable, query: Query): Page {
  const descending = query.sort.startsWith('-');
  const field = query.sort.replace('-', '') as SortField;
  const after = query.cursor ? readCursor(query.sort, query.cursor) : undefined;
  const matches = matcher(query);
  const direction = descending ? -1 : 1;
  const compare = (a: SortKey, b: SortKey) => direction * (order(a.value, b.value) || order(a.id, b.id));
  let total = 0;
  const found: { key: SortKey; entry: Entry }[] = [];
  for (const id of mergedIds(setsOf(table, query), false)) {
    const entry = table.get(id) as Entry;
    if (matches && !matches(entry.job)) continue;
    total += 1;
    const key = { value: sortValue(entry.job, field), id };
    if (!after || compare(key, after) > 0) found.push({ key, entry });
  }
  found.sort((a, b) => compare(a.key, b.key));
  const page = newPage(query.limit);
  for (const { entry } of found) if (!page.take(entry)) break;
  return { ...page.result(), total };
}

/** A page ends at its limit of jobs, or of bytes: an answer must fit one message. */
function newPage(limit: number) {
  const entries: Entry[] = [];
  let bytes = 0;
  let more = false;
  return {
    take(entry: Entry): boolean {
      const full = entries.length >= limit || (entries.length > 0 && bytes + entry.textLength > LIMITS.answerBytes);
      if (full) {
        more = true;
        return false;
      }
      entries.push(entry);
      bytes += entry.textLength;
      return true;
    },
    result: () => ({ entries, more, last: entries.at(-1) }),
  };
}

function setsOf(table: JobTable, { status }: Query): OrderedSet[] {
  if (!status || status.length === 0) return Object.values(table.byStatus);
  return JOB_STATUSES.filter((name) => status.includes(name)).map((name) => table.byStatus[name]);
}

/** The ids of several sets in one order. */
function* mergedIds(sets: readonly OrderedSet[], descending: boolean, after?: string): Generator<string> {
  const walks = sets.map((set) => (descending ? set.descending(after) : set.ascending(after)));
  if (walks.length === 1) {
    yield* walks[0] as Generator<string>;
    return;
  }
  const heads = walks.map((walk) => walk.next().value as string | undefined);
  for (;;) {
    let best = -1;
    for (let index = 0; index < heads.length; index += 1) {
      const head = heads[index];
      if (head === undefined) continue;
      const bestHead = heads[best];
      if (bestHead === undefined || (descending ? head > bestHead : head < bestHead)) best = index;
    }
    if (best < 0) return;
    yield heads[best] as string;
    heads[best] = walks[best]?.next().value as string | undefined;
  }
}

type Matcher = (job: Job) => boolean;

function matcher({ type, labels, schedule, text }: Query): Matcher | null {
  const wantedLabels = Object.entries(labels ?? {});
  if (type === undefined && schedule === undefined && wantedLabels.length === 0 && !text) return null;
  const needle = text?.toLowerCase();
  return (job) =>
    (type === undefined || job.type === type) &&
    (schedule === undefined || job.schedule === schedule) &&
    wantedLabels.every(([key, value]) => job.labels[key] === value) &&
    (!needle || [job.name, job.id, job.source, job.destination].some((field) => field?.toLowerCase().includes(needle)));
}

function countMatches(table: JobTable, query: Query, matches: Matcher): number {
  let total = 0;
  for (const set of setsOf(table, query)) for (const id of set.ascending()) if (matches((table.get(id) as Entry).job)) total += 1;
  return total;
}

interface SortKey {
  value: string | number;
  id: string;
}

const order = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0);

function cursorOf(sort: Query['sort'], { job }: Entry): string {
  return JSON.stringify([sort, sortValue(job, sort.replace('-', '') as SortField), job.id]);
}

function readCursor(sort: Query['sort'], cursor: string): SortKey {
  try {
    const [cursorSort, value, id] = JSON.parse(cursor) as [unknown, unknown, unknown];
    if (cursorSort === sort && (typeof value === 'string' || typeof value === 'number') && typeof id === 'string') return { value, id };
  } catch {
    // Said below, as for any other cursor that is not ours.
  }
  throw new JobError('invalid_request', 'cursor: not one that "list" answered for this sort order. Begin again without it.', {
    field: 'cursor',
  });
}
