/** Cuts a text that is too long for one request: where a sentence ends if it can, else at a space. Pure. */

/** `text` in pieces of at most so many characters; joined they are the text. */
export function piecesOf(text: string, maxCharacters = 1_000): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (rest.length > maxCharacters) {
    const end = endOfPiece(rest, maxCharacters);
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  pieces.push(rest);
  return pieces;
}

function endOfPiece(text: string, maxCharacters: number): number {
  const head = text.slice(0, maxCharacters);
  const sentences = [...head.matchAll(/[.!?]\s/g)].at(-1);
  // A short piece costs a request of its own: a sentence's end in the first half is none to wait for.
  if (sentences !== undefined && sentences.index + 2 > maxCharacters / 2) return sentences.index + 2;
  const space = head.lastIndexOf(' ');
  if (space > 0) return space + 1;
  // Without a space, at least not inside of a surrogate pair.
  return maxCharacters - (/[\uD800-\uDBFF]$/.test(head) ? 1 : 0);
}
