import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JobError } from '../../actors/errors.js';
import { JOB_STATUSES, type Job } from '../../actors/job.js';
import { Entry } from '../../actors/entry.js';
import { JobTable } from '../../actors/job-table.js';
import { LIMITS } from '../../actors/limits.js';
import { REQUESTS, type Requests } from '../../actors/requests.js';
import { list } from '../../actors/verbs/list.js';
import { makeJob } from '../watch/scribe.js';

type Query = Requests['list'];
type Answer = { jobs: Job[]; nextCursor: string | null; total: number };

const moment = fc.nat(3).map((n) => `2026-01-0${n + 1}T00:00:00.000Z`);
const jobs: fc.Arbitrary<Job[]> = fc
  .array(
    fc.record({
      name: fc.constantFrom('a', 'B', 'b', 'émile', 'zz'),
      type: fc.constantFrom('probe', 'render'),
      status: fc.constantFrom(...JOB_STATUSES),
      priority: fc.integer({ min: -2, max: 2 }),
      labels: fc.constantFrom<Record<string, string>>({}, { team: 'x' }, { team: 'y', site: 'z' }),
      source: fc.constantFrom(null, '/mnt/Photos'),
      createdAt: moment,
      updatedAt: moment,
      finishedAt: fc.option(moment),
    }),
    { maxLength: 40 },
  )
  .map((all) =>
    all.map((fields, n) => makeJob(`id${String(n).padStart(3, '0')}`, { ...fields, createdAt: `2026-01-01T00:00:00.${100 + n}Z` })),
  );

const query: fc.Arbitrary<Query> = fc
  .record(
    {
      status: fc.subarray([...JOB_STATUSES]),
      type: fc.constantFrom('probe', 'nobody'),
      labels: fc.constantFrom<Record<string, string>>({}, { team: 'x' }, { constructor: 'x' }),
      text: fc.constantFrom('', 'photos', 'B', 'id00'),
      sort: fc.constantFrom(...REQUESTS.list.shape.sort.def.innerType.options),
      limit: fc.integer({ min: 1, max: 7 }),
    },
    { requiredKeys: [] },
  )
  .map((some) => REQUESTS.list.parse(some));

function tableOf(all: readonly Job[]): JobTable {
  const table = new JobTable();
  for (const job of all) putIn(table, job);
  return table;
}

function putIn(table: JobTable, job: Job): void {
  table.put(new Entry({ job, notes: [], sinceSeq: 1 }), table.get(job.id));
}

const page = (table: JobTable, asked: Query): Answer => JSON.parse(list(table, asked, 1)) as Answer;

const valueOf = (job: Job, field: 'name' | 'finishedAt' | 'queue') => (field === 'queue' ? -job.priority : (job[field] ?? ''));

/** What a list is, told plainly. */
function plainly(all: readonly Job[], { status, type, labels = {}, text = '', sort }: Query): Job[] {
  const field = sort.replace('-', '') as 'name' | 'finishedAt' | 'queue';
  const sign = sort.startsWith('-') ? -1 : 1;
  const order = (a: string | number, b: string | number) => (a < b ? -sign : a > b ? sign : 0);
  return all
    .filter((job) => !status?.length || status.includes(job.status))
    .filter((job) => type === undefined || job.type === type)
    .filter((job) => Object.entries(labels).every(([key, value]) => Object.hasOwn(job.labels, key) && job.labels[key] === value))
    .filter((job) => [job.name, job.id, job.source ?? '', job.destination ?? ''].join('\n').toLowerCase().includes(text.toLowerCase()))
    .sort((a, b) => order(valueOf(a, field), valueOf(b, field)) || order(a.id, b.id));
}

function pages(table: JobTable, asked: Query, between: (pageNumber: number) => void = () => undefined): Answer[] {
  const answers: Answer[] = [];
  for (let cursor: string | null = null, n = 0; n === 0 || cursor !== null; n += 1) {
    const answer = page(table, { ...asked, cursor });
    answers.push(answer);
    cursor = answer.nextCursor;
    between(n);
  }
  return answers;
}

test('all pages together are the jobs that fit, filtered and sorted, each once', () => {
  fc.assert(
    fc.property(jobs, query, (all, asked) => {
      const expected = plainly(all, asked);
      const answers = pages(tableOf(all), asked);
      expect(answers.flatMap((answer) => answer.jobs)).toEqual(expected);
      for (const { total } of answers) expect(total).toBe(expected.length);
      for (const answer of answers.slice(0, -1)) expect(answer.jobs).toHaveLength(asked.limit);
    }),
    { numRuns: 500 },
  );
});

test('a job that stays as it is comes once in the pages, whatever happens to others between them', () => {
  fc.assert(
    fc.property(jobs, query, fc.array(fc.tuple(fc.nat(39), fc.boolean()), { maxLength: 20 }), (all, asked, harm) => {
      const table = tableOf(all);
      const touched = new Set<string>();
      const answers = pages(table, asked, () => {
        const [n, gone] = harm.pop() ?? [];
        const job = n === undefined ? undefined : all[n];
        if (!job) return;
        touched.add(job.id);
        if (gone) table.delete(job.id);
        else putIn(table, { ...job, status: 'queued', name: 'aa', updatedAt: '2027-01-01T00:00:00.000Z', priority: 9, finishedAt: null });
      });
      const ids = answers.flatMap((answer) => answer.jobs.map(({ id }) => id)).filter((id) => !touched.has(id));
      expect(ids).toEqual(
        plainly(all, asked)
          .map(({ id }) => id)
          .filter((id) => !touched.has(id)),
      );
    }),
    { numRuns: 500 },
  );
});

test('a page ends before its answer outgrows a message, and the next goes on', () => {
  const big = 'x'.repeat(LIMITS.answerBytes / 3);
  const table = tableOf(Array.from({ length: 5 }, (_, n) => makeJob(`id${n}`, { input: big })));
  const answers = pages(table, REQUESTS.list.parse({ limit: 1000 }));
  expect(answers.map((answer) => answer.jobs.length)).toEqual([2, 2, 1]);
});

test.each(['', 'x', '[]', '{}', 'null', '["name"]', '["name","a",5]', '["-createdAt",null,"id"]', '["name","a","id1"]'])(
  'a cursor that is not one of this list is refused: %s',
  (cursor) => {
    const ask = () => page(tableOf([makeJob('id1')]), REQUESTS.list.parse({ cursor }));
    if (cursor === '') expect(ask().jobs).toHaveLength(1);
    else expect(ask).toThrow(expect.objectContaining({ code: 'invalid_request' } satisfies Partial<JobError>) as Error);
  },
);
