import { describe, expect, test } from 'vitest';
import {
  DESK_ABILITIES,
  DESK_GOODBYE,
  DESK_GREETING,
  DESK_NOT_UNDERSTOOD,
  type DeskState,
  deskScript,
} from '../../../agents/front-desk/dialog.ts';
import { inWords, timeInWords } from '../../../agents/front-desk/numbers.ts';
import { understand } from '../../../agents/front-desk/understand.ts';

const NOW = new Date(2026, 6, 14, 15, 7);

/** The desk's side of a conversation. */
function converse(...words: string[]): string[] {
  let state: DeskState = deskScript.initial;
  return words.map((each) => {
    const step = deskScript.respond(state, each, 0, NOW);
    state = step.state;
    return step.say;
  });
}

describe('the front desk', () => {
  test('greets', () => {
    expect(deskScript.greet(deskScript.initial, NOW).say).toBe(DESK_GREETING);
  });

  test.each(['what time is it', 'What is the time?', 'could you tell me the time please'])('answers "%s"', (words) => {
    expect(converse(words)).toEqual(['It is three oh seven p m.']);
  });

  test('books a table in one go when everything was said', () => {
    expect(converse('i would like to book a table for two people tomorrow evening')).toEqual([
      'I have booked a table for two people tomorrow evening. Is there anything else?',
    ]);
  });

  test('asks for what is missing, one thing at a time', () => {
    expect(converse('i would like to book a table', 'two people', 'on friday', 'half past seven')).toEqual([
      'For how many people?',
      'For what day and time?',
      'At what time?',
      'I have booked a table for two people on friday at half past seven. Is there anything else?',
    ]);
    expect(converse('book a table for a couple of people at seven', 'saturday').at(-1)).toBe(
      'I have booked a table for two people on saturday at seven. Is there anything else?',
    );
  });

  test('tells the time in the middle of a booking and goes on with it', () => {
    expect(converse('book a table', 'what time is it', 'four', 'tonight').at(-1)).toBe(
      'I have booked a table for four people tonight. Is there anything else?',
    );
  });

  test('drops a booking on request', () => {
    expect(converse('book a table', 'never mind', 'two people')).toEqual([
      'For how many people?',
      'All right, no booking. Is there anything else?',
      DESK_NOT_UNDERSTOOD,
    ]);
  });

  test('counts from one to thirty, a sentence each', () => {
    const count = converse('please count to thirty')[0]!.split(' ');
    expect(count.slice(0, 3)).toEqual(['One.', 'Two.', 'Three.']);
    expect(count.at(-1)).toBe('Thirty.');
    expect(converse('please count to thirty')[0]!.match(/\./g)).toHaveLength(30);
  });

  test.each(['goodbye', 'that is all thank you', 'no that is all', 'bye bye'])('hangs up after "%s"', (words) => {
    const step = deskScript.respond(deskScript.initial, words, 0, NOW);
    expect(step).toMatchObject({ say: DESK_GOODBYE, hangUp: 'The caller said goodbye.' });
  });

  test('says what it understands when it did not understand', () => {
    expect(converse('how much is a ticket to sydney')).toEqual([DESK_NOT_UNDERSTOOD]);
    expect(DESK_NOT_UNDERSTOOD).toContain(DESK_ABILITIES);
    expect(deskScript.respond(deskScript.initial, '', 900, NOW).say).toBe(DESK_NOT_UNDERSTOOD);
  });

  test('repeats its question when the answer was not understood', () => {
    expect(converse('book a table', 'bananas')[1]).toBe('Sorry, I did not understand that. For how many people?');
  });

  test('says its last words again, not its apology', () => {
    expect(converse('book a table', 'bananas', 'say that again').at(-1)).toBe('For how many people?');
  });

  test('passes over a noise that was too short to be a word', () => {
    expect(deskScript.respond(deskScript.initial, '', 200, NOW).say).toBe('');
  });
});

describe('understanding', () => {
  test.each([
    ['book a table for 4 at 7:30 on friday', { people: 4, day: 'on friday', time: 'at 7:30' }],
    ['book a table for six on sunday evening', { people: 6, day: 'on sunday', time: 'evening' }],
    ['reserve a table tonight for three people', { people: 3, day: 'tonight', time: '' }],
    ['book a table at eight p m tomorrow', { people: null, day: 'tomorrow', time: 'at eight p m' }],
    ['book a table this evening', { people: null, day: 'this evening', time: '' }],
    ['book a table', { people: null, day: null, time: null }],
  ])('finds the details of "%s"', (words, details) => {
    expect(understand(words)).toEqual({ kind: 'book', details });
  });

  test.each([
    ['two people', { people: 2, day: null, time: null }],
    ['for five please', { people: 5, day: null, time: null }],
    ['Twelve.', { people: 12, day: null, time: null }],
    ['seven thirty', { people: null, day: null, time: 'seven thirty' }],
    ['at six', { people: null, day: null, time: 'at six' }],
    ['tomorrow at quarter past nine', { people: null, day: 'tomorrow', time: 'at quarter past nine' }],
  ])('takes "%s" as an answer', (words, details) => {
    expect(understand(words)).toEqual({ kind: 'details', details });
  });

  test.each(['', 'a hundred people', 'the quarterly report', 'for nothing'])('makes nothing of "%s"', (words) => {
    expect(understand(words)).toEqual({ kind: 'unknown' });
  });
});

describe('numbers in words', () => {
  test('go from zero to fifty nine', () => {
    expect([0, 7, 15, 20, 42, 59].map(inWords)).toEqual([
      'zero',
      'seven',
      'fifteen',
      'twenty',
      'forty two',
      'fifty nine',
    ]);
    expect(() => inWords(60)).toThrow(RangeError);
  });

  test.each([
    [0, 0, "twelve o'clock in the morning"],
    [12, 5, 'twelve oh five p m'],
    [15, 30, 'three thirty p m'],
    [20, 0, "eight o'clock in the evening"],
    [23, 59, 'eleven fifty nine p m'],
  ])('tell %i:%i', (hours, minutes, words) => {
    expect(timeInWords(new Date(2026, 0, 1, hours, minutes))).toBe(words);
  });
});
