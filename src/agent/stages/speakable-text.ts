/**
 * What a model writes, as it can be spoken: without the marks of markdown, without emoji, addresses by their host. Takes
 * text in pieces and gives it on by whole words, so that a mark is never taken for a word when it comes in two pieces;
 * where a language has no spaces, by whole clauses.
 */

/** A link's text may hold up the words after it for so long, characters. */
const MAX_LINK_LENGTH = 300;
/** More than this without a space is no word: it is given on in pieces. */
const MAX_WORD_LENGTH = 300;
/** A space, or a mark of a script that is written without any. */
const WORD_END = /[\s\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]/;
const LINK = /!?\[([^\]\n]*)\]\([^)\n]*\)/g;
const PICTURE = /!\[[^\]\n]*\]\([^)\n]*\) ?/g;
const OPEN_LINK = /!?\[(?:[^\]\n]*\]?|[^\]\n]*\]\([^)\n]*)$/;
const EMOJI = /\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\u{FE0F}|\u{200D}|\u{20E3}/gu;
const ADDRESS = /<?(?:https?:\/\/(?:www\.)?|www\.)([^\s/?#>:]+)[^\s>]*?>?([.,!?;:)"']*)$/i;

export class SpeakableText {
  /** What may still become something else. */
  #rest = '';
  #lineStart = true;
  #inCode = false;

  /** More text; answers with what can be spoken of it by now. */
  push(text: string): string {
    this.#rest += text;
    const end = this.#safeEnd();
    const ready = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end);
    return this.#clean(ready);
  }

  /** What is left. More may come after it. */
  finish(): string {
    const ready = this.#rest;
    this.#rest = '';
    return this.#clean(ready);
  }

  /** Whole words only, and no half of a link. */
  #safeEnd(): number {
    let end = this.#rest.length;
    while (end > 0 && !WORD_END.test(this.#rest[end - 1]!)) end--;
    if (this.#rest.length - end > MAX_WORD_LENGTH) end = this.#rest.length;
    const open = OPEN_LINK.exec(this.#rest)?.index;
    if (open !== undefined && this.#rest.length - open < MAX_LINK_LENGTH) return Math.min(end, open);
    for (const link of this.#rest.matchAll(LINK)) {
      if (link.index < end && link.index + link[0].length > end) return link.index;
    }
    return end;
  }

  #clean(text: string): string {
    let spoken = '';
    let dropped = false;
    for (const [part] of text
      .replace(PICTURE, '')
      .replace(LINK, '$1')
      .matchAll(/\s+|\S+/g)) {
      if (/^\s/.test(part)) {
        const newLine = part.includes('\n');
        if (newLine) this.#lineStart = true;
        // The space after what was left out goes with it; the end of its line stays.
        if (!this.#inCode && (newLine || !dropped)) spoken += part;
        dropped = false;
        continue;
      }
      const word = this.#word(part);
      dropped = word === '';
      spoken += word;
    }
    return spoken;
  }

  /** A word without its marks; empty when it was nothing else. */
  #word(part: string): string {
    const fences = part.split('```').length - 1;
    if (fences > 0) {
      this.#lineStart = false;
      if (fences % 2 === 1) this.#inCode = !this.#inCode;
      return fences === 2 && !this.#inCode ? plain(part.replaceAll('```', '')) : '';
    }
    if (this.#inCode) return '';
    if (this.#lineStart) {
      if (/^(?:#{1,6}|[-*+•–>])$/.test(part)) return '';
      this.#lineStart = false;
      // A rule, or the line under a table's head.
      if (/^[-=_*|:]{3,}$/.test(part)) return '';
      // The dot of a list's number would end a sentence.
      const numbered = /^(\d{1,2})[.)]$/.exec(part);
      if (numbered) return `${numbered[1]},`;
    }
    return plain(part);
  }
}

function plain(part: string): string {
  const address = ADDRESS.exec(part);
  if (address) return `${plain(part.slice(0, address.index))}${address[1]}${address[2]}`;
  return (
    part
      .replace(EMOJI, '')
      .replace(/^(?:\*{2,3}|_{2,3})$/, '')
      .replace(/^[|]+|[|]+$|`+|~~/g, '')
      // Between two digits it is a product.
      .replace(/(?<!\d)\*+(?=\S)|(?<=\S)\*+(?!\d)/g, '')
      .replace(/(?<![\p{L}\p{N}])_+(?=\S)|(?<=\S)_+(?![\p{L}\p{N}])/gu, '')
  );
}
