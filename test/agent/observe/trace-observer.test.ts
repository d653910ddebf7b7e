import { afterEach, beforeEach, expect, test } from 'vitest';
import { agentMetrics, type Observation } from '../../../src/agent/index.ts';
import { priceBy } from '../../../src/agent/observe/index.ts';
import { observed } from '../../../src/agent/observed-call.ts';
import { createMetrics, silentLogger, startTracing, type Tracing } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { lengthMs, OtlpCollector } from '../../telemetry/otlp-collector.ts';
import { FLITE, GPT, NOVA, runOf, SMALL_CATALOGUE } from './small-catalogue.ts';

const STARTED_AT = Date.UTC(2026, 10, 20, 9, 0, 0);
let collector: OtlpCollector;
let tracing: Tracing;
let clock: FakeClock;

beforeEach(async () => {
  collector = await OtlpCollector.start();
  clock = new FakeClock(10_000, STARTED_AT);
  tracing = (await startTracing({
    endpoint: collector.url,
    tracesEndpoint: null,
    serviceName: 'antipode',
    nodeId: 'local',
    region: 'local',
    clock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
  }))!;
});
afterEach(async () => {
  await tracing.close();
  await collector[Symbol.asyncDispose]();
});

/** Observe a call as an agent host does, and deliver its traces. */
async function observe(...all: Observation[]): Promise<void> {
  const call = observed(new MemoryCall({ clock }), {
    agent: 'front-desk',
    metrics: agentMetrics(createMetrics({ processMetrics: false })),
    price: priceBy(SMALL_CATALOGUE),
    tracing,
  });
  for (const seen of all) call.observe(seen);
  await tracing.close();
}

const timeline = {
  turn: 1,
  endpointingMs: 200,
  sttMs: 100,
  llmMs: 250,
  ttsMs: 150,
  mouthMs: 10,
  backboneRttMs: 1,
  totalMs: 710,
  interrupted: false,
};

test('a call is one trace: the session, its turn, in it the services and the tool with their times', async () => {
  const stt = { ...NOVA, startedAtMs: 12_200, firstAtMs: 12_300, endedAtMs: 12_300, usage: { audioInSeconds: 1.5 } };
  const usage = { inputTokens: 1_000, cachedInputTokens: 600, outputTokens: 100 };
  const llm = { ...GPT, startedAtMs: 12_300, firstAtMs: 12_550, endedAtMs: 13_100, usage };
  const tts = { ...FLITE, startedAtMs: 12_550, firstAtMs: 12_700, endedAtMs: 12_800, usage: { characters: 42 } };
  await observe(
    { type: 'call-started', atMs: 10_000 },
    { type: 'turn-started', turn: 1, cause: 'speech', atMs: 10_500 },
    { type: 'turn-ended', turn: 1, by: 'smart-turn', atMs: 12_200 },
    { type: 'service-run', turn: 1, run: runOf(stt) },
    { type: 'tool-started', turn: 1, callId: 'call_7', name: 'book_table', atMs: 12_400 },
    {
      type: 'tool-ended',
      turn: 1,
      callId: 'call_7',
      name: 'book_table',
      startedAtMs: 12_400,
      atMs: 12_520,
      outcome: 'ok',
    },
    { type: 'service-run', turn: 1, run: runOf(llm) },
    { type: 'service-run', turn: 1, run: runOf(tts) },
    { type: 'turn-audible', turn: 1, atMs: 12_710, timeline },
    { type: 'turn-settled', turn: 1, reason: null, atMs: 14_000, timeline },
    { type: 'call-ended', atMs: 20_000 },
  );

  expect(collector.spans).toHaveLength(6);
  expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1);
  const session = collector.span('invoke_agent front-desk');
  const turn = collector.span('turn');
  const heard = collector.span('speech_to_text nova-3');
  const chat = collector.span('chat gpt-4o');
  const spoken = collector.span('text_to_speech flite');
  const tool = collector.span('execute_tool book_table');
  expect(session.parentSpanId).toBeUndefined();
  expect(turn.parentSpanId).toBe(session.spanId);
  for (const part of [heard, chat, spoken, tool]) expect(part.parentSpanId).toBe(turn.spanId);

  expect(session.startTimeUnixNano).toBe(STARTED_AT);
  expect(chat.startTimeUnixNano).toBe(STARTED_AT + 2_300);
  expect([session, turn, heard, chat, spoken, tool].map(lengthMs)).toEqual([10_000, 3_500, 100, 800, 250, 120]);

  expect(session.attributes).toMatchObject({ 'gen_ai.conversation.id': 'memory', 'gen_ai.agent.name': 'front-desk' });
  expect(turn.attributes).toMatchObject({
    'antipode.turn.number': 1,
    'antipode.turn.cause': 'speech',
    'antipode.turn.ended_by': 'smart-turn',
    'antipode.turn.outcome': 'played',
    'antipode.turn.total_ms': 710,
  });
  expect(chat.attributes).toEqual({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o',
    'gen_ai.output.type': 'text',
    'gen_ai.response.time_to_first_chunk': 0.25,
    'gen_ai.usage.input_tokens': 1_000,
    'gen_ai.usage.output_tokens': 100,
    'gen_ai.usage.cache_read.input_tokens': 600,
    'antipode.service.kind': 'llm',
    'antipode.service.name': 'openai',
    'antipode.service.region': 'eu',
    'antipode.service.outcome': 'ok',
    'antipode.cost_usd': 0.0035,
  });
  expect(chat.kind).toBe(3);
  expect(spoken.kind).toBe(1);
  expect(spoken.attributes).toMatchObject({ 'antipode.usage.characters': 42, 'antipode.cost_usd': 0 });
  expect(tool.attributes).toMatchObject({ 'gen_ai.tool.name': 'book_table', 'gen_ai.tool.call.id': 'call_7' });
  expect(collector.spans.every(({ status }) => status.code === 0)).toBe(true);
});

test('interruptions, fail-overs and speculations are events of their turn, at their time', async () => {
  await observe(
    { type: 'call-started', atMs: 10_000 },
    { type: 'turn-started', turn: 1, cause: 'speech', atMs: 10_000 },
    { type: 'speculation', turn: 1, outcome: 'taken', atMs: 10_100 },
    { type: 'fail-over', turn: 1, kind: 'llm', from: 'a', to: 'b', code: 'ERR_SERVICE_FAILED', atMs: 10_200 },
    { type: 'interruption', turn: 1, outcome: 'paused', soundAtMs: 10_250, atMs: 10_300 },
    { type: 'interruption', turn: 1, outcome: 'confirmed', soundAtMs: 10_250, atMs: 10_500 },
    { type: 'turn-settled', turn: 1, reason: 'interrupted', atMs: 10_500, timeline: null },
    { type: 'call-ended', atMs: 11_000 },
  );
  const turn = collector.span('turn');
  expect(turn.attributes['antipode.turn.outcome']).toBe('interrupted');
  expect(turn.events.map(({ name, timeUnixNano }) => [name, timeUnixNano - STARTED_AT])).toEqual([
    ['speculation', 100],
    ['fail_over', 200],
    ['interruption', 300],
    ['interruption', 500],
  ]);
  expect(turn.events[1]!.attributes).toMatchObject({ 'antipode.fail_over.from': 'a', 'antipode.fail_over.to': 'b' });
  expect(turn.events[3]!.attributes).toMatchObject({
    'antipode.interruption.outcome': 'confirmed',
    'antipode.interruption.after_sound_ms': 250,
  });
});

test('a failed request is an error with its code, one that was aborted is none', async () => {
  await observe(
    { type: 'call-started', atMs: 10_000 },
    { type: 'turn-started', turn: 1, cause: 'text', atMs: 10_000 },
    {
      type: 'service-run',
      turn: 1,
      run: runOf({ ...GPT, firstAtMs: null, outcome: 'ERR_SERVICE_TIMEOUT' }),
    },
    { type: 'service-run', turn: 1, run: runOf({ ...NOVA, firstAtMs: null, outcome: 'aborted' }) },
    { type: 'call-ended', atMs: 11_000 },
  );
  const failed = collector.span('chat gpt-4o');
  expect(failed.status.code).toBe(2);
  expect(failed.attributes['error.type']).toBe('ERR_SERVICE_TIMEOUT');
  expect(failed.attributes['gen_ai.response.time_to_first_chunk']).toBeUndefined();
  const aborted = collector.span('speech_to_text nova-3');
  expect(aborted.status.code).toBe(0);
  expect(aborted.attributes['antipode.service.outcome']).toBe('aborted');
});

test('a request that ends after its turn still hangs on it, and one of no turn on the session', async () => {
  await observe(
    { type: 'call-started', atMs: 10_000 },
    { type: 'turn-started', turn: 1, cause: 'speech', atMs: 10_000 },
    { type: 'turn-settled', turn: 1, reason: 'interrupted', atMs: 10_100, timeline: null },
    { type: 'service-run', turn: 1, run: runOf({ ...GPT, endedAtMs: 10_200 }) },
    { type: 'service-run', turn: null, run: runOf({ ...NOVA }) },
    { type: 'interruption', turn: 1, outcome: 'rejected', soundAtMs: 10_150, atMs: 10_160 },
    { type: 'call-ended', atMs: 11_000 },
  );
  const session = collector.span('invoke_agent front-desk');
  expect(collector.span('chat gpt-4o').parentSpanId).toBe(collector.span('turn').spanId);
  expect(collector.span('speech_to_text nova-3').parentSpanId).toBe(session.spanId);
  expect(session.events).toMatchObject([{ name: 'interruption', attributes: { 'antipode.turn.number': 1 } }]);
});

test('a call that breaks off ends what was open: its turn and its tool', async () => {
  await observe(
    { type: 'call-started', atMs: 10_000 },
    { type: 'turn-started', turn: 1, cause: 'speech', atMs: 10_100 },
    { type: 'tool-started', turn: 1, callId: 'c', name: 'slow', atMs: 10_200 },
    { type: 'call-ended', atMs: 10_900 },
  );
  const tool = collector.span('execute_tool slow');
  expect(tool.attributes['antipode.tool.outcome']).toBe('cancelled');
  expect([tool, collector.span('turn')].map(lengthMs)).toEqual([700, 800]);
  expect(collector.span('turn').attributes['antipode.turn.outcome']).toBe('closed');
});

test('a long call keeps a bounded number of turns, each of them delivered once', async () => {
  const turns = Array.from({ length: 100 }, (_, turn): Observation[] => [
    { type: 'turn-started', turn, cause: 'speech', atMs: 10_000 + turn },
    { type: 'turn-settled', turn, reason: null, atMs: 10_001 + turn, timeline: null },
  ]);
  const late: Observation = { type: 'service-run', turn: 0, run: runOf(GPT) };
  await observe({ type: 'call-started', atMs: 10_000 }, ...turns.flat(), late, { type: 'call-ended', atMs: 11_000 });
  expect(collector.spans.filter(({ name }) => name === 'turn')).toHaveLength(100);
  expect(collector.span('chat gpt-4o').parentSpanId).toBe(collector.span('invoke_agent front-desk').spanId);
});
