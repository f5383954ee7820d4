import { z } from 'zod';
import type { LogLine } from '../log-line.js';

/** What rclone prints on stderr with `--use-json-log`, line by line. Start-up failures and the last line of a failed run are plain text. */
export type RcloneLine = { kind: 'stats'; stats: RcloneStats } | RcloneMessage;

export interface RcloneMessage {
  kind: 'message';
  level: LogLine['level'];
  /** What it is about and what happened, for show. */
  text: string;
  /** The file, for show; null when it is about no file. */
  file: string | null;
}

const count = z.number().nonnegative();
const statsSchema = z.object({
  bytes: count,
  totalBytes: count,
  transfers: count,
  totalTransfers: count,
  speed: count.catch(0),
  transferring: z.array(z.object({ name: z.string() })).catch([]),
});
export type RcloneStats = z.infer<typeof statsSchema>;

const lineSchema = z.object({
  level: z.string(),
  msg: z.string(),
  object: z.string().optional(),
  objectType: z.string().optional(),
  stats: statsSchema.optional().catch(undefined),
});

/** "notice" stands for what 1.60 calls "warning". */
const LEVELS: Record<string, LogLine['level']> = { debug: 'debug', info: 'info', notice: 'warning', warning: 'warning', error: 'error' };

export function parseLine(line: Buffer): RcloneLine {
  const text = line.toString('utf8');
  const parsed = lineSchema.safeParse(parseJson(text));
  if (!parsed.success) return { kind: 'message', level: 'error', text: withoutTime(text), file: null };
  const { level, msg, object, objectType, stats } = parsed.data;
  if (stats) return { kind: 'stats', stats };
  const about = object === undefined ? '' : `${showName(object)}: `;
  const file = object !== undefined && objectType?.endsWith('.Object') ? showName(object) : null;
  return { kind: 'message', level: LEVELS[level] ?? 'error', text: about + msg.trim(), file };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const withoutTime = (text: string): string => text.replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, '');

const PICTURES = 0x2400;
const DELETE_PICTURE = 0x2421;

/** rclone writes a control character as its picture (U+2400 and on), and a picture that is one in the name with U+201B before it. */
export function showName(name: string): string {
  return name.replace(/\u201b([\u2400-\u2421\u201b])|([\u2400-\u241f\u2421])/g, (_, literal?: string, picture = '') => {
    if (literal !== undefined) return literal;
    const code = (picture as string).charCodeAt(0);
    return code === DELETE_PICTURE ? '\x7f' : String.fromCharCode(code - PICTURES);
  });
}
