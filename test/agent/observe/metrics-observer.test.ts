import { expect, test } from 'vitest';
import type { Observation, ToolOutcome } from '../../../src/agent/index.ts';
import { callMetrics, MetricsObserver, priceBy } from '../../../src/agent/observe/index.ts';
import { createMetrics } from '../../../src/telemetry/index.ts';
import { FLITE, GPT, INWORLD, NOVA, REALTIME, runOf, SMALL_CATALOGUE } from './small-catalogue.ts';

const SERVICE_LABELS = (of: { kind: string; service: string; model: string | null }) => ({
  kind: of.kind,
  service: of.service,
  model: of.model ?? 'none',
});

function setUp() {
  const registry = createMetrics({ processMetrics: false });
  const metrics = callMetrics(registry);
  const observer = new MetricsObserver({ metrics, price: priceBy(SMALL_CATALOGUE) });
  const see = (...all: Observation[]) => {
    for (const seen of all) observer.observed(seen);
  };
  const run = (...[values]: Parameters<typeof runOf>) => see({ type: 'service-run', turn: 1, run: runOf(values) });
  /** Value of the series with exactly these labels; undefined when there is none. */
  const value = async (name: string, labels: Record<string, string> = {}) => {
    const { values } = await registry.getSingleMetric(name)!.get();
    const wanted = JSON.stringify(Object.entries(labels).sort());
    return values.find(
      (each) =>
        JSON.stringify(Object.entries(each.labels).sort()) === wanted &&
        !((each as { metricName?: string }).metricName ?? '').endsWith('_count'),
    )?.value;
  };
  /** Sum and count of a histogram. */
  const times = async (name: string, labels: Record<string, string>) => {
    const { values } = await registry.getSingleMetric(name)!.get();
    const of = (suffix: string) =>
      values.find(
        (each) =>
          (each as { metricName?: string }).metricName === `${name}_${suffix}` &&
          Object.entries(labels).every(([key, wanted]) => each.labels[key] === wanted),
      )?.value;
    return [of('sum'), of('count')];
  };
  return { registry, see, run, value, times };
}

test('a request is timed to its first word and to its end, and counted by its outcome', async () => {
  const { run, value, times } = setUp();
  run({ ...GPT, firstAtMs: 1_300, endedAtMs: 1_900 });
  run({ ...GPT, firstAtMs: null, endedAtMs: 1_100, outcome: 'ERR_SERVICE_TIMEOUT' });
  const labels = SERVICE_LABELS(GPT);
  expect(await times('antipode_service_first_seconds', labels)).toEqual([0.3, 1]);
  expect(await times('antipode_service_run_seconds', labels)).toEqual([1, 2]);
  expect(await value('antipode_service_runs_total', { ...labels, outcome: 'ok' })).toBe(1);
  expect(await value('antipode_service_runs_total', { ...labels, outcome: 'ERR_SERVICE_TIMEOUT' })).toBe(1);
});

test('what services were given and gave is counted in their own units', async () => {
  const { run, value } = setUp();
  run({ ...GPT, usage: { inputTokens: 900, cachedInputTokens: 500, outputTokens: 40 } });
  run({ ...REALTIME, usage: { inputTokens: 9, outputTokens: 8, audioInputTokens: 7, audioOutputTokens: 6 } });
  run({ ...NOVA, usage: { audioInSeconds: 4.5 } });
  run({ ...INWORLD, usage: { characters: 70, audioOutSeconds: 3 } });
  const tokens = (of: typeof GPT | typeof REALTIME, type: string) =>
    value('antipode_service_tokens_total', { ...SERVICE_LABELS(of), type });
  expect(await Promise.all(['input', 'cached-input', 'output'].map((type) => tokens(GPT, type)))).toEqual([
    900, 500, 40,
  ]);
  expect(await Promise.all(['audio-input', 'audio-output'].map((type) => tokens(REALTIME, type)))).toEqual([7, 6]);
  const sound = 'antipode_service_audio_seconds_total';
  expect(await value(sound, { ...SERVICE_LABELS(NOVA), direction: 'in' })).toBe(4.5);
  expect(await value(sound, { ...SERVICE_LABELS(INWORLD), direction: 'out' })).toBe(3);
  expect(await value('antipode_service_characters_total', SERVICE_LABELS(INWORLD))).toBe(70);
});

test('costs are dollars by the catalogue; what has no price is counted apart, what is free nowhere', async () => {
  const { run, value } = setUp();
  run({ ...INWORLD, usage: { characters: 1_000 } });
  run({ ...GPT, model: 'unpriced', usage: { inputTokens: 1, outputTokens: 1 } });
  run({ ...FLITE, usage: { characters: 1_000 } });
  expect(await value('antipode_service_cost_usd_total', SERVICE_LABELS(INWORLD))).toBe(0.01);
  const unpriced = { ...SERVICE_LABELS({ ...GPT, model: 'unpriced' }), why: 'no price' };
  expect(await value('antipode_service_unpriced_runs_total', unpriced)).toBe(1);
  expect(await value('antipode_service_cost_usd_total', SERVICE_LABELS(FLITE))).toBeUndefined();
});

test('a turn is counted by what began and ended it, its parts timed, its endpointing by what decided', async () => {
  const { see, value, times } = setUp();
  const parts = { endpointingMs: 250, sttMs: 100, llmMs: null, ttsMs: 50, mouthMs: 5, backboneRttMs: 9 };
  const timeline = { turn: 1, ...parts, totalMs: 405, interrupted: false };
  see(
    { type: 'turn-started', turn: 1, cause: 'speech', atMs: 0 },
    { type: 'turn-ended', turn: 1, by: 'smart-turn', atMs: 250 },
    { type: 'turn-audible', turn: 1, atMs: 405, timeline },
    { type: 'turn-settled', turn: 1, reason: 'interrupted', atMs: 900, timeline },
    { type: 'turn-started', turn: 2, cause: 'text', atMs: 950 },
    { type: 'turn-settled', turn: 2, reason: null, atMs: 990, timeline: null },
  );
  expect(await value('antipode_turns_total', { cause: 'speech', outcome: 'interrupted' })).toBe(1);
  expect(await value('antipode_turns_total', { cause: 'text', outcome: 'played' })).toBe(1);
  expect(await times('antipode_endpointing_seconds', { by: 'smart-turn' })).toEqual([0.25, 1]);
  expect(await times('antipode_turn_seconds', { part: 'total' })).toEqual([0.405, 1]);
  expect(await times('antipode_turn_seconds', { part: 'llm' })).toEqual([undefined, undefined]);
});

test('interruptions, speculations, silences and lost services are counted by their outcomes', async () => {
  const { see, value, times } = setUp();
  see(
    { type: 'interruption', turn: 1, outcome: 'paused', soundAtMs: 100, atMs: 180 },
    { type: 'interruption', turn: 1, outcome: 'rejected', soundAtMs: 100, atMs: 700 },
    { type: 'speculation', turn: 1, outcome: 'dropped', atMs: 1 },
    { type: 'idle', turn: 2, outcome: 'prompted', atMs: 1 },
    { type: 'context-summarized', entries: 9, atMs: 1 },
    { type: 'service-failed', turn: 1, kind: 'tts', service: 'inworld', code: 'ERR_SERVICE_FAILED', atMs: 1 },
  );
  expect(await value('antipode_interruptions_total', { outcome: 'paused' })).toBe(1);
  expect(await value('antipode_interruptions_total', { outcome: 'rejected' })).toBe(1);
  expect(await times('antipode_interruption_seconds', { outcome: 'rejected' })).toEqual([0.6, 1]);
  expect(await value('antipode_speculations_total', { outcome: 'dropped' })).toBe(1);
  expect(await value('antipode_idle_total', { outcome: 'prompted' })).toBe(1);
  expect(await value('antipode_context_summaries_total')).toBe(1);
  const lost = { kind: 'tts', service: 'inworld', code: 'ERR_SERVICE_FAILED' };
  expect(await value('antipode_service_errors_total', lost)).toBe(1);
});

test('tools are counted by name and outcome; names that a model makes up make no series', async () => {
  const { see, registry, value } = setUp();
  const ended = (name: string, outcome: ToolOutcome): Observation => {
    return { type: 'tool-ended', turn: 1, callId: 'c', name, startedAtMs: 0, atMs: 40, outcome };
  };
  see(ended('book', 'ok'), ended('book', 'timed-out'), ended('made up', 'unknown-tool'));
  for (let number = 0; number < 200; number++) see(ended(`tool-${number}`, 'ok'));
  expect(await value('antipode_tool_runs_total', { tool: 'book', outcome: 'timed-out' })).toBe(1);
  expect(await value('antipode_tool_runs_total', { tool: 'unknown', outcome: 'unknown-tool' })).toBe(1);
  expect(await value('antipode_tool_runs_total', { tool: 'other', outcome: 'ok' })).toBe(101);
  const { values } = await registry.getSingleMetric('antipode_tool_runs_total')!.get();
  expect(new Set(values.map(({ labels }) => labels.tool)).size).toBe(102);
});
