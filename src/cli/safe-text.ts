/**
 * Text of others (names of files, log lines, messages) on its way to a
 * terminal. What could move the cursor, change colours or turn the reading
 * direction is shown as an escape instead.
 */
const UNSAFE =
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

const NAMED: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

export function safeText(text: string): string {
  return text.replace(UNSAFE, (character) => NAMED[character] ?? escaped(character));
}

/** JSON that is as safe to look at as `safeText`, and the same value to a parser. `indent` as in `JSON.stringify`. */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(UNSAFE, (character) => (character === '\n' ? character : utf16Escapes(character)));
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : utf16Escapes(character);
}

const utf16Escapes = (character: string): string =>
  [...Array(character.length).keys()].map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join('');

const WIDE =
  /^(\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u;
const NO_WIDTH = /^\p{Mark}/u;
const segmenter = new Intl.Segmenter();
// eslint-disable-next-line no-control-regex -- our own colours
const COLOUR = /\u001b\[[0-9;]*m/g;

const PLAIN = /^[\u0020-\u007e]*$/;

const widthOf = (grapheme: string): number => (WIDE.test(grapheme) ? 2 : NO_WIDTH.test(grapheme) ? 0 : 1);

/** Columns that safe text takes on a terminal; our own colours take none. */
export function displayWidth(text: string): number {
  const bare = text.replace(COLOUR, '');
  if (PLAIN.test(bare)) return bare.length;
  let width = 0;
  for (const { segment } of segmenter.segment(bare)) width += widthOf(segment);
  return width;
}

/** Cuts safe text without colours to `columns`, marking the cut with `…`. */
export function clip(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = '';
  let width = 1;
  for (const { segment } of segmenter.segment(text)) {
    width += widthOf(segment);
    if (width > columns) break;
    kept += segment;
  }
  return columns > 0 ? `${kept}…` : '';
}

/** Cuts a path so that its end, which tells most, stays. */
export function clipStart(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  const segments = [...segmenter.segment(text)].map(({ segment }) => segment);
  let width = displayWidth(text) + 1;
  let first = 0;
  while (width > columns && first < segments.length) width -= widthOf(segments[first++] ?? '');
  return columns > 0 ? `…${segments.slice(first).join('')}` : '';
}

export const padTo = (text: string, columns: number): string => text + ' '.repeat(Math.max(0, columns - displayWidth(text)));
