/**
 * The messages of Gemini's Live API, BidiGenerateContent: what the server says, as far as it is read, and what it is told
 * of a session and of what was said before. By ai.google.dev/api/live and the types of the package @google/genai 3.1.0,
 * read in November 2026. Pure; sends nothing.
 */
import { z } from 'zod';
import { describeTool } from '../llm/chat-messages.ts';
import type { Tool } from '../llm.ts';
import type { S2sTurns } from '../s2s.ts';
import type { RealtimeUsage } from './realtime-events.ts';
import type { CallerPart, MemoryPart } from './session-memory.ts';

/** Hz, of the caller and of the service. */
export const GEMINI_RATES = { caller: 16_000, service: 24_000 } as const;

const text = z.string().max(65_536);
const count = z.number().int().nonnegative().nullish();
const transcription = z.object({ text: text.nullish(), finished: z.boolean().nullish() }).nullish();
const details = z.array(z.object({ modality: z.string().nullish(), tokenCount: count })).nullish();

const serverMessageSchema = z.object({
  setupComplete: z.object({}).nullish(),
  serverContent: z
    .object({
      modelTurn: z
        .object({
          parts: z
            .array(z.object({ inlineData: z.object({ data: z.string().max(4_194_304) }).nullish() }))
            .max(256)
            .nullish(),
        })
        .nullish(),
      inputTranscription: transcription,
      outputTranscription: transcription,
      interrupted: z.boolean().nullish(),
      turnComplete: z.boolean().nullish(),
      turnCompleteReason: z.string().max(256).nullish(),
    })
    .nullish(),
  toolCall: z
    .object({
      functionCalls: z
        .array(z.object({ id: z.string().max(256), name: z.string().max(256), args: z.unknown() }))
        .max(64)
        .nullish(),
    })
    .nullish(),
  toolCallCancellation: z.object({ ids: z.array(z.string().max(256)).max(64).nullish() }).nullish(),
  goAway: z.object({ timeLeft: z.string().max(64).nullish() }).nullish(),
  sessionResumptionUpdate: z
    .object({ newHandle: z.string().max(65_536).nullish(), resumable: z.boolean().nullish() })
    .nullish(),
  usageMetadata: z
    .object({
      promptTokenCount: count,
      cachedContentTokenCount: count,
      responseTokenCount: count,
      promptTokensDetails: details,
      responseTokensDetails: details,
    })
    .nullish(),
});
export type GeminiMessage = z.infer<typeof serverMessageSchema>;
export type GeminiContent = NonNullable<GeminiMessage['serverContent']>;

const KNOWN = new Set(Object.keys(serverMessageSchema.shape));

/**
 * A message of the server and the names in it that nothing here reads.
 * @throws when it makes no sense
 */
export function readGemini(value: unknown): { readonly message: GeminiMessage; readonly unknown: readonly string[] } {
  const message = serverMessageSchema.parse(value);
  return { message, unknown: Object.keys(value as object).filter((name) => !KNOWN.has(name)) };
}

/** Why an answer is missing; null when it is not. */
export function failedReason({ turnCompleteReason: reason }: GeminiContent): string | null {
  return reason && reason !== 'TURN_COMPLETE_REASON_UNSPECIFIED' && reason !== 'NEED_MORE_INPUT' ? reason : null;
}

export function usageOf(usage: NonNullable<GeminiMessage['usageMetadata']>): RealtimeUsage {
  const audio = (each: z.infer<typeof details>) => each?.find(({ modality }) => modality === 'AUDIO')?.tokenCount;
  return {
    input_tokens: usage.promptTokenCount,
    output_tokens: usage.responseTokenCount,
    input_token_details: {
      audio_tokens: audio(usage.promptTokensDetails),
      cached_tokens: usage.cachedContentTokenCount,
    },
    output_token_details: { audio_tokens: audio(usage.responseTokensDetails) },
  };
}

export interface GeminiSetup {
  readonly model: string;
  readonly instructions: string;
  readonly voice: string | null;
  /** As `declarationsOf` gives them. */
  readonly tools: readonly object[];
  readonly turns: S2sTurns;
  /** Null begins a session anew. */
  readonly handle: string | null;
  /** It will be told what was said before. */
  readonly hasHistory: boolean;
}

export function setupMessage(setup: GeminiSetup): object {
  const { model, instructions, voice, tools, turns, handle, hasHistory } = setup;
  const speechConfig = { voiceConfig: { prebuiltVoiceConfig: { voiceName: voice } } };
  return {
    setup: {
      model: model.startsWith('models/') ? model : `models/${model}`,
      generationConfig: { responseModalities: ['AUDIO'], ...(voice !== null && { speechConfig }) },
      systemInstruction: { parts: [{ text: instructions }] },
      ...(tools.length > 0 && { tools: [{ functionDeclarations: tools }] }),
      realtimeInputConfig: { automaticActivityDetection: { disabled: turns === 'ours' } },
      inputAudioTranscription: {},
      outputAudioTranscription: {},
      sessionResumption: handle === null ? {} : { handle },
      ...(hasHistory && { historyConfig: { initialHistoryInClientContent: true } }),
    },
  };
}

/** @throws when the parameters of one cannot be put in a JSON Schema */
export function declarationsOf(tools: readonly Tool[]): object[] {
  return tools.map((tool) => {
    const { name, description, parameters } = describeTool(tool).function;
    return { name, description, parametersJsonSchema: parameters };
  });
}

export const soundMessage = (data: string): object => ({
  realtimeInput: { audio: { data, mimeType: `audio/pcm;rate=${GEMINI_RATES.caller}` } },
});
export const ACTIVITY_START = { realtimeInput: { activityStart: {} } };
export const ACTIVITY_END = { realtimeInput: { activityEnd: {} } };

/** Words that are to be answered. */
export function askMessage(words: string): object {
  return { clientContent: { turns: [{ role: 'user', parts: [{ text: words }] }], turnComplete: true } };
}

/** All that was said before; answers nothing. */
export function historyMessage(turns: readonly object[]): object {
  return { clientContent: { turns, turnComplete: true } };
}

export function resultMessage(id: string, name: string, result: string): object {
  return { toolResponse: { functionResponses: [{ id, name, response: { output: result } }] } };
}

/** What a new session is told of the conversation; `untold` are told as sound, or ask for themselves. */
export function contentsOf(parts: readonly MemoryPart[], untold: (part: CallerPart) => boolean): object[] {
  const content = (role: 'user' | 'model', part: object) => ({ role, parts: [part] });
  return parts.flatMap((part) => {
    if (part.kind === 'agent') return part.text === '' ? [] : [content('model', { text: part.text })];
    if (part.kind === 'caller') {
      if (untold(part) || part.text === '') return [];
      return [content('user', { text: part.text ?? '[not understood]' })];
    }
    const { callId: id, name, arguments: written, result } = part;
    const call = content('model', { functionCall: { id, name, args: JSON.parse(written || '{}') } });
    return result === null
      ? [call]
      : [call, content('user', { functionResponse: { id, name, response: { output: result } } })];
  });
}
