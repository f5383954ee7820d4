import type { LogLine } from '../log-line.js';

/** A line for a person's eyes: control and direction characters are shown escaped, so that a terminal does nothing on them. */
export function logText({ at, attempt, level, stream, text }: LogLine): string {
  return `${at} ${attempt} ${level.padEnd(7)} ${stream.padEnd(6)} ${escapeControls(text)}\n`;
}

/** All but the tab. */
const CONTROLS = /(?!\t)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
