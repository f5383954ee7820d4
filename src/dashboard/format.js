/**
 * Figures and foreign text as people read them. Units are decimal, as in the
 * command line.
 */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** `12.3 MB`: three digits tell enough. @param {number} count */
export function bytes(count) {
  let unit = 0;
  let value = count;
  while (rounded(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(digits(value))} ${UNITS[unit]}`;
}

/** @param {number} value */
const digits = (value) => (value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
/** @param {number} value */
const rounded = (value) => Number(value.toFixed(digits(value)));

/** @param {number} bytesPerSecond */
export const rate = (bytesPerSecond) => `${bytes(Math.round(bytesPerSecond))}/s`;

/** @param {number} value */
export const count = (value) => value.toLocaleString('en');

/** `1 file`, `1,203 files`. @param {number} value @param {string} word */
export const plural = (value, word) => `${count(value)} ${word}${value === 1 ? '' : 's'}`;

const MEGABYTE = 1_000_000;

/** Bytes of a number of megabytes that somebody typed, with a point or a comma; `NaN` when it is none. @param {string} text */
export const bytesOfMegabytes = (text) => Math.round(Number(text.trim().replace(',', '.')) * MEGABYTE);

/** `1 m 20 s`: the two greatest units. @param {number} seconds */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s === 0) return 'under 1 s';
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** The time alone when it is today, else with the day. @param {string} iso */
export function moment(iso) {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** Control characters, line and paragraph separators, and marks that change the direction of what follows. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
/** @type {Record<string, string>} */
const SHORT_ESCAPES = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text of others with what cannot be seen written out, so that a name cannot pass for another. @param {string} text */
export function visible(text) {
  return text.replace(UNSEEN, (char) => {
    const code = char.charCodeAt(0);
    return SHORT_ESCAPES[char] ?? (code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`);
  });
}
