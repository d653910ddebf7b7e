/**
 * HCL text as tokens: as much of the language as Terraform files use. Owns strings with their templates, heredocs and
 * comments; knows nothing of blocks.
 */

export type TokenKind = 'identifier' | 'number' | 'string' | 'newline' | 'symbol';

export interface Token {
  readonly kind: TokenKind;
  /** Of a string: what stands between the quotes, templates as they are written. */
  readonly text: string;
  readonly line: number;
  /** Where it begins in the text, and where it is over. */
  readonly from: number;
  readonly to: number;
  /** Of a string: the expressions in its templates. */
  readonly templates: readonly (readonly Token[])[];
}

const SYMBOLS = ['...', '==', '!=', '<=', '>=', '&&', '||', '=>'] as const;

/** @throws Error with the line that cannot be read */
export function tokensOf(text: string, firstLine = 1): Token[] {
  return new Tokenizer(text, firstLine).all();
}

class Tokenizer {
  readonly #text: string;
  #at = 0;
  #line: number;
  readonly #tokens: Token[] = [];

  constructor(text: string, firstLine: number) {
    this.#text = text;
    this.#line = firstLine;
  }

  all(): Token[] {
    while (this.#at < this.#text.length) this.#next();
    return this.#tokens;
  }

  #next(): void {
    const rest = this.#text.slice(this.#at, this.#at + 256);
    const char = rest[0]!;
    if (char === '\n') {
      this.#push('newline', '\n', this.#at + 1);
      this.#line += 1;
      this.#at += 1;
    } else if (/\s/.test(char)) this.#at += 1;
    else if (char === '#' || rest.startsWith('//')) this.#at = this.#endOfLine();
    else if (rest.startsWith('/*')) this.#skipComment();
    else if (rest.startsWith('<<')) this.#heredoc();
    else if (char === '"') this.#string();
    else {
      const word = /^[A-Za-z_][A-Za-z0-9_-]*/.exec(rest)?.[0];
      const digits = /^\d+(\.\d+)?([eE][+-]?\d+)?/.exec(rest)?.[0];
      const symbol = SYMBOLS.find((each) => rest.startsWith(each)) ?? char;
      const found = word ?? digits ?? symbol;
      this.#push(word ? 'identifier' : digits ? 'number' : 'symbol', found, this.#at + found.length);
      this.#at += found.length;
    }
  }

  #push(kind: TokenKind, text: string, to: number, templates: readonly (readonly Token[])[] = []): void {
    this.#tokens.push({ kind, text, line: this.#line, from: this.#at, to, templates });
  }

  #endOfLine(): number {
    const end = this.#text.indexOf('\n', this.#at);
    return end < 0 ? this.#text.length : end;
  }

  #skipComment(): void {
    const end = this.#text.indexOf('*/', this.#at);
    if (end < 0) throw new Error(`line ${this.#line}: a comment has no end`);
    this.#line += lines(this.#text.slice(this.#at, end));
    this.#at = end + 2;
  }

  #string(): void {
    const start = this.#at + 1;
    let at = start;
    const templates: Token[][] = [];
    while (this.#text[at] !== '"') {
      if (at >= this.#text.length || this.#text[at] === '\n')
        throw new Error(`line ${this.#line}: a string has no end`);
      if (this.#text[at] === '\\') at += 2;
      else at = this.#templateAt(at, this.#line, templates);
    }
    this.#push('string', this.#text.slice(start, at), at + 1, templates);
    this.#at = at + 1;
  }

  #heredoc(): void {
    const opening = /^<<-?([A-Za-z_]\w*)[ \t]*\n/.exec(this.#text.slice(this.#at, this.#at + 80));
    if (opening === null) throw new Error(`line ${this.#line}: << without a word`);
    const start = this.#at + opening[0].length;
    const closing = new RegExp(`^[ \\t]*${opening[1]}[ \\t]*$`, 'm').exec(this.#text.slice(start));
    if (closing === null) throw new Error(`line ${this.#line}: the text up to ${opening[1]} has no end`);
    const end = start + closing.index;
    const templates: Token[][] = [];
    for (let at = start; at < end; ) at = this.#templateAt(at, this.#line, templates);
    this.#push('string', this.#text.slice(start, end), end + closing[0].length, templates);
    this.#line += lines(this.#text.slice(this.#at, end));
    this.#at = end + closing[0].length;
  }

  /** Reads a template that begins here, else steps over one character; answers where to go on. */
  #templateAt(at: number, line: number, templates: Token[][]): number {
    const two = this.#text.slice(at, at + 2);
    if (this.#text.startsWith('$${', at) || this.#text.startsWith('%%{', at)) return at + 3;
    if (two !== '${' && two !== '%{') return at + 1;
    let depth = 1;
    let end = at + 2;
    while (depth > 0) {
      const char = this.#text[end];
      if (char === undefined) throw new Error(`line ${line}: a template has no end`);
      if (char === '"') end = this.#skipString(end, line);
      else if (char === '{') depth += 1;
      else if (char === '}') depth -= 1;
      end += 1;
    }
    templates.push(tokensOf(this.#text.slice(at + 2, end - 1), line));
    return end;
  }

  /** Answers where the closing quote stands. */
  #skipString(start: number, line: number): number {
    let at = start + 1;
    while (this.#text[at] !== '"') {
      if (this.#text[at] === undefined) throw new Error(`line ${line}: a string has no end`);
      if (this.#text[at] === '\\') at += 2;
      else if (this.#text.startsWith('${', at)) at = this.#templateAt(at, line, []);
      else at += 1;
    }
    return at;
  }
}

function lines(text: string): number {
  return text.split('\n').length - 1;
}
