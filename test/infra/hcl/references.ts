/** What an expression refers to: `var.regions`, `aws_vpc.this.id`. Owns finding them among keys, functions and loops. */
import { isSymbol } from './parse.ts';
import type { Token } from './tokens.ts';

export interface Reference {
  /** Names only: `aws_eip.pop[each.key].public_ip` is `aws_eip`, `pop`, `public_ip`. */
  readonly path: readonly string[];
  readonly line: number;
}

const WORDS = new Set(['for', 'in', 'if', 'else', 'endif', 'endfor', 'true', 'false', 'null']);

/** @param bound names that mean something here besides, such as a dynamic block's iterator */
export function referencesIn(value: readonly Token[], bound: ReadonlySet<string> = new Set()): Reference[] {
  const names = new Set([...bound, ...boundIn(value)]);
  const found: Reference[] = [];
  for (let at = 0; at < value.length; at++) {
    const token = value[at]!;
    for (const template of token.templates) found.push(...referencesIn(template, names));
    if (token.kind !== 'identifier' || WORDS.has(token.text) || isSymbol(value[at - 1], '.')) continue;
    if (isKey(value, at) || isSymbol(value[at + 1], '(') || names.has(token.text)) continue;
    found.push({ path: pathFrom(value, at), line: token.line });
  }
  return found;
}

/** Of `for key, value in`. */
function boundIn(value: readonly Token[]): string[] {
  return value.flatMap((token, at) => {
    if (token.kind !== 'identifier' || token.text !== 'for') return [];
    const names: string[] = [];
    for (let next = at + 1; value[next] !== undefined && value[next]!.text !== 'in'; next++) {
      if (value[next]!.kind === 'identifier') names.push(value[next]!.text);
    }
    return names;
  });
}

function isKey(value: readonly Token[], at: number): boolean {
  const before = value[at - 1];
  const opens = before === undefined || before.kind === 'newline' || isSymbol(before, '{') || isSymbol(before, ',');
  return opens && isSymbol(value[at + 1], '=');
}

function pathFrom(value: readonly Token[], start: number): string[] {
  const path = [value[start]!.text];
  let at = start + 1;
  for (;;) {
    if (isSymbol(value[at], '.') && value[at + 1]?.kind === 'identifier') {
      path.push(value[at + 1]!.text);
      at += 2;
    } else if (isSymbol(value[at], '.') && isSymbol(value[at + 1], '*')) at += 2;
    else if (isSymbol(value[at], '[')) at = endOfIndex(value, at);
    else return path;
  }
}

function endOfIndex(value: readonly Token[], start: number): number {
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    if (isSymbol(value[at], '[')) depth += 1;
    if (isSymbol(value[at], ']')) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return value.length;
}
