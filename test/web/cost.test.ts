import { expect, test } from 'vitest';
import type { CallUsage } from '../../src/agent/client-events.ts';
import { costWords, dollars, totalWords, unitWords } from '../../web/src/client/cost.ts';

const service = (more: Partial<CallUsage['services'][number]>): CallUsage['services'][number] => {
  return { kind: 'llm', service: 'openai', model: 'gpt-4o', requests: 2, units: {}, costUsd: 0, ...more };
};

test('dollars are written as fine as they are small', () => {
  expect([0, 0.00004, 0.0042, 0.5, 1.249].map(dollars)).toEqual(['$0', 'under $0.0001', '$0.0042', '$0.5000', '$1.25']);
});

test('free, nothing and unknown are three things', () => {
  expect(costWords(service({ costUsd: 0, units: { characters: 40 } }))).toBe('free');
  expect(costWords(service({ costUsd: 0, units: {} }))).toBe('$0');
  expect(costWords(service({ costUsd: null, units: { characters: 40 } }))).toBe('no price');
  expect(costWords(service({ costUsd: 0.0035 }))).toBe('$0.0035');
});

test('a sum that lacks something says at least', () => {
  const usage = { services: [], costUsd: 0.01, unpriced: [] };
  expect(totalWords(usage)).toBe('$0.0100');
  expect(totalWords({ ...usage, unpriced: ['stt x: no price'] })).toBe('at least $0.0100');
  expect(totalWords({ ...usage, costUsd: 0, unpriced: ['stt x: no price'] })).toBe('unknown');
});

test('units are told in the words of their kind, what was not counted is left out', () => {
  const units = { inputTokens: 12_400, cachedInputTokens: 9_000, outputTokens: 85 };
  expect(unitWords(service({ units }))).toBe('2 requests, 12,400 tokens in, 9,000 of them cached, 85 tokens out');
  const heard = { kind: 'stt', requests: 1, units: { audioInSeconds: 4.26 } } as const;
  expect(unitWords(service(heard))).toBe('1 request, 4.3 s heard');
});
