import { isAscii } from '../file-record.js';
import type { ListedEntry } from './engine.js';

/** What rsync prints on stdout, line by line, with the options of `rsync-args.ts`. */
export type RsyncLine = ProgressLine | FileLine | StatLine | { kind: 'other' };

/** `--info=progress2`. */
export interface ProgressLine {
  kind: 'progress';
  /** Of file data handled in this run, also of files that failed. */
  bytes: number;
  bytesPerSecond: number;
  /** Set at the end of a file: how many were begun and done with so far, failed ones too. */
  filesDone: number | null;
  /** Set at the end of a file: entries left to look at, and of how many. */
  toCheck: { left: number; of: number } | null;
}

/** `--out-format=%i|%l|%n`, with checksums `%i|%l|%C|%n`. */
export interface FileLine {
  kind: 'file';
  /** First letter of `%i`: `<` and `>` transferred, `c` made, `h` hard link, `.` as it is, `*` a message. */
  change: string;
  /** Second letter: `f` file, `d` folder, `L` symbolic link, `D` device, `S` special file. */
  type: string;
  bytes: number;
  /** The nine letters after these two: what differs. */
  flags: string;
  /** Not there on the other side. */
  isNew: boolean;
  /** `%C`, where it was asked for and is known. */
  checksum: string | null;
  /** The name byte by byte (latin1). */
  rawName: string;
  /** For show: names that are no UTF-8 hold U+FFFD; control characters are what they are. */
  name: string;
}

/** A line of `--stats`: `Number of files: 10 (reg: 7, dir: 2)`. */
export interface StatLine {
  kind: 'stat';
  key: string;
  value: number;
  byType: Record<string, number>;
}

const PROGRESS_TEXT = String.raw` *(\d+) +\d+% +(\d+\.\d+)([kMGT]?)B\/s +(?:\d+:\d\d:\d\d|\?\?:\?\?:\?\?)(?: +\(xfr#(\d+), (?:to|ir)-chk=(\d+)\/(\d+)\))? *`;
const PROGRESS = new RegExp(`^${PROGRESS_TEXT}$`);
const GLUED = new RegExp(`^${PROGRESS_TEXT}(?=[^ (])`);
const FILE = /^([<>ch.*])([fdLDS])([^|]{9})\|(\d+)\|(.*)$/s;
const DELETED = /^(\*)()(deleting {2})\|(\d+)\|(.*)$/s;
const STAT = /^([A-Z][A-Za-z ]+): (\d+)(?: bytes)?(?: \((.*)\))?$/;
/** Always powers of 1024, whatever the other numbers are. */
const UNITS: Record<string, number> = { '': 1, k: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

const BLANK = 0x20;
const isDigit = (byte = 0): boolean => byte >= 0x30 && byte <= 0x39;

/** Bytes, not text, since a name may be no UTF-8. `checksums` says that they were asked for. */
export function parseLine(line: Buffer, checksums = false): RsyncLine {
  const text = line.toString('latin1');
  return parseProgress(text) ?? parseFile(text, checksums) ?? parseStat(text) ?? { kind: 'other' };
}

/** rsync ends a progress line only before its own next message: that of another of its processes stands behind it. */
export function unglued(line: Buffer): Buffer[] {
  if (line[0] !== BLANK && !isDigit(line[0])) return [line];
  const length = GLUED.exec(line.toString('latin1'))?.[0].length ?? 0;
  return length === 0 ? [line] : [line.subarray(0, length), line.subarray(length)];
}

function parseProgress(text: string): ProgressLine | null {
  const match = PROGRESS.exec(text);
  if (!match) return null;
  const [, bytes, rate, unit = '', files, left, of] = match;
  return {
    kind: 'progress',
    bytes: Number(bytes),
    bytesPerSecond: Number(rate) * (UNITS[unit] ?? 1),
    filesDone: files === undefined ? null : Number(files),
    toCheck: left === undefined || of === undefined ? null : { left: Number(left), of: Number(of) },
  };
}

function parseFile(text: string, checksums: boolean): FileLine | null {
  const match = DELETED.exec(text) ?? FILE.exec(text);
  if (!match) return null;
  const [, change = '', letter = '', flags = '', bytes, rest = ''] = match;
  const bar = checksums ? rest.indexOf('|') : -1;
  const rawName = unescapeName(rest.slice(bar + 1));
  const checksum = rest.slice(0, Math.max(0, bar)).trim() || null;
  const type = letter === '' ? (rawName.endsWith('/') ? 'd' : 'f') : letter;
  return {
    kind: 'file',
    change,
    type,
    flags,
    isNew: flags === '+++++++++',
    checksum,
    bytes: Number(bytes),
    rawName,
    name: isAscii(rawName) ? rawName : Buffer.from(rawName, 'latin1').toString('utf8'),
  };
}

function parseStat(text: string): StatLine | null {
  const match = STAT.exec(text);
  if (!match) return null;
  const [, key = '', value, types = ''] = match;
  const byType = Object.fromEntries(
    [...types.matchAll(/(\w+): (\d+)/g)].map(([, type = '', count]): [string, number] => [type, Number(count)]),
  );
  return { kind: 'stat', key, value: Number(value), byType };
}

/** rsync writes a control character, and a `\#` that is followed by three digits, as `\#` and the byte in three octal digits. */
export const unescapeName = (latin1: string): string =>
  latin1.replace(/\\#([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** Equal on both sides. */
export const isUntouched = (line: RsyncLine): boolean => line.kind === 'file' && line.change === '.' && line.flags.trim() === '';

export const ENTRY_TYPES: Record<string, ListedEntry['type']> = { f: 'file', L: 'link', d: 'folder' };
