import { describe, expect, it } from 'vitest';
import { percentile, result } from '../../bench/result.ts';
import { latenciesOf } from '../../bench/service-fakes/stacks.ts';

const passes = (figures: Record<string, number | null>, budget: Record<string, number>) =>
  result('a-name', 'A question?', figures, budget).pass;

describe('the result of a benchmark', () => {
  it('passes with every figure within its bound', () => {
    expect(passes({ p50Ms: 9, lost: 0 }, { p50Ms: 10, lost: 0 })).toBe(true);
    expect(passes({ p50Ms: 11, lost: 0 }, { p50Ms: 10, lost: 0 })).toBe(false);
  });

  it('wants at least the bound of figures for each core', () => {
    expect(passes({ fullDuplexCallsPerCore: 100 }, { fullDuplexCallsPerCore: 100 })).toBe(true);
    expect(passes({ fullDuplexCallsPerCore: 90 }, { fullDuplexCallsPerCore: 100 })).toBe(false);
  });

  it('fails on what could not be measured', () => {
    expect(passes({ p50Ms: null }, { p50Ms: 10 })).toBe(false);
    expect(passes({}, { p50Ms: 10 })).toBe(false);
    expect(percentile([], 50)).toBeNull();
  });
});

describe('the stacks of services', () => {
  it('take their latencies from the catalogue, the silence before the words are asked for left out', () => {
    const { stt, llm, tts, sources } = latenciesOf('fast');
    expect(stt).toEqual({ p50Ms: 47, p95Ms: 98 });
    expect(llm).toEqual({ p50Ms: 98, p95Ms: 217 });
    expect(tts).toEqual({ p50Ms: 188, p95Ms: 282 });
    expect(sources.join(' ')).toContain('p95 unpublished, taken as 282');
    expect(latenciesOf('common')).toMatchObject({ stt, llm: { p50Ms: 536, p95Ms: 1771 }, tts });
    expect(latenciesOf('elevenLabs')).toMatchObject({ stt, llm: { p50Ms: 536 }, tts: { p50Ms: 288, p95Ms: 432 } });
  });
});
