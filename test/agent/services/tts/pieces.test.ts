import { expect, test } from 'vitest';
import { piecesOf } from '../../../../src/agent/services/tts/pieces.ts';

test('a short text is one piece', () => {
  expect(piecesOf('Hello there.', 100)).toEqual(['Hello there.']);
  expect(piecesOf('', 100)).toEqual(['']);
});

test('a long text is cut where a sentence ends, when that is late enough', () => {
  expect(piecesOf('One two three. Four five six.', 20)).toEqual(['One two three. ', 'Four five six.']);
  expect(piecesOf('No. But this goes on for long', 20)).toEqual(['No. But this goes ', 'on for long']);
});

test('a number with a dot ends no sentence', () => {
  expect(piecesOf('It is 7.30 o clock in Perth', 14)).toEqual(['It is 7.30 o ', 'clock in Perth']);
});

test('without a space it is cut anywhere but inside of a character', () => {
  const pieces = piecesOf('😀'.repeat(7), 5);
  expect(pieces.join('')).toBe('😀'.repeat(7));
  expect(pieces.every((piece) => piece.length <= 5 && piece.isWellFormed())).toBe(true);
});

test.each([10, 37, 100])('nothing is lost and nothing is longer than %i', (maxCharacters) => {
  const text = 'This is one. And another, longer one! Really? Yes: "really". '.repeat(20);
  const pieces = piecesOf(text, maxCharacters);
  expect(pieces.join('')).toBe(text);
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(maxCharacters);
});
