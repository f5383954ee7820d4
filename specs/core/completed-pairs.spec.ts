import { expect, test } from 'vitest';
import { Draft } from '../../actors/draft.js';
import { JobTable } from '../../actors/job-table.js';
import { CompletedPairs } from '../../actors/completed-pairs.js';
import { transferOptionsSchema, type Job } from '../../actors/job.js';
import { sampleJob } from '../support/sample-job.js';

const options = (given: object = {}) => transferOptionsSchema.parse(given);
const seen = (destination: string) => ({ host: 'here', source: null, destination, sourceFiles: 1, sourceBytes: 2 });
const job = (id: string, fields: Partial<Job> = {}): Job =>
  sampleJob({ id, type: 'rsync', source: '/a/', destination: '/b/', options: options(), ...fields });
const done = (id: string, minute: number, fields: Partial<Job> = {}): Job =>
  job(id, { status: 'completed', finishedAt: `2026-01-01T00:0${minute}:00.000Z`, seen: seen(id), ...fields });

function pairsOf(...jobs: Job[]) {
  const pairs = new CompletedPairs((id) => jobs.find((one) => one.id === id));
  for (const one of jobs) pairs.add(one);
  return pairs;
}

test('A new job expects what the last completed one of the same two sides saw', () => {
  const other = done('other', 9, { destination: '/c/' });
  const failed = done('failed', 8, { status: 'failed' });
  const pairs = pairsOf(done('late', 5), done('early', 1), other, failed, done('blind', 7, { seen: null }));
  expect(pairs.seenBefore(job('new'))).toEqual(seen('late'));
  expect(pairs.seenBefore(job('new', { source: '/a' }))).toBeNull();
});

test('One that is forgotten is expected no more', () => {
  const [early, late] = [done('early', 1), done('late', 5)];
  const pairs = pairsOf(early, late);
  pairs.delete(late);
  expect(pairs.seenBefore(job('new'))).toEqual(seen('early'));
  pairs.delete(early);
  pairs.delete(early);
  expect(pairs.seenBefore(job('new'))).toBeNull();
});

test('With other patterns the disks are expected, and no size', () => {
  const pairs = pairsOf(done('last', 1, { options: options({ excludes: ['x'] }) }));
  expect(pairs.seenBefore(job('new'))).toEqual({ host: 'here', source: null, destination: 'last' });
});

test('A comparison neither expects anything nor is expected', () => {
  const compare = { options: options({ compareOnly: true, verify: 'size' }) };
  expect(pairsOf(done('last', 1, compare)).seenBefore(job('new'))).toBeNull();
  expect(pairsOf(done('last', 1)).seenBefore(job('new', compare))).toBeNull();
  expect(pairsOf(done('last', 1)).seenBefore(sampleJob())).toBeNull();
});

test('The table of jobs keeps them: what is deleted is forgotten, and what is taken back is known again', () => {
  const draft = new Draft(new JobTable(), 1);
  const expected = () => draft.table.pairs.seenBefore(job('new'));
  draft.put(job('one'), null);
  draft.put(done('one', 1), null);
  expect(expected()).toEqual(seen('one'));
  const mark = draft.mark();
  draft.delete('one', 0);
  expect(expected()).toBeNull();
  draft.rollbackTo(mark);
  expect(expected()).toEqual(seen('one'));
  draft.rollbackTo(0);
  expect(expected()).toBeNull();
});
