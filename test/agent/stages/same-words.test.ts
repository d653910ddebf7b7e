import { describe, expect, test } from 'vitest';
import { sameWords } from '../../../src/agent/stages/same-words.ts';

describe('the same words', () => {
  test.each([
    ['what time is it', 'What time is it?'],
    ['  well,  no ', 'Well no...'],
    ['i said “stop”', "I said 'stop'."],
    ["it's fine", 'It’s fine!'],
    ['wait - what', 'wait what'],
    ['cafe\u0301', 'caf\u00e9'],
    ['¿qué hora es?', 'qué hora es'],
    ['', ' ... '],
  ])('%j and %j', (one, other) => expect(sameWords(one, other)).toBe(true));

  test.each([
    ['book a table for two', 'book a table for ten'],
    ['no', 'no no'],
    ['cancel it', "don't cancel it"],
    ['5', '5%'],
    ['five', '5'],
    ['-5', '5'],
    ['1.5', '15'],
    ['.5', '5'],
    ['$5', '5'],
    ['ice cream', 'ice-cream'],
    ['well', "we'll"],
    ['', 'yes'],
  ])('not %j and %j', (one, other) => expect(sameWords(one, other)).toBe(false));
});
