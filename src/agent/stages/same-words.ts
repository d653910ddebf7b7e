/**
 * Whether two transcripts of the same sound have the same words: what an answer was prepared from against what was said.
 * Case, punctuation and spacing are aside; whatever else differs makes other words, a sign such as `%` included, since
 * an answer for the wrong words is worse than one that is made twice.
 */

/** Marks before a word and after it that are none of it. A full stop before digits, or a sign, is. */
const BEFORE = /^["'“”„‘’«»([{¿¡]+/u;
const AFTER = /["'“”‘’«»)\]}.,;:!?…]+$/u;

export function sameWords(one: string, other: string): boolean {
  const words = comparable(one);
  const others = comparable(other);
  return words.length === others.length && words.every((word, index) => word === others[index]);
}

function comparable(text: string): string[] {
  return text
    .normalize('NFC')
    .toLowerCase()
    .replaceAll('’', "'")
    .split(/\s+/u)
    .map((word) => word.replace(BEFORE, '').replace(AFTER, ''))
    .filter((word) => word !== '' && !/^[-–—]+$/u.test(word));
}
