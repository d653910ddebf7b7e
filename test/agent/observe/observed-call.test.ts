import { expect, test } from 'vitest';
import { agentMetrics } from '../../../src/agent/index.ts';
import { EMPTY_JOURNAL, resumedCall } from '../../../src/agent/journal/index.ts';
import { priceBy } from '../../../src/agent/observe/index.ts';
import { observed } from '../../../src/agent/observed-call.ts';
import { createMetrics } from '../../../src/telemetry/index.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { GPT, runOf, SMALL_CATALOGUE } from './small-catalogue.ts';

test('what is observed of a call reaches its client and the metrics, without any tracing', async () => {
  const registry = createMetrics({ processMetrics: false });
  const ports = new MemoryCall();
  const call = observed(ports, {
    agent: 'front-desk',
    metrics: agentMetrics(registry),
    price: priceBy(SMALL_CATALOGUE),
    tracing: null,
  });
  call.observe({ type: 'tool-started', turn: 1, callId: 'c', name: 'book', atMs: 1 });
  const usage = { inputTokens: 1_000, outputTokens: 100 };
  call.observe({ type: 'service-run', turn: 1, run: runOf({ ...GPT, usage }) });
  call.observe({ type: 'turn-settled', turn: 1, reason: null, atMs: 2, timeline: null });
  expect(ports.events).toMatchObject([
    { type: 'tool', name: 'book', state: 'running' },
    { type: 'usage', usage: { costUsd: 0.0035 } },
  ]);
  const text = await registry.getSingleMetricAsString('antipode_service_cost_usd_total');
  expect(text).toContain('{kind="llm",service="openai",model="gpt-4o"} 0.0035');
  expect(ports.observations).toEqual([]);
});

test('an agent has the journal of its call, and what it goes on with, when the core gives them', () => {
  const options = {
    agent: 'front-desk',
    metrics: agentMetrics(createMetrics({ processMetrics: false })),
    price: priceBy(SMALL_CATALOGUE),
    tracing: null,
  };
  const journal = { note: () => {} };
  const resumed = resumedCall(EMPTY_JOURNAL, null);
  expect(observed(Object.assign(new MemoryCall(), { journal, resumed }), options)).toMatchObject({ journal, resumed });
  expect(observed(new MemoryCall(), options)).not.toHaveProperty('resumed');
});
