import { describe, expect, test } from 'vitest';
import { ConverseWords } from '../../../src/agent/stages/converse-words.ts';

/** 10 letters a second, in whole sentences. */
function said(...texts: string[]): ConverseWords {
  const words = new ConverseWords();
  for (const text of texts) {
    words.serviceText(text);
    words.serviceSound(text.length * 100);
    words.serviceEnded();
  }
  return words;
}

describe('the words of an answer against its sound', () => {
  test('counts a word when all of it was played', () => {
    const words = said('One two three.');
    expect([0, 299, 300, 699, 700, 1_399, 1_400].map((ms) => words.heardAt(ms))).toEqual([
      '',
      '',
      'One',
      'One',
      'One two',
      'One two',
      'One two three.',
    ]);
  });

  test('shows each sentence as it begins to sound', () => {
    const words = said('One. Two. Three.');
    expect([0, 500, 1_100, 1_600].map((ms) => words.begunAt(ms))).toEqual([
      'One.',
      'One. Two.',
      'One. Two. Three.',
      'One. Two. Three.',
    ]);
  });

  test('guesses the length of what is still being made by its letters', () => {
    const words = new ConverseWords();
    words.serviceText('One two three four five.');
    words.serviceSound(400);
    // 24 letters at 65 ms: 400 ms are 6.
    expect(words.heardAt(400)).toBe('One');
    words.serviceSound(2_000);
    words.serviceEnded();
    expect(words.heardAt(1_300)).toBe('One two three');
  });

  test('puts a space between what was said before a tool and after it', () => {
    expect(said('Let me see.', 'It is noon.').text).toBe('Let me see. It is noon.');
  });

  test("keeps sentences of our own out of what the service is told, and their time out of the service's", () => {
    const words = new ConverseWords();
    words.serviceText('One two.');
    words.serviceSound(800);
    words.own('Wait.');
    words.ownSound(1_000);
    words.ownEnded();
    words.serviceText('Three four.');
    words.serviceSound(1_100);
    words.serviceEnded();
    expect(words.heardAt(2_300)).toBe('One two. Wait. Three');
    expect(words.serviceHeardAt(2_300)).toEqual({ playedMs: 1_300, words: 'One two. Three' });
    expect(words.serviceHeardAt(1_200)).toEqual({ playedMs: 800, words: 'One two.' });
    expect(words.text).toBe('One two. Wait. Three four.');
  });

  test('knows of sound without words', () => {
    const words = new ConverseWords();
    words.serviceSound(500);
    expect(words.serviceHeardAt(200)).toEqual({ playedMs: 200, words: '' });
    expect(words.text).toBe('');
  });
});
