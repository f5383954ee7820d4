import { expect, it } from 'vitest';
import { progressWords } from '../../src/cli/job-view.js';
import { sampleJob } from '../support/sample-job.js';

it.each([
  [61, '50.0 %, 1 m 1 s left'],
  [0, '50.0 %'],
  [null, '50.0 %'],
])('tells a time left of %s s only while there is one', (etaSeconds, words) => {
  const job = sampleJob();
  expect(progressWords({ ...job, progress: { ...job.progress, percent: 50, etaSeconds } })).toBe(words);
});
