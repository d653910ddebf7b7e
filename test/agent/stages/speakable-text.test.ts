import { describe, expect, test } from 'vitest';
import { SpeakableText } from '../../../src/agent/stages/speakable-text.ts';

function speakable(...pieces: string[]): string {
  const text = new SpeakableText();
  return pieces.map((piece) => text.push(piece)).join('') + text.finish();
}

const CASES: [string, string, string][] = [
  ['plain words', 'It is 7.30 p.m. at the "Old Mill", isn\'t it?', 'It is 7.30 p.m. at the "Old Mill", isn\'t it?'],
  ['bold and italic', '**Yes**, that is *very* _good_ and ***great***.', 'Yes, that is very good and great.'],
  ['bold over several words', 'The **house special** is fine.', 'The house special is fine.'],
  ['struck words and code', 'It is ~~ten~~ `twelve`.', 'It is ten twelve.'],
  ['headings', '# Menu\n## Soups\nTomato.', 'Menu\nSoups\nTomato.'],
  ['lists', 'We have:\n- soup\n* bread\n  + butter', 'We have:\nsoup\nbread\n  butter'],
  ['numbered lists', '1. Soup.\n2) Bread.', '1, Soup.\n2, Bread.'],
  ['quotes', '> So he said.\n> And left.', 'So he said.\nAnd left.'],
  ['rules', 'One.\n---\nTwo.', 'One.\n\nTwo.'],
  ['tables', '| Day | Hours |\n|---|---|\n| Monday | 9 to 5 |', 'Day Hours \n\nMonday 9 to 5 '],
  ['links', 'See [our menu](https://example.com/menu "Menu") today.', 'See our menu today.'],
  ['pictures', 'Here: ![a cat](cat.png) you see.', 'Here: you see.'],
  ['addresses', 'Go to https://www.example.com/menu/today?x=1#top. Or <http://a.org>!', 'Go to example.com. Or a.org!'],
  ['addresses without a scheme', 'It is (www.example.com/a/b).', 'It is (example.com).'],
  ['e-mail', 'Write to jane_doe@example.com.', 'Write to jane_doe@example.com.'],
  ['emoji', 'Great! 🎉 See you 👋🏽 soon 👨‍👩‍👧😀.', 'Great! See you soon .'],
  ['flags and keys', 'From 🇩🇪 with 1️⃣.', 'From with 1.'],
  ['code', 'Type this:\n```ts\nconst a = 1;\n```\nand go.', 'Type this:\n\nand go.'],
  ['a product', 'Two * three is 2*3.', 'Two * three is 2*3.'],
  ['bold numbers', 'It is **5** or *2*.', 'It is 5 or 2.'],
  ['brackets', 'Well [laughs] (quietly) yes [1] no.', 'Well [laughs] (quietly) yes [1] no.'],
  ['marks around nothing', 'So ** it __ is.', 'So it is.'],
  ['scripts without spaces', '**東京**は、*首都*です。**大きい。**はい！', '東京は、首都です。大きい。はい！'],
  ['other scripts', '**Größe** 東京 _ça_ va', 'Größe 東京 ça va'],
];

describe('speakable text', () => {
  test.each(CASES)('%s', (_what, written, spoken) => {
    expect(speakable(written)).toBe(spoken);
  });

  test.each(CASES)('%s, in pieces of any length', (_what, written, spoken) => {
    for (let size = 1; size <= 7; size++) {
      const pieces = written.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(speakable(...pieces), `pieces of ${size}`).toBe(spoken);
    }
  });

  test('gives each word on as soon as the next begins', () => {
    const text = new SpeakableText();
    expect(text.push('Hel')).toBe('');
    expect(text.push('lo there. ')).toBe('Hello there. ');
    expect(text.push('How')).toBe('');
    expect(text.finish()).toBe('How');
  });

  test('gives each clause on where there are no spaces', () => {
    const text = new SpeakableText();
    expect(text.push('東京は')).toBe('');
    expect(text.push('大きい。とて')).toBe('東京は大きい。');
  });

  test('does not wait for ever for the end of a link', () => {
    const text = new SpeakableText();
    expect(text.push('[and so on ')).toBe('');
    expect(text.push('and on '.repeat(50))).toContain('and so on');
  });

  test('gives nothing for nothing', () => {
    expect(speakable('')).toBe('');
    expect(speakable('🎉', '✨')).toBe('');
  });
});
