import { z } from 'zod';
import type { LogLine } from '../log-line.js';
import { realName } from './rclone-names.js';

/** What rclone prints on stderr with `--use-json-log`, line by line. Start-up failures and the last line of a failed run are plain text. */
export type RcloneLine = { kind: 'stats'; stats: RcloneStats } | RcloneMessage;

export interface RcloneMessage {
  kind: 'message';
  level: LogLine['level'];
  /** What it is about and what happened, for show. */
  text: string;
  /** The file, for show; null when it is about no file. */
  file: string | null;
  /** The same as rclone calls it. */
  name: string | null;
  /** Of what a dry run would do: the deed, its object as rclone calls it, and its size. */
  skipped: { what: string; name: string; bytes: number } | null;
}

const count = z.number().nonnegative();
const statsSchema = z.object({
  bytes: count,
  totalBytes: count,
  transfers: count,
  totalTransfers: count,
  speed: count.catch(0),
  errors: count.catch(0),
  transferring: z.array(z.object({ name: z.string() })).catch([]),
});
export type RcloneStats = z.infer<typeof statsSchema>;

const lineSchema = z.object({
  level: z.string(),
  msg: z.string(),
  object: z.string().optional(),
  objectType: z.string().optional(),
  skipped: z.string().optional(),
  size: z.number().optional(),
  stats: statsSchema.optional().catch(undefined),
});

/** "notice" stands for what 1.60 calls "warning". */
const LEVELS: Record<string, LogLine['level']> = { debug: 'debug', info: 'info', notice: 'warning', warning: 'warning', error: 'error' };

export function parseLine(line: Buffer): RcloneLine {
  const text = line.toString('utf8');
  const parsed = lineSchema.safeParse(parseJson(text));
  if (!parsed.success) return { kind: 'message', level: 'error', text: withoutTime(text), file: null, name: null, skipped: null };
  const { level, msg, object, objectType, skipped, size, stats } = parsed.data;
  if (stats) return { kind: 'stats', stats };
  const about = object === undefined ? '' : `${showName(object)}: `;
  const name = object !== undefined && objectType?.endsWith('.Object') ? object : null;
  return {
    kind: 'message',
    level: LEVELS[level] ?? 'error',
    text: about + msg.trim(),
    file: name === null ? null : showName(name),
    name,
    skipped: skipped === undefined || object === undefined ? null : { what: skipped, name: object, bytes: Math.max(0, size ?? 0) },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const withoutTime = (text: string): string => text.replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, '');

/** A name of rclone as it is on the disk. */
export const showName = (name: string): string => Buffer.from(realName(Buffer.from(name).toString('latin1')), 'latin1').toString('utf8');
