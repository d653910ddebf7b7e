import { expect, test } from 'vitest';
import { isMeant, MEANING_DEFAULTS } from '../../../src/agent/turn-taking/backchannels.ts';

test.each([
  ['Stop.', true],
  ['no', true],
  ['Wait, what?', true],
  ['yes', true],
  ['okay but I meant Tuesday', true],
  ['yeah yeah yeah okay', true],
  ['Mm-hm.', false],
  ['uh-huh', false],
  ['Okay, right.', false],
  ['I see', false],
  ['', false],
  ['...', false],
])('"%s" over the agent: meant to stop it %s', (text, meant) => {
  expect(isMeant(text, MEANING_DEFAULTS)).toBe(meant);
});

test('too few words are not meant where more are asked for', () => {
  expect(isMeant('stop', { ...MEANING_DEFAULTS, minWords: 2 })).toBe(false);
  expect(isMeant('please stop', { ...MEANING_DEFAULTS, minWords: 2 })).toBe(true);
});

test('another language brings its own list', () => {
  expect(isMeant('genau', { minWords: 1, backchannels: ['genau', 'aha'] })).toBe(false);
  expect(isMeant('okay', { minWords: 1, backchannels: ['genau', 'aha'] })).toBe(true);
});
