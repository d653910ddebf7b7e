import { pino } from 'pino';
import { expect, test } from 'vitest';
import { type CallUsage, type ClientEvent, clientEventSchema } from '../../../src/agent/client-events.ts';
import type { Observation } from '../../../src/agent/index.ts';
import { CostObserver, priceBy } from '../../../src/agent/observe/index.ts';
import { FLITE, GPT, INWORLD, NOVA, runOf, SMALL_CATALOGUE } from './small-catalogue.ts';

function setUp() {
  const sent: CallUsage[] = [];
  const lines: Record<string, unknown>[] = [];
  const observer = new CostObserver({
    price: priceBy(SMALL_CATALOGUE),
    send: (event: ClientEvent) => {
      clientEventSchema.parse(event);
      if (event.type === 'usage') sent.push(event.usage);
    },
    log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  const run = (...[values]: Parameters<typeof runOf>) => {
    observer.observed({ type: 'service-run', turn: 1, run: runOf(values) });
  };
  const settle = () => observer.observed(SETTLED);
  return { observer, sent, lines, run, settle };
}

const SETTLED: Observation = { type: 'turn-settled', turn: 1, reason: null, atMs: 2_000, timeline: null };

test('usage is summed by service and model, and priced', () => {
  const { run, settle, sent } = setUp();
  run({ ...NOVA, usage: { audioInSeconds: 30 } });
  run({ ...NOVA, usage: { audioInSeconds: 30 } });
  run({ ...GPT, usage: { inputTokens: 1_000, outputTokens: 100 } });
  run({ ...INWORLD, usage: { characters: 100, audioOutSeconds: 6 } });
  settle();
  expect(sent).toHaveLength(1);
  expect(sent[0]!.services).toEqual([
    { ...NOVA, requests: 2, units: { audioInSeconds: 60 }, costUsd: expect.closeTo(0.0048, 10) },
    { ...GPT, requests: 1, units: { inputTokens: 1_000, outputTokens: 100 }, costUsd: 0.0035 },
    { ...INWORLD, requests: 1, units: { characters: 100, audioOutSeconds: 6 }, costUsd: 0.001 },
  ]);
  expect(sent[0]!.costUsd).toBeCloseTo(0.0093, 10);
  expect(sent[0]!.unpriced).toEqual([]);
});

test('the client is told once a turn, and only of what has changed', () => {
  const { observer, run, settle, sent } = setUp();
  settle();
  expect(sent).toHaveLength(0);
  run({ ...INWORLD, usage: { characters: 100 } });
  run({ ...INWORLD, usage: { characters: 100 } });
  expect(sent).toHaveLength(0);
  settle();
  settle();
  expect(sent).toHaveLength(1);
  run({ ...INWORLD, usage: { characters: 100 } });
  observer.observed({ type: 'call-ended', atMs: 3_000 });
  observer.observed({ type: 'call-ended', atMs: 3_000 });
  expect(sent.map(({ costUsd }) => costUsd)).toEqual([0.002, expect.closeTo(0.003, 10)]);
});

test('what has no price is listed, and its cost is unknown, not nothing', () => {
  const { run, settle, sent } = setUp();
  run({ kind: 'stt', service: 'nobody', model: 'x', usage: { audioInSeconds: 60 } });
  settle();
  expect(sent[0]).toMatchObject({ costUsd: 0, services: [{ costUsd: null }], unpriced: ['stt nobody x: no price'] });
});

test('a request that was not counted is listed beside the cost of the others', () => {
  const { run, settle, sent } = setUp();
  run({ ...GPT, usage: { inputTokens: 1_000, outputTokens: 0 } });
  run({ ...GPT, outcome: 'aborted' });
  settle();
  expect(sent[0]).toMatchObject({
    services: [{ requests: 2, costUsd: 0.0025 }],
    unpriced: ['llm openai gpt-4o: no count for 1 of 2 requests'],
  });
});

test('a program of this node costs nothing, which is known', () => {
  const { run, settle, sent } = setUp();
  run({ ...FLITE, usage: { characters: 40 } });
  settle();
  expect(sent[0]).toMatchObject({ costUsd: 0, services: [{ service: 'flite', costUsd: 0 }], unpriced: [] });
});

test('the end of a call is one line of the log with its length and its sums', () => {
  const { observer, run, lines } = setUp();
  observer.observed({ type: 'call-started', atMs: 1_000 });
  run({ ...INWORLD, usage: { characters: 100 } });
  observer.observed({ type: 'call-ended', atMs: 62_340 });
  observer.observed({ type: 'call-ended', atMs: 62_340 });
  expect(lines).toMatchObject([
    { level: 30, msg: 'what the call used', seconds: 61.3, costUsd: 0.001, services: [{ service: 'inworld' }] },
  ]);
});

test('a call of more services than a client takes still tells a valid event, with the whole sum', () => {
  const { run, settle, sent } = setUp();
  for (let number = 0; number < 40; number++) run({ ...INWORLD, model: `voice-${number}`, usage: { characters: 100 } });
  run({ kind: 'llm', service: 's'.repeat(100), model: 'm'.repeat(300) });
  settle();
  expect(sent[0]!.services).toHaveLength(32);
  expect(sent[0]!.costUsd).toBeCloseTo(0.04, 10);
});
