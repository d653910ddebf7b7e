import { expect, test } from 'vitest';
import { keptTokens, SMART_TURN_TOKENS } from '../../../../src/agent/turn-taking/smart-turn/kept-tokens.ts';

const SECOND = 16_000;

test.each([0, 1, 0.5 * SECOND, 3 * SECOND, 7.7 * SECOND, 8 * SECOND, 20 * SECOND])(
  'tokens of %i samples stand for all 400, in order, the sound whole',
  (samples) => {
    const { positions, logWeights } = keptTokens(samples);
    expect(positions.length).toBe(logWeights.length);
    const weights = [...logWeights].map(Math.exp);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(SMART_TURN_TOKENS, 3);
    expect([...positions].every((position, at) => at === 0 || position > positions[at - 1]!)).toBe(true);
    const sound = Math.min(SMART_TURN_TOKENS, Math.ceil(samples / 320));
    const first = BigInt(SMART_TURN_TOKENS - sound);
    const ofSound = [...positions].flatMap((position, at) => (position >= first ? [weights[at]!] : []));
    expect(ofSound).toEqual(new Array(sound).fill(1));
  },
);

test('few lengths are used', () => {
  const lengths = new Set<number>();
  for (let samples = 0; samples <= 8 * SECOND; samples += 160) lengths.add(keptTokens(samples).positions.length);
  expect(lengths.size).toBeLessThanOrEqual(25);
  expect(keptTokens(3 * SECOND).positions.length).toBeLessThan(SMART_TURN_TOKENS * 0.6);
});
