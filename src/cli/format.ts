import { JobError } from '../../actors/errors.js';

/** Numbers as people read them, and the times that they type. Sizes are decimal: 1 kB is 1000 bytes. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** `12.3 MB`; three digits tell enough, `--json` has the exact count. */
export function bytes(count: number): string {
  let unit = 0;
  let value = count;
  while (rounded(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(digits(value))} ${UNITS[unit]}`;
}

const digits = (value: number): number => (value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
const rounded = (value: number): number => Number(value.toFixed(digits(value)));

export const speed = (bytesPerSecond: number): string => `${bytes(Math.round(bytesPerSecond))}/s`;

/** `1 m 20 s`, `3 h 5 m`, `2 d 4 h`: the two greatest units. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s === 0) return 'under 1 s';
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** Rounded down, so that 100 % is said only of what is done. */
export const percent = (value: number): string => `${(Math.floor(value * 10) / 10).toFixed(1)} %`;

/** `just now`, `5 m ago`; in the future `in 5 m`. */
export function relativeTime(timestamp: string, now: number): string {
  const seconds = Math.round((now - Date.parse(timestamp)) / 1000);
  if (Math.abs(seconds) < 5) return 'just now';
  const [greatest, unit] = duration(Math.abs(seconds)).split(' ');
  return seconds > 0 ? `${greatest} ${unit} ago` : `in ${greatest} ${unit}`;
}

/** Date and time in the time zone of the person. */
export function localTime(timestamp: string): string {
  const at = new Date(timestamp);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `90s`, `15m`, `12h`, `7d`, `2w` as seconds. Throws `invalid_request` naming `what`. */
export function parseDuration(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([smhdw])$/i.exec(text.trim());
  const unit = SECONDS[match?.[2]?.toLowerCase() ?? ''];
  if (!match || unit === undefined) {
    throw new JobError('invalid_request', `${what} is ${JSON.stringify(text)}: give a time such as 90s, 15m, 12h, 7d or 2w.`);
  }
  return Number(match[1]) * unit;
}
