import { z } from 'zod';
import { LIMITS } from '../../actors/limits.js';
import type { LogLine } from '../log-line.js';
import { LINES_PER_MESSAGE, placeOf } from './line-place.js';
import type { StreamMessage } from './stream-tail.js';

/**
 * How lines stand in the LOGS stream: one JSON object a line, several in one
 * message; the subject says of which job and attempt.
 */
const storedLine = z.object({
  at: z.iso.datetime(),
  level: z.enum(['debug', 'info', 'warning', 'error']),
  stream: z.enum(['stdout', 'stderr', 'worker']),
  text: z.string(),
});

export function encodeLine({ at, level, stream, text }: Omit<LogLine, 'seq'>): string {
  return JSON.stringify({ at, level, stream, text: truncate(text) });
}

/** Never throws: anybody with a worker's password may write here, and what is no line is shown as it is. */
export function decodeLines({ seq, subject, atMs, data }: StreamMessage): LogLine[] {
  const [job, attempt] = subject.split('.').slice(-2) as [string, string];
  return new TextDecoder()
    .decode(data)
    .split('\n', LINES_PER_MESSAGE)
    .map((line, index) => ({ seq: placeOf(seq, index), job, attempt: Number(attempt) || 0, ...decodeLine(line, atMs) }));
}

function decodeLine(line: string, atMs: number): z.infer<typeof storedLine> {
  try {
    const parsed = storedLine.parse(JSON.parse(line));
    return { ...parsed, text: truncate(parsed.text) };
  } catch {
    return { at: new Date(atMs).toISOString(), level: 'warning', stream: 'worker', text: truncate(`(not a log line) ${line}`) };
  }
}

/** At most `LIMITS.logLineBytes` of UTF-8, saying what was left out; half a character becomes U+FFFD. */
function truncate(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= LIMITS.logLineBytes) return bytes.toString();
  const mark = ` … (${bytes.length} bytes in all)`;
  let end = LIMITS.logLineBytes - Buffer.byteLength(mark);
  // Not in the middle of a character: its later bytes begin with the bits 10.
  while (end > 0 && (bytes.readUInt8(end) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end) + mark;
}
