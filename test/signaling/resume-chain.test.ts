import { describe, expect, it } from 'vitest';
import {
  FIRST_RESUME_TOKEN,
  mayComeBackBy,
  mayResume,
  type ResumeChain,
  resumedWith,
} from '../../src/signaling/resume-chain.ts';

describe('the chain of resume tokens', () => {
  const good = (chain: ResumeChain) => [0, 1, 2, 3, 4, 5].filter((generation) => mayResume(chain, generation));

  it('begins with the one that came with the join', () => {
    expect(good(FIRST_RESUME_TOKEN)).toEqual([1]);
  });

  it('keeps a token good until its successor was used', () => {
    const second = resumedWith(FIRST_RESUME_TOKEN, 1);
    expect(good(second)).toEqual([1, 2]);
    expect(good(resumedWith(second, 1))).toEqual([1, 2]);
    const third = resumedWith(second, 2);
    expect(good(third)).toEqual([2, 3]);
    expect(good(resumedWith(third, 2))).toEqual([2, 3]);
    expect(good(resumedWith(third, 3))).toEqual([3, 4]);
  });

  it('is as strict at another POP about the past, and believes a later token than the registry knows', () => {
    const goodAt = (known: number | null) =>
      [0, 1, 2, 3, 4, 5].filter((generation) => mayComeBackBy(known, generation));
    expect(goodAt(3)).toEqual([2, 3, 4, 5]);
    expect(goodAt(1)).toEqual([1, 2, 3, 4, 5]);
    expect(goodAt(null)).toEqual([1, 2, 3, 4, 5]);
  });

  it('can not be moved by a token that is not good', () => {
    expect(() => resumedWith({ newest: 3 }, 1)).toThrow(RangeError);
    expect(() => resumedWith({ newest: 3 }, 4)).toThrow(RangeError);
  });
});
