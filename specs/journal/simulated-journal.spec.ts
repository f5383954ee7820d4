import { expect, test } from 'vitest';
import { AppendRefused } from '../../actors/journal.js';
import { SimulatedJournal, type Fate } from '../support/simulated-journal.js';
import { describeJournal, draftOf, readAll } from './contract.js';

describeJournal('the simulated journal', () => Promise.resolve({ journal: new SimulatedJournal(), close: () => Promise.resolve() }));

/** The faults are what they say, or the specs that stand on them prove nothing. */
test.each<[Fate, boolean, boolean]>([
  ['storage_full', true, false],
  ['stored_answer_lost', false, true],
  ['not_stored_answer_lost', false, false],
  ['stored_late_answer_lost', false, true],
])('%s: certainly refused %s, stored in the end %s', async (fate, isRefused, isStored) => {
  const journal = new SimulatedJournal();
  journal.fates.push(fate);
  const error: unknown = await journal.append(draftOf('a'), 0).catch((caught: unknown) => caught);
  expect(error instanceof AppendRefused).toBe(isRefused);
  await Promise.resolve();
  expect((await readAll(journal)).length).toBe(isStored ? 1 : 0);
});
