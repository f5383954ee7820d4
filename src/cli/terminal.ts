import { clip, displayWidth, safeJson, safeText } from './safe-text.js';

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Style = keyof typeof STYLES;

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_BELOW = '\u001b[J';

/** Pieces of one line: text of others is made safe, styles are dropped where nobody sees them. */
export type Piece = string | readonly [text: string, ...styles: Style[]];

/**
 * Where the commands write: data to stdout, talk to stderr. Escape sequences
 * are written only to a terminal that wants them, and never those of others.
 */
export class Terminal {
  /** A terminal that may be redrawn and coloured: stdout is one, NO_COLOR is not set, TERM is not dumb. */
  readonly interactive: boolean;
  readonly utf8: boolean;
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;
  #live: string[] = [];
  #closed = false;

  constructor(env: NodeJS.ProcessEnv, out: NodeJS.WriteStream = process.stdout, err: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
    this.#err = err;
    this.interactive = out.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb' && env['TERM'] !== '';
    this.utf8 = /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '');
  }

  get columns(): number {
    return this.#out.columns > 0 ? this.#out.columns : 80;
  }

  get rows(): number {
    return this.#out.rows > 0 ? this.#out.rows : 24;
  }

  onResize(listener: () => void): void {
    this.#out.on('resize', listener);
  }

  /** One line of the answer, on stdout. */
  print(...pieces: Piece[]): void {
    this.#write(this.#out, `${this.#render(pieces)}\n`);
  }

  /** One line for the person and not for the next program, on stderr. */
  say(...pieces: Piece[]): void {
    this.#write(this.#err, `${this.#err.isTTY ? this.#render(pieces) : plain(pieces)}\n`);
  }

  /** Text of our own with line breaks in it: help, completion scripts. */
  printText(text: string): void {
    this.#write(this.#out, text.endsWith('\n') ? text : `${text}\n`);
  }

  json(value: unknown): void {
    this.#write(this.#out, `${safeJson(value)}\n`);
  }

  jsonError(value: unknown): void {
    this.#write(this.#err, `${safeJson(value)}\n`);
  }

  /** Draws these lines over the ones drawn before. Only where `interactive`. */
  live(lines: readonly (readonly Piece[])[]): void {
    if (this.#closed) return;
    const width = this.columns - 1;
    const fitting = lines.slice(0, Math.max(1, this.rows - 1)).map((pieces) => this.#render(clipPieces(pieces, width)));
    this.#out.write(`${HIDE_CURSOR}${this.#toStartOfLive()}${CLEAR_BELOW}${fitting.join('\n')}`);
    this.#live = fitting;
  }

  /** Leaves the drawn lines (or wipes them) and goes on below. */
  endLive(keep: 'keep' | 'wipe'): void {
    if (this.#live.length === 0) return;
    this.#out.write(`${keep === 'keep' ? '\n' : `${this.#toStartOfLive()}${CLEAR_BELOW}`}${SHOW_CURSOR}`);
    this.#live = [];
  }

  /** Leaves the terminal as it was: nothing is drawn any more. */
  close(): void {
    this.#closed = true;
    this.endLive('keep');
  }

  /** A line above the drawn ones. */
  #write(stream: NodeJS.WriteStream, text: string): void {
    const drawn = this.#live;
    if (drawn.length > 0) this.#out.write(`${this.#toStartOfLive()}${CLEAR_BELOW}`);
    stream.write(text);
    if (drawn.length > 0) this.#out.write(drawn.join('\n'));
  }

  /** Lines that were drawn on a wider terminal take several rows by now. */
  #toStartOfLive(): string {
    const rows = this.#live.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / this.columns)), 0);
    return rows > 1 ? `\r\u001b[${rows - 1}A` : '\r';
  }

  #render(pieces: readonly Piece[]): string {
    return this.interactive ? pieces.map(styled).join('') : plain(pieces);
  }
}

const textOf = (piece: Piece): string => safeText(typeof piece === 'string' ? piece : piece[0]);
const plain = (pieces: readonly Piece[]): string => pieces.map(textOf).join('');

function styled(piece: Piece): string {
  if (typeof piece === 'string') return safeText(piece);
  const [text, ...styles] = piece;
  return `\u001b[${styles.map((style) => STYLES[style]).join(';')}m${safeText(text)}\u001b[0m`;
}

function clipPieces(pieces: readonly Piece[], columns: number): Piece[] {
  const kept: Piece[] = [];
  let left = columns;
  for (const piece of pieces) {
    const text = clip(textOf(piece), left);
    kept.push(typeof piece === 'string' ? text : [text, ...(piece.slice(1) as Style[])]);
    left -= displayWidth(text);
    if (left <= 0) break;
  }
  return kept;
}
