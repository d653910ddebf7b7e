/** HCL files as blocks and attributes. Owns the structure; an attribute's value stays as tokens, and nothing is evaluated. */
import { type Token, tokensOf } from './tokens.ts';

export interface Attribute {
  readonly name: string;
  readonly line: number;
  readonly value: readonly Token[];
}

export interface Block {
  readonly type: string;
  readonly labels: readonly string[];
  readonly line: number;
  /** Where it begins in the text, and where it is over. */
  readonly from: number;
  readonly to: number;
  readonly body: Body;
}

export interface Body {
  readonly attributes: readonly Attribute[];
  readonly blocks: readonly Block[];
}

/** @throws Error with the line that is not HCL */
export function parseHcl(text: string): Body {
  return new Parser(tokensOf(text)).file();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  file(): Body {
    const body = this.#body();
    if (this.#at < this.#tokens.length) throw this.#wrong('a closing brace too many');
    return body;
  }

  #body(): Body {
    const attributes: Attribute[] = [];
    const blocks: Block[] = [];
    for (;;) {
      while (this.#peek()?.kind === 'newline') this.#at += 1;
      const token = this.#peek();
      if (token === undefined || isSymbol(token, '}')) return { attributes, blocks };
      if (token.kind !== 'identifier') throw this.#wrong(`"${token.text}" where a name was expected`);
      this.#at += 1;
      if (isSymbol(this.#peek(), '=')) {
        this.#at += 1;
        attributes.push({ name: token.text, line: token.line, value: this.#value() });
      } else blocks.push(this.#block(token));
    }
  }

  #block({ text: type, line, from }: Token): Block {
    const labels: string[] = [];
    while (this.#peek()?.kind === 'string' || this.#peek()?.kind === 'identifier') {
      labels.push(this.#tokens[this.#at]!.text);
      this.#at += 1;
    }
    if (!isSymbol(this.#peek(), '{')) throw this.#wrong(`"${type}" is neither an attribute nor a block`);
    this.#at += 1;
    const body = this.#body();
    if (!isSymbol(this.#peek(), '}')) throw this.#wrong(`the block "${type}" has no end`);
    const { to } = this.#tokens[this.#at]!;
    this.#at += 1;
    return { type, labels, line, from, to, body };
  }

  /** Up to the end of the line, or of what a bracket on it opened. */
  #value(): Token[] {
    const value: Token[] = [];
    let depth = 0;
    for (;;) {
      const token = this.#peek();
      if (token === undefined) break;
      if (depth === 0 && (token.kind === 'newline' || isSymbol(token, '}'))) break;
      if (token.kind === 'symbol' && '([{'.includes(token.text)) depth += 1;
      if (token.kind === 'symbol' && ')]}'.includes(token.text)) depth -= 1;
      value.push(token);
      this.#at += 1;
    }
    if (depth !== 0) throw this.#wrong('a bracket has no end');
    if (value.length === 0) throw this.#wrong('a value is missing');
    return value;
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #wrong(what: string): Error {
    return new Error(`line ${this.#peek()?.line ?? this.#tokens.at(-1)?.line ?? 1}: ${what}`);
  }
}

export function isSymbol(token: Token | undefined, text: string): boolean {
  return token?.kind === 'symbol' && token.text === text;
}
