import { clip, displayWidth, padTo, safeText } from './safe-text.js';
import type { Piece, Style } from './terminal.js';

export interface Cell {
  text: string;
  styles?: readonly Style[];
}

export interface Column {
  title: string;
  right?: boolean;
  /** May be cut when the terminal is narrow. */
  shrinks?: boolean;
}

/** Lines of a table, as wide as its words and at most `maxColumns` where that can be had by cutting. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly Cell[])[], maxColumns: number): Piece[][] {
  const titles = columns.map(({ title }): Cell => ({ text: title, styles: ['bold'] }));
  const safe = [titles, ...rows].map((row) => row.map((cell) => ({ ...cell, text: safeText(cell.text) })));
  const widths = columns.map((_, index) => safe.reduce((widest, row) => Math.max(widest, displayWidth(row[index]?.text ?? '')), 0));
  let tooMuch = widths.reduce((sum, width) => sum + width, 0) + 2 * (columns.length - 1) - maxColumns;
  columns.forEach((column, index) => {
    const width = widths[index] ?? 0;
    if (column.shrinks !== true || tooMuch <= 0) return;
    const kept = Math.max(Math.min(width, 8), width - tooMuch);
    widths[index] = kept;
    tooMuch -= width - kept;
  });
  return safe.map((row) =>
    columns.flatMap((column, index) => cellPieces(column, row[index] ?? { text: '' }, widths[index] ?? 0, index === columns.length - 1)),
  );
}

function cellPieces(column: Column, cell: Cell, width: number, last: boolean): Piece[] {
  const text = clip(cell.text, width);
  const blanks = ' '.repeat(Math.max(0, width - displayWidth(text)));
  const piece: Piece = cell.styles && cell.styles.length > 0 ? [text, ...cell.styles] : text;
  if (column.right === true) return [blanks, piece, last ? '' : '  '];
  return last ? [piece] : [piece, `${blanks}  `];
}

/** Names and values under each other, as `show` prints them. */
export function pairLines(pairs: readonly (readonly [name: string, value: Piece | null])[]): Piece[][] {
  const given = pairs.filter((pair): pair is readonly [string, Piece] => pair[1] !== null);
  const width = given.reduce((widest, [name]) => Math.max(widest, displayWidth(safeText(name))), 0);
  return given.map(([name, value]) => [[padTo(safeText(name), width), 'dim'], '  ', value]);
}
