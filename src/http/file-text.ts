import type { FileRecord } from '../file-record.js';
import { escapeControls } from './log-text.js';

/** A line for a person's eyes: control and direction characters are shown escaped. */
export const fileText = ({ outcome, path, why }: FileRecord): string =>
  `${outcome.padEnd(11)} ${escapeControls(path)}${why === null ? '' : `  (${escapeControls(why)})`}\n`;

const COLUMNS = ['outcome', 'path', 'bytes', 'provedBy', 'checksum', 'why', 'attempt', 'at'] as const satisfies (keyof FileRecord)[];

export const CSV_HEAD = `${COLUMNS.join(',')}\r\n`;

/** A row for a spreadsheet (RFC 4180). Nothing that stands in a name may do anything there. */
export const fileCsv = (file: FileRecord): string => `${COLUMNS.map((column) => cell(file[column])).join(',')}\r\n`;

function cell(value: string | number | null): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const text = escapeControls(value);
  // It would be taken for a formula.
  const plain = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return `"${plain.replaceAll('"', '""')}"`;
}
