import { crc32 } from 'node:zlib';
import { JournalUnreadable, type Change, type JournalRecord, type RecordDraft } from '../../actors/journal.js';

/**
 * How a record stands in the stream, readable with any NATS tool:
 *
 *     tallyman/1 9ae0daaf                                  format, CRC-32 of all below
 *     {"kind":"commit","epoch":3,"commit":"…","at":"…"}    head
 *     {"put":{…the whole job…},"notes":[…]}                one change a line
 *     {"patch":{…what is new of a job…},"over":7}
 *     {"del":"01J…"}
 */
const MAGIC = 'tallyman/1 ';
const FIRST_LINE_BYTES = MAGIC.length + 8 + 1;

export function encodeRecord(record: RecordDraft): Uint8Array {
  const { kind, epoch, commit, at, bandwidth } = record;
  const head = JSON.stringify({ kind, epoch, commit, at, bandwidth: bandwidth ?? undefined });
  const text = [head, ...record.lines].join('\n');
  const bytes = Buffer.allocUnsafe(FIRST_LINE_BYTES + Buffer.byteLength(text));
  bytes.write(text, FIRST_LINE_BYTES);
  bytes.write(`${MAGIC}${checksum(bytes.subarray(FIRST_LINE_BYTES))}\n`, 0, 'latin1');
  return bytes;
}

type Head = Omit<JournalRecord, 'seq' | 'changes'>;

/** Throws `JournalUnreadable` naming `seq` for whatever is not a whole record of a format that we know. */
export function decodeRecord(data: Uint8Array, seq: number): JournalRecord {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const firstLine = bytes.toString('latin1', 0, FIRST_LINE_BYTES);
  if (!firstLine.startsWith('tallyman/') || firstLine.at(-1) !== '\n') {
    throw new JournalUnreadable(seq, `Record ${seq} of the journal is not a Tallyman record.`);
  }
  if (!firstLine.startsWith(MAGIC)) {
    throw new JournalUnreadable(
      seq,
      `Record ${seq} of the journal has a format that this version does not know: it was written by a newer Tallyman.`,
    );
  }
  const rest = bytes.subarray(FIRST_LINE_BYTES);
  if (firstLine.slice(MAGIC.length, -1) !== checksum(rest)) {
    throw new JournalUnreadable(seq, `Record ${seq} of the journal is damaged: its checksum does not fit.`);
  }
  try {
    const [head, ...lines] = rest.toString('utf8').split('\n') as [string, ...string[]];
    return { seq, ...(JSON.parse(head) as Head), changes: lines.map((line) => JSON.parse(line) as Change) };
  } catch (cause) {
    throw new JournalUnreadable(seq, `Record ${seq} of the journal cannot be read, though its checksum fits.`, { cause });
  }
}

const checksum = (bytes: Uint8Array): string => crc32(bytes).toString(16).padStart(8, '0');
