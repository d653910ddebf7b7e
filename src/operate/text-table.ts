/**
 * Tables for a terminal: columns as wide as what stands in them, within a width. Where they do not fit, columns that
 * matter less are left out, then long texts are cut. Owns widths and colors; knows nothing of what it shows.
 */
import { styleText } from 'node:util';

export type Tone = 'plain' | 'bad' | 'doubtful' | 'quiet';

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

export interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly right?: boolean;
  /** Left out when there is no room, the highest first; absent: never. */
  readonly dropAs?: number;
  /** May be cut, down to so many characters. */
  readonly atLeast?: number;
}

export interface TableOptions {
  /** Characters of a line; null: as many as it takes. */
  readonly width: number | null;
  readonly colors: boolean;
}

const GAP = 2;

/** Lines without line breaks, the titles first. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width, colors }: TableOptions,
): string[] {
  const all = columns.map((column, index) => ({
    column,
    index,
    chars: Math.max(column.title.length, ...rows.map((row) => row[index]!.text.length)),
  }));
  const shown = fitted(all, width);
  const line = (cells: readonly Cell[]) =>
    shown
      .map(({ column, index, chars }, at) => {
        const { text, tone } = cells[index]!;
        const cut = text.length > chars ? `${text.slice(0, chars - 1)}…` : text;
        const last = at === shown.length - 1;
        const padded = column.right ? cut.padStart(chars) : last ? cut : cut.padEnd(chars);
        return toned(padded, tone ?? 'plain', colors);
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  const head = line(columns.map(({ title }) => ({ text: title, tone: 'quiet' })));
  return [head, ...rows.map(line)];
}

export function toned(text: string, tone: Tone, colors: boolean): string {
  if (!colors || tone === 'plain') return text;
  const style = ({ bad: 'red', doubtful: 'yellow', quiet: 'dim' } as const)[tone];
  return styleText(style, text, { validateStream: false });
}

/** `text` in lines of at most `width` characters, broken between words, all but the first `indent` further in. */
export function wrapped(text: string, width: number | null, indent: number): string[] {
  if (width === null) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const room = lines.length === 0 ? width : width - indent;
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((each, index) => (index === 0 ? each : `${' '.repeat(indent)}${each}`));
}

interface Sized {
  column: Column;
  index: number;
  chars: number;
}

function fitted(all: readonly Sized[], width: number | null): Sized[] {
  if (width === null) return [...all];
  let shown = [...all];
  const over = () => shown.reduce((sum, { chars }) => sum + chars + GAP, -GAP) - width;
  const byDrop = all
    .filter(({ column }) => column.dropAs !== undefined)
    .sort((a, b) => b.column.dropAs! - a.column.dropAs!);
  for (const victim of byDrop) {
    if (over() <= 0) break;
    shown = shown.filter((each) => each !== victim);
  }
  shown = shown.map((each) => ({ ...each }));
  while (over() > 0) {
    const widest = shown
      .filter(({ column, chars }) => column.atLeast !== undefined && chars > column.atLeast)
      .sort((a, b) => b.chars - a.chars)[0];
    if (widest === undefined) break;
    widest.chars -= 1;
  }
  return shown;
}
