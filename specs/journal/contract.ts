import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AppendRefused, type Journal, type JournalRecord, type RecordDraft } from '../../actors/journal.js';
import { makeJob } from '../watch/scribe.js';

let commits = 0;

/** A record that deletes `id`, which is as good as any. */
export const draftOf = (id: string, more: Partial<RecordDraft> = {}): RecordDraft => ({
  kind: 'commit',
  epoch: 1,
  commit: `commit-${(commits += 1)}`,
  at: '2026-01-01T00:00:00.000Z',
  lines: [JSON.stringify({ del: id })],
  ...more,
});

export async function readAll(journal: Journal, fromSeq?: number): Promise<JournalRecord[]> {
  const records: JournalRecord[] = [];
  await journal.read((record) => records.push(record), fromSeq);
  return records;
}

const reasonOf = (append: Promise<void>): Promise<string> =>
  append.then(
    () => 'stored',
    (error: unknown) => (error instanceof AppendRefused ? error.reason : `not refused: ${String(error)}`),
  );

/** What every journal keeps to. `open` answers an empty one, whose records may be as large as the service's. */
export function describeJournal(name: string, open: () => Promise<{ journal: Journal; close(): Promise<void> }>): void {
  describe(`${name} as a journal`, () => {
    let journal: Journal;
    let close: () => Promise<void>;
    beforeAll(async () => {
      ({ journal, close } = await open());
    });
    afterAll(() => close());

    test('is empty at first', async () => {
      expect(await readAll(journal)).toEqual([]);
      expect(await journal.state()).toMatchObject({ firstSeq: 1, lastSeq: 0 });
      expect(await journal.commitAt(1)).toBeNull();
    });

    test('gives back what was appended, in order and unharmed', async () => {
      const hostile = makeJob('hostile', {
        name: 'a"b\\c\u2028\u{1F600}\ud800\u0000',
        input: { '': ['\n', '{"del":"x"}', 1e308, -0.5, null] },
      });
      const first = draftOf('a', { kind: 'epoch', lines: [] });
      const second = draftOf('b', {
        epoch: 7,
        lines: [JSON.stringify({ put: hostile, key: ['k\n', 'd'], notes: [] }), JSON.stringify({ del: 'y', key: ['z', 'd'], until: 5 })],
      });
      await journal.append(first, 0);
      await journal.append(second, 1);
      const records = await readAll(journal);
      expect(records).toEqual([
        { seq: 1, kind: 'epoch', epoch: 1, commit: first.commit, at: first.at, changes: [] },
        {
          seq: 2,
          kind: 'commit',
          epoch: 7,
          commit: second.commit,
          at: second.at,
          changes: second.lines.map((line) => JSON.parse(line) as unknown),
        },
      ]);
      expect([await journal.commitAt(1), await journal.commitAt(2), await journal.commitAt(3)]).toEqual([
        first.commit,
        second.commit,
        null,
      ]);
    });

    test('reads from a place, and behind the end nothing', async () => {
      expect((await readAll(journal, 2)).map(({ seq }) => seq)).toEqual([2]);
      expect(await readAll(journal, 3)).toEqual([]);
    });

    test.each([0, 1, 3, 99])('refuses a record that expects to stand behind %i, and keeps as it was', async (expectedSeq) => {
      const before = await journal.state();
      expect(await reasonOf(journal.append(draftOf('c'), expectedSeq))).toBe('wrong_sequence');
      expect(await journal.state()).toEqual(before);
    });

    test('lets one of two writers win', async () => {
      const { lastSeq } = await journal.state();
      const drafts = [draftOf('d'), draftOf('e')] as const;
      const outcomes = await Promise.all(drafts.map((draft) => reasonOf(journal.append(draft, lastSeq))));
      expect([...outcomes].sort()).toEqual(['stored', 'wrong_sequence']);
      expect((await journal.state()).lastSeq).toBe(lastSeq + 1);
      expect(await journal.commitAt(lastSeq + 1)).toBe(drafts[outcomes.indexOf('stored')]!.commit);
    });

    test('the same record sent twice is stored once', async () => {
      const { lastSeq } = await journal.state();
      const draft = draftOf('f');
      await journal.append(draft, lastSeq);
      expect(await reasonOf(journal.append(draft, lastSeq))).toBe('wrong_sequence');
      expect((await readAll(journal)).filter(({ commit }) => commit === draft.commit)).toHaveLength(1);
    });

    test('keeps its numbers when what is old is purged', async () => {
      const before = await journal.state();
      await journal.purgeBelow(before.lastSeq);
      const after = await journal.state();
      expect(after).toMatchObject({ createdAt: before.createdAt, firstSeq: before.lastSeq, lastSeq: before.lastSeq });
      expect(after.bytes).toBeLessThan(before.bytes);
      expect((await readAll(journal)).map(({ seq }) => seq)).toEqual([before.lastSeq]);
      expect(await journal.commitAt(before.lastSeq - 1)).toBeNull();
      await journal.append(draftOf('g'), before.lastSeq);
      expect((await readAll(journal)).map(({ seq }) => seq)).toEqual([before.lastSeq, before.lastSeq + 1]);
    });

    test('takes a record of half a megabyte', async () => {
      const { lastSeq } = await journal.state();
      const lines = Array.from({ length: 100 }, (_, n) => JSON.stringify({ put: makeJob(`big${n}`, { input: 'é'.repeat(2500) }) }));
      await journal.append(draftOf('', { lines }), lastSeq);
      expect((await readAll(journal, lastSeq + 1))[0]?.changes).toHaveLength(100);
    });
  });
}
