import { expect, it } from 'vitest';
import type { FileRecord } from '../../src/file-record.js';
import { fileCsv } from '../../src/http/file-text.js';

const record = (fields: Partial<FileRecord>): FileRecord => ({
  seq: 1,
  at: '2026-01-01T00:00:00.000Z',
  job: 'j1',
  attempt: 2,
  path: 'a',
  outcome: 'differs',
  bytes: null,
  provedBy: null,
  checksum: null,
  why: null,
  ...fields,
});

it('A row for a spreadsheet stays one row of eight cells, whatever a name holds', () => {
  expect(fileCsv(record({ path: 'a "b", c\r\nd', bytes: 7, why: 'The contents differ.' }))).toBe(
    '"differs","a ""b"", c\\u000d\\u000ad",7,,,"The contents differ.",2,"2026-01-01T00:00:00.000Z"\r\n',
  );
});

it.each(['=1+1', '+1', '-1', '@x', '\t=1'])('The name %j is no formula', (path) => {
  expect(fileCsv(record({ path }))).toContain(`,"'${path}",`);
});
