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
