import { describe, expect, it } from 'vitest';
import { nestsDeeperThan } from '../../src/signaling/json-text.ts';

describe('nestsDeeperThan()', () => {
  const deeper = (text: string, depth: number) => nestsDeeperThan(Buffer.from(text), depth);

  it('counts arrays and objects, and not what stands in strings', () => {
    expect(deeper('{"a":[1]}', 2)).toBe(false);
    expect(deeper('{"a":[{}]}', 2)).toBe(true);
    expect(deeper('["[[[[", "\\"[[[", {}]', 2)).toBe(false);
    expect(deeper('[[],[],[]]', 2)).toBe(false);
  });
});
