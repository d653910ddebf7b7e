/**
 * Names and attributes of the spans of a call. `gen_ai.*` and `error.type` are OpenTelemetry's conventions for
 * generative AI (https://github.com/open-telemetry/semantic-conventions-genai, in development); times there are
 * seconds, ours are milliseconds and say so.
 */
import type { SpanAttributes } from '../../telemetry/index.ts';
import type { TurnTimeline } from '../client-events.ts';
import type { ServiceKind, ServiceRun } from './observation.ts';
import type { RunPrice } from './price.ts';

/** `chat` is the conventions' word; they have none for speech, and allow others. */
const OPERATIONS: Record<ServiceKind, string> = {
  stt: 'speech_to_text',
  llm: 'chat',
  tts: 'text_to_speech',
  s2s: 'speech_to_speech',
};

/** Services of the catalogue that the conventions call by another name. */
const PROVIDERS: Readonly<Record<string, string>> = {
  'azure-openai': 'azure.ai.openai',
  bedrock: 'aws.bedrock',
  gemini: 'gcp.gemini',
  'gemini-live': 'gcp.gemini',
  vertex: 'gcp.vertex_ai',
  mistral: 'mistral_ai',
  xai: 'x_ai',
};

export function nameOfRun(run: ServiceRun): string {
  return `${OPERATIONS[run.kind]} ${run.model ?? run.service}`;
}

export function attributesOfRun(run: ServiceRun, price: RunPrice): SpanAttributes {
  const { usage } = run;
  return {
    'gen_ai.operation.name': OPERATIONS[run.kind],
    'gen_ai.provider.name': PROVIDERS[run.service] ?? run.service,
    'gen_ai.request.model': run.model ?? undefined,
    'gen_ai.output.type': run.kind === 'tts' || run.kind === 's2s' ? 'speech' : 'text',
    'gen_ai.response.time_to_first_chunk':
      run.firstAtMs === null ? undefined : Math.max(0, run.firstAtMs - run.startedAtMs) / 1_000,
    'gen_ai.usage.input_tokens': usage.inputTokens,
    'gen_ai.usage.output_tokens': usage.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': usage.cachedInputTokens,
    'antipode.service.kind': run.kind,
    'antipode.service.name': run.service,
    'antipode.service.region': run.region ?? undefined,
    'antipode.service.outcome': run.outcome,
    'antipode.usage.audio_input_tokens': usage.audioInputTokens,
    'antipode.usage.audio_output_tokens': usage.audioOutputTokens,
    'antipode.usage.audio_in_seconds': usage.audioInSeconds,
    'antipode.usage.audio_out_seconds': usage.audioOutSeconds,
    'antipode.usage.characters': usage.characters,
    'antipode.cost_usd': price.type === 'free' ? 0 : price.type === 'priced' ? price.usd : undefined,
  };
}

export function attributesOfTool(callId: string, name: string, outcome: string): SpanAttributes {
  return {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': name.slice(0, 64),
    'gen_ai.tool.call.id': callId.slice(0, 128),
    'antipode.tool.outcome': outcome,
  };
}

export function attributesOfTimeline(timeline: TurnTimeline): SpanAttributes {
  return {
    'antipode.turn.endpointing_ms': timeline.endpointingMs ?? undefined,
    'antipode.turn.stt_ms': timeline.sttMs ?? undefined,
    'antipode.turn.llm_ms': timeline.llmMs ?? undefined,
    'antipode.turn.tts_ms': timeline.ttsMs ?? undefined,
    'antipode.turn.mouth_ms': timeline.mouthMs ?? undefined,
    'antipode.turn.total_ms': timeline.totalMs,
    'antipode.turn.interrupted': timeline.interrupted,
  };
}
