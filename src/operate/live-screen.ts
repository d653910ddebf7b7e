/**
 * A screen that is drawn again in place, on the terminal's second page, so that what was there before comes back. Owns
 * the escape codes; what is drawn is its user's.
 */
export interface Terminal {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const TO_LINE_END = '\u001b[K';
const TO_SCREEN_END = '\u001b[J';
const DEFAULT_ROWS = 24;

export class LiveScreen implements Disposable {
  readonly #terminal: Terminal;
  #last: readonly string[] = [];
  #open = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Lines that have no room are counted in the last one. */
  draw(lines: readonly string[]): void {
    this.#last = lines;
    const room = Math.max(2, this.#terminal.rows ?? DEFAULT_ROWS) - 1;
    const shown =
      lines.length <= room
        ? lines
        : [
            ...lines.slice(0, room - 1),
            `… and ${lines.length - room + 1} more lines: make the window higher, or --once`,
          ];
    const start = this.#open ? '' : ENTER;
    this.#open = true;
    this.#terminal.write(`${start}${HOME}${shown.map((line) => `${line}${TO_LINE_END}\n`).join('')}${TO_SCREEN_END}`);
  }

  /** The former page comes back, and the last picture stands below it. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#terminal.write(`${LEAVE}${this.#last.join('\n')}\n`);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
