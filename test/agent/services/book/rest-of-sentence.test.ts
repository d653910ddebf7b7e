import { describe, expect, test } from 'vitest';
import { MS_PER_CHARACTER, restOfSentence } from '../../../../src/agent/services/book/rest-of-sentence.ts';

const word = (text: string, startMs: number, endMs: number) => ({ text, startMs, endMs });

describe('the rest of a sentence', () => {
  const text = 'We have a table, a table for two.';
  const words = [
    word('We', 0, 100),
    word('have', 150, 300),
    word('a', 350, 400),
    word('table,', 450, 700),
    word('a', 750, 800),
    word('table', 850, 1_100),
  ];

  test('begins with the first word that was not spoken whole, by the times of words', () => {
    expect(restOfSentence(text, 720, words)).toBe('a table for two.');
    expect(restOfSentence(text, 699, words)).toBe('table, a table for two.');
    // Times may come ahead of their sound.
    expect(restOfSentence(text, 0, words)).toBe(text);
    expect(restOfSentence(text, 5_000, words)).toBe('for two.');
  });

  test('passes over words that a service spells in its own way', () => {
    expect(
      restOfSentence('It is $5 today.', 900, [word('It', 0, 100), word('five', 200, 400), word('is', 500, 600)]),
    ).toBe('$5 today.');
  });

  test('is told by the pace of speech without them', () => {
    expect(restOfSentence(text, 10 * MS_PER_CHARACTER, [])).toBe('table, a table for two.');
    expect(restOfSentence(text, 0, [])).toBe(text);
  });

  test('is nothing when only marks are left', () => {
    expect(restOfSentence('Hello there .', 10_000, [word('Hello', 0, 100), word('there', 200, 300)])).toBe('');
    expect(restOfSentence('Hi.', 60_000, [])).toBe('');
  });
});
