import { describe, expect, test } from 'vitest';
import { priceBy } from '../../../src/agent/observe/index.ts';
import { FLITE, GPT, INWORLD, NOVA, REALTIME, runOf, SMALL_CATALOGUE } from './small-catalogue.ts';

const price = priceBy(SMALL_CATALOGUE);

describe('a request costs', () => {
  test('by its tokens, the cached ones like all others', () => {
    const usage = { inputTokens: 1_000, cachedInputTokens: 800, outputTokens: 100 };
    // 1000 x 2.5 / 1e6 + 100 x 10 / 1e6
    expect(price(runOf({ ...GPT, usage }))).toEqual({ type: 'priced', usd: 0.0035 });
  });

  test('by the minutes that were heard', () => {
    const found = price(runOf({ ...NOVA, usage: { audioInSeconds: 90 } }));
    expect(found).toEqual({ type: 'priced', usd: expect.closeTo(0.0072, 10) });
  });

  test('by the characters that were to be spoken; a price without a model is for all of them', () => {
    expect(price(runOf({ ...INWORLD, usage: { characters: 500 } }))).toEqual({ type: 'priced', usd: 0.005 });
  });

  test('by the audio tokens of speech to speech', () => {
    const usage = { inputTokens: 1_000, audioInputTokens: 1_000, outputTokens: 500, audioOutputTokens: 500 };
    expect(price(runOf({ ...REALTIME, usage }))).toEqual({ type: 'priced', usd: 0.064 });
  });

  test('nothing when this node did it', () => {
    expect(price(runOf({ ...FLITE, usage: { characters: 500 } }))).toEqual({ type: 'free' });
    expect(price(runOf({ ...FLITE, region: null, usage: { characters: 500 } }))).toEqual({ type: 'free' });
    expect(price(runOf({ ...GPT, region: 'local' }))).toEqual({ type: 'free' });
  });

  test('nothing when it was refused before anything came', () => {
    const refused = { firstAtMs: null, outcome: 'ERR_SERVICE_UNAVAILABLE' } as const;
    expect(price(runOf({ ...GPT, ...refused }))).toEqual({ type: 'priced', usd: 0 });
  });
});

describe('a request is unpriced', () => {
  test('when the catalogue has no such service or model, or no price for it', () => {
    const usage = { inputTokens: 10, outputTokens: 10 };
    for (const run of [
      { ...GPT, service: 'nobody' },
      { ...GPT, model: 'gpt-9' },
      { ...GPT, model: 'unpriced' },
      { ...GPT, model: null },
    ]) {
      expect(price(runOf({ ...run, usage }))).toEqual({ type: 'unpriced', why: 'no price', usd: 0 });
    }
  });

  test('when the service did not tell what it counted', () => {
    expect(price(runOf(GPT))).toEqual({ type: 'unpriced', why: 'no count', usd: 0 });
    expect(price(runOf({ ...GPT, usage: { outputTokens: 10 } }))).toMatchObject({ why: 'no count' });
    expect(price(runOf({ ...GPT, firstAtMs: null, outcome: 'aborted' }))).toMatchObject({ why: 'no count' });
  });

  test('in part when text tokens went over a service that is priced by audio', () => {
    const usage = { inputTokens: 1_500, audioInputTokens: 1_000, outputTokens: 0, audioOutputTokens: 0 };
    expect(price(runOf({ ...REALTIME, usage }))).toEqual({
      type: 'unpriced',
      why: 'price for a part only',
      usd: 0.032,
    });
  });
});
