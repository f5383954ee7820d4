import type { LogLine } from '../log-line.js';

/** A line for a person's eyes: control and direction characters are shown escaped, so that a terminal does nothing on them. */
export function logText({ at, attempt, level, stream, text }: LogLine): string {
  return `${at} ${attempt} ${level.padEnd(7)} ${stream.padEnd(6)} ${escapeControls(text)}\n`;
}

function escapeControls(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
