import { z } from 'zod';
import { FILE_OUTCOMES, type FileOutcome } from '../../actors/job.js';
import type { FileEntry, FileRecord } from '../file-record.js';
import { LINES_PER_MESSAGE, placeOf } from './line-place.js';
import type { StreamMessage } from './stream-tail.js';

/**
 * How files stand in the FILES stream: one JSON object a line, several in one
 * message, without what is null; the subject says of which job, attempt and outcome.
 */
const storedEntry = z.object({
  at: z.iso.datetime(),
  path: z.string(),
  pathBase64: z.base64().optional(),
  bytes: z.number().int().min(0).nullable().default(null),
  provedBy: z.enum(['checksum', 'bytes', 'size', 'none']).nullable().default(null),
  checksum: z.string().nullable().default(null),
  why: z.string().nullable().default(null),
});

const WHY_CHARS = 1000;

export function encodeEntry({ path, pathBase64, bytes, provedBy, checksum, why }: FileEntry, at: Date): string {
  return JSON.stringify({
    at: at.toISOString(),
    path,
    pathBase64,
    bytes: bytes ?? undefined,
    provedBy: provedBy ?? undefined,
    checksum: checksum ?? undefined,
    why: why?.slice(0, WHY_CHARS),
  });
}

/** Never throws: anybody with a worker's password may write here, and what is no file is left out. */
export function decodeRecords({ seq, subject, data }: StreamMessage): FileRecord[] {
  const [job, attempt, outcome] = subject.split('.').slice(-3) as [string, string, FileOutcome];
  if (!FILE_OUTCOMES.includes(outcome)) return [];
  return new TextDecoder()
    .decode(data)
    .split('\n', LINES_PER_MESSAGE)
    .flatMap((line, index) => {
      const entry = decodeEntry(line);
      return entry ? [{ seq: placeOf(seq, index), job, attempt: Number(attempt) || 0, outcome, ...entry }] : [];
    });
}

function decodeEntry(line: string): Omit<FileRecord, 'seq' | 'job' | 'attempt' | 'outcome'> | null {
  try {
    const { pathBase64, ...entry } = storedEntry.parse(JSON.parse(line));
    return pathBase64 === undefined ? entry : { ...entry, pathBase64 };
  } catch {
    return null;
  }
}
