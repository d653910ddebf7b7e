import { expect, test } from 'vitest';
import type { Observation, ServiceRun, TurnTimeline } from '../../../src/agent/index.ts';
import { LegObserver, type LegTime, type TurnTrips } from '../../../src/agent/observe/index.ts';
import { FLITE, GPT, INWORLD, NOVA, runOf } from './small-catalogue.ts';

function setUp() {
  const times: LegTime[] = [];
  const turns: TurnTrips[] = [];
  const sink = { took: (time: LegTime) => times.push(time), answered: (trips: TurnTrips) => turns.push(trips) };
  const observer = new LegObserver({ agent: 'desk', sink });
  const see = (...all: Observation[]) => {
    for (const seen of all) observer.observed(seen);
  };
  return { times, turns, see };
}

type Kind = typeof GPT | typeof INWORLD | typeof NOVA | typeof FLITE;
const run = (kind: Kind, startedAtMs: number, firstAtMs: number | null, endedAtMs: number, more = {}): Observation => ({
  type: 'service-run',
  turn: 1,
  run: runOf({ ...kind, startedAtMs, firstAtMs, endedAtMs, ...more }),
});
const started = (cause: 'call' | 'speech' | 'text' | 'idle' = 'speech'): Observation => ({
  ...{ type: 'turn-started', turn: 1, cause, atMs: 0 },
});
const audible = (atMs: number): Observation => ({
  ...{ type: 'turn-audible', turn: 1, atMs, timeline: {} as TurnTimeline },
});
const settled = (reason: null | 'interrupted' = null): Observation => ({
  ...{ type: 'turn-settled', turn: 1, reason, atMs: 9_000, timeline: null },
});

test('a request that was answered is timed to its first word or sound, by its address', () => {
  const { see, times } = setUp();
  see(started(), run(NOVA, 900, 1_150, 1_150), run(GPT, 1_000, 1_400, 2_000, { connectMs: 31 }));
  expect(times).toEqual([
    { ...NOVA, region: 'eu', ms: 250, connectMs: null, atMs: 1_150 },
    { ...GPT, region: 'eu', ms: 400, connectMs: 31, atMs: 2_000 },
  ]);
});

test('no time are requests that failed, were given up, took nothing, gave nothing, or were for no turn', () => {
  const { see, times } = setUp();
  const outcomes: Partial<ServiceRun>[] = [{ outcome: 'aborted' }, { outcome: 'ERR_SERVICE_TIMEOUT' }];
  see(started(), ...outcomes.map((more) => run(GPT, 1_000, 1_400, 2_000, more)));
  see(run(NOVA, 1_000, 1_000, 1_000), run(GPT, 1_000, null, 2_000));
  see({ type: 'service-run', turn: null, run: runOf(GPT) });
  expect(times).toEqual([]);
});

test('two rounds with a tool between are two round trips of the model, and one of the voice', () => {
  const { see, turns } = setUp();
  see(started(), run(GPT, 1_000, 1_300, 1_400), run(GPT, 1_600, 1_900, 2_900));
  see(run(INWORLD, 2_000, 2_200, 2_400), audible(2_220), run(INWORLD, 2_400, 2_600, 2_800), settled());
  expect(turns).toEqual([{ agent: 'desk', llm: 2, tts: 1, atMs: 9_000 }]);
});

test('what the first sound did not wait for is none: a round after it, a second beside the first, one that was given up', () => {
  const { see, turns } = setUp();
  see(started(), run(GPT, 1_000, 1_300, 1_500), run(GPT, 1_000, 1_350, 1_600));
  see(run(GPT, 800, 900, 950, { outcome: 'aborted' }));
  see(run(FLITE, 1_310, 1_330, 1_400), audible(1_340), run(GPT, 1_700, 2_100, 2_500), settled());
  expect(turns).toEqual([{ agent: 'desk', llm: 1, tts: 1, atMs: 9_000 }]);
});

test('an answer without a model counts as none', () => {
  const { see, turns } = setUp();
  see(started('text'), run(FLITE, 1_000, 1_020, 1_100), audible(1_040), settled());
  expect(turns).toEqual([{ agent: 'desk', llm: 0, tts: 1, atMs: 9_000 }]);
});

test.each([
  ['a greeting', [started('call'), run(GPT, 1, 2, 3), audible(5), settled()]],
  ['a prompt after a silence', [started('idle'), run(GPT, 1, 2, 3), audible(5), settled()]],
  ['a turn that was cut off', [started(), run(GPT, 1, 2, 3), audible(5), settled('interrupted')]],
  ['a turn that nobody heard', [started(), run(GPT, 1, 2, 3), settled()]],
  [
    'a turn in which a service failed',
    [
      ...[started(), run(GPT, 1, 2, 3), audible(5)],
      { type: 'service-failed', turn: 1, kind: 'tts', service: 'x', code: 'ERR_SERVICE_FAILED', atMs: 4 },
      settled(),
    ],
  ],
  [
    'a turn in which another service took over',
    [
      ...[started(), run(GPT, 1, 2, 3), audible(5)],
      { type: 'fail-over', turn: 1, kind: 'llm', from: 'a', to: 'b', code: 'ERR_SERVICE_FAILED', atMs: 4 },
      settled(),
    ],
  ],
] as [string, Observation[]][])('%s is no turn to count', (_, all) => {
  const { see, turns } = setUp();
  see(...all);
  expect(turns).toEqual([]);
});
