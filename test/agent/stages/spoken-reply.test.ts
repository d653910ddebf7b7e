import { describe, expect, test } from 'vitest';
import { SpokenReply } from '../../../src/agent/stages/spoken-reply.ts';

/** Two sentences, of 1000 ms each. */
function reply(): SpokenReply {
  const spoken = new SpokenReply();
  for (const text of ['Hello dear caller.', 'How are you?']) {
    spoken.begin(text);
    spoken.wrote(600);
    spoken.wrote(400);
    spoken.end();
  }
  return spoken;
}

describe('a spoken reply', () => {
  test('counts a word as heard when all of it was played', () => {
    const spoken = reply();
    expect(spoken.heardAt(0)).toBe('');
    expect(spoken.heardAt(270)).toBe('');
    expect(spoken.heardAt(280)).toBe('Hello');
    expect(spoken.heardAt(999)).toBe('Hello dear');
    expect(spoken.heardAt(1_000)).toBe('Hello dear caller.');
    expect(spoken.heardAt(1_600)).toBe('Hello dear caller. How are');
    expect(spoken.heardAt(2_000)).toBe(spoken.text);
  });

  test('shows a sentence from its first sound', () => {
    expect(reply().begunAt(0)).toBe('Hello dear caller.');
    expect(reply().begunAt(1_000)).toBe('Hello dear caller. How are you?');
  });

  test('goes by the word times of a service that tells them, with the marks that follow a word', () => {
    const spoken = new SpokenReply();
    spoken.begin('Well, it is ten.');
    const times = [
      { text: 'Well', startMs: 0, endMs: 400 },
      { text: 'it', startMs: 900, endMs: 950 },
    ];
    spoken.wrote(500, times);
    spoken.wrote(1_000, [
      { text: 'is', startMs: 950, endMs: 1_000 },
      { text: 'ten', startMs: 1_000, endMs: 1_400 },
    ]);
    expect(spoken.heardAt(399)).toBe('');
    expect(spoken.heardAt(400)).toBe('Well,');
    expect(spoken.heardAt(940)).toBe('Well,');
    expect(spoken.heardAt(1_399)).toBe('Well, it is');
    expect(spoken.heardAt(1_400)).toBe('Well, it is ten.');
  });

  test('goes by letters where the words of the service are not those of the text', () => {
    const spoken = new SpokenReply();
    spoken.begin('It costs $5 now.');
    spoken.wrote(1_600, [
      { text: 'It', startMs: 0, endMs: 100 },
      { text: 'costs', startMs: 100, endMs: 200 },
      { text: 'five', startMs: 200, endMs: 300 },
    ]);
    spoken.end();
    expect(spoken.heardAt(1_150)).toBe('It costs $5');
  });

  test('does not count the last word of a sentence whose audio is still arriving', () => {
    const spoken = new SpokenReply();
    spoken.begin('One two');
    spoken.wrote(10_000);
    expect(spoken.heardAt(300)).toBe('One');
    expect(spoken.heardAt(9_000)).toBe('One two');
    spoken.end();
    expect(spoken.heardAt(9_000)).toBe('One');
    expect(spoken.heardAt(10_000)).toBe('One two');
  });
});
