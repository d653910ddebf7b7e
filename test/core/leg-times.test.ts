import { expect, test } from 'vitest';
import type { LegTime } from '../../src/agent/observe/index.ts';
import { LegTimes, timed } from '../../src/core/leg-times.ts';
import { measuredLegsSchema } from '../../src/registry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const GPT = { kind: 'llm', service: 'openai', model: 'gpt-4.1', region: 'eu' } as const;
const time = (ms: number, more: Partial<LegTime> = {}): LegTime => ({
  ...GPT,
  ms,
  connectMs: null,
  atMs: 1_000,
  ...more,
});
const setUp = (options = {}) => {
  const clock = new FakeClock();
  return { clock, legs: new LegTimes({ clock, tellEveryMs: 0, ...options }) };
};

test('times are kept by kind, service, region and model, with their count and age', () => {
  const { clock, legs } = setUp();
  for (let n = 0; n < 10; n++) legs.took(time(400, { connectMs: 30 }));
  legs.took(time(900, { region: 'us' }));
  legs.took(time(50, { model: 'gpt-4.1-mini' }));
  clock.advance(2_500);
  const { services } = measuredLegsSchema.parse(legs.measured);
  expect(services.map(({ region, model, ageMs }) => [region, model, ageMs])).toEqual([
    ['eu', 'gpt-4.1', 2_500],
    ['us', 'gpt-4.1', 2_500],
    ['eu', 'gpt-4.1-mini', 2_500],
  ]);
  expect(services[0]!.p50Ms / 400).toBeCloseTo(1, 1);
  expect(services[0]!.connectMs! / 30).toBeCloseTo(1, 1);
  expect(services[0]!.count).toBeGreaterThan(9.5);
  expect(services[1]!).toMatchObject({ count: 1, connectMs: null });
});

test('no more are kept than the limit, and what was asked last stays', () => {
  const { legs } = setUp({ maxKept: 3 });
  for (const service of ['a', 'b', 'c', 'a', 'd']) legs.took(time(100, { service }));
  expect(legs.measured.services.map(({ service }) => service)).toEqual(['c', 'a', 'd']);
  for (let n = 0; n < 5; n++) legs.answered({ agent: `agent-${n}`, llm: 1, tts: 1, atMs: 1_000 });
  expect(legs.measured.turns.map(({ agent }) => agent)).toEqual(['agent-2', 'agent-3', 'agent-4']);
});

test('what was not seen for an hour is forgotten', () => {
  const { clock, legs } = setUp();
  legs.took(time(100));
  legs.answered({ agent: 'desk', llm: 1, tts: 1, atMs: 1_000 });
  clock.advance(3_600_000);
  expect(legs.measured.services).toHaveLength(1);
  clock.advance(1);
  expect(legs.measured).toEqual({ services: [], turns: [] });
});

test('the round trips of an agent are the mean of its turns, the latest two hundred or so', () => {
  const { legs } = setUp();
  for (let n = 0; n < 10; n++) legs.answered({ agent: 'desk', llm: n % 2 === 0 ? 1 : 2, tts: 1, atMs: 1_000 });
  expect(legs.measured.turns).toEqual([{ agent: 'desk', turns: 10, ageMs: 0, k: { llm: 1.5, tts: 1 } }]);
  for (let n = 0; n < 1_500; n++) legs.answered({ agent: 'desk', llm: 3, tts: 1, atMs: 1_000 });
  expect(legs.measured.turns[0]).toMatchObject({ turns: 200, k: { llm: 3 } });
});

test('what is told changes every ten seconds when there is news, and every minute when there is none', () => {
  const clock = new FakeClock();
  const legs = new LegTimes({ clock });
  const first = legs.measured;
  legs.took(time(100));
  expect(legs.measured).toBe(first);
  clock.advance(10_000);
  const second = legs.measured;
  expect(second.services).toHaveLength(1);
  clock.advance(59_999);
  expect(legs.measured).toBe(second);
  clock.advance(1);
  expect(legs.measured.services[0]!.ageMs).toBe(70_000);
});

test('agents are started with the sink of their core, and with all else of the call', () => {
  const { legs } = setUp();
  const started: unknown[] = [];
  const agents = {
    agents: [],
    start: (...all: unknown[]) => {
      started.push(all);
      return { done: Promise.resolve(), close: async () => {} };
    },
  };
  timed(agents, legs).start('desk', { sessionId: 's' } as Parameters<typeof agents.start>[0] & never);
  expect(started).toEqual([['desk', { sessionId: 's', legs }]]);
});
