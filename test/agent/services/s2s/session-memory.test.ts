import { describe, expect, test } from 'vitest';
import { SessionMemory } from '../../../../src/agent/services/s2s/session-memory.ts';

describe('the memory of a speech-to-speech session', () => {
  test('keeps the sound of an utterance until its words and its answer are there, in either order', () => {
    const memory = new SessionMemory([]);
    const [first, second] = [memory.begin(), memory.begin()];
    for (const part of [first, second]) {
      memory.hear(part, 'sound');
      part.ended = true;
    }
    memory.understood(first, 'one');
    expect(first.chunks).toEqual(['sound']);
    memory.answered();
    expect([first.chunks, second.chunks]).toEqual([null, ['sound']]);
    memory.understood(second, 'two');
    expect(second.chunks).toBeNull();
  });

  test('does not count an utterance under way as answered', () => {
    const memory = new SessionMemory([]);
    const part = memory.begin();
    memory.answered();
    expect(memory.lastUnanswered()).toBe(part);
  });

  test('is bounded in its parts, in the sounds that it keeps and in their length', () => {
    const memory = new SessionMemory([], { maxParts: 4, maxSounds: 2, maxChunks: 3 });
    const parts = Array.from({ length: 6 }, () => memory.begin());
    expect(memory.parts).toEqual(parts.slice(2));
    expect(parts.map(({ chunks }) => chunks !== null)).toEqual([false, false, false, false, true, true]);
    for (const chunk of ['a', 'b', 'c', 'd']) memory.hear(parts[5]!, chunk);
    expect(parts[5]!.chunks).toEqual(['b', 'c', 'd']);
  });
});
