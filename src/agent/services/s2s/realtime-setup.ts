/**
 * What the OpenAI Realtime dialect is told of a session and of what was said before: pure translations, and the few
 * ways in which servers that speak it differ. Sends nothing.
 */
import { describeTool } from '../llm/chat-messages.ts';
import type { Tool } from '../llm.ts';
import type { S2sTurns } from '../s2s.ts';
import type { AgentPart, CallerPart, CallPart } from './session-memory.ts';

/** Hz, of both directions. */
export const WIRE_RATE = 24_000;

/** How a server differs from OpenAI's. */
export interface RealtimeQuirks {
  /** `session.update` is the preview's flat one: voice, formats and turn detection beside the instructions. */
  readonly flatSession?: true;
  /** No `conversation.item.truncate`: an answer that was cut off is told anew as text. */
  readonly noTruncate?: true;
  /** The key goes into this header instead of `authorization: Bearer`, such as Azure's `api-key`. */
  readonly keyHeader?: string;
}

/** The service's own turn detection. */
export interface RealtimeTurnDetection {
  /** `server_vad` goes by loudness and silence, `semantic_vad` by what is said. */
  readonly type: 'server_vad' | 'semantic_vad';
  /** server_vad: 0..1. */
  readonly threshold?: number;
  /** server_vad. */
  readonly prefixPaddingMs?: number;
  /** server_vad. */
  readonly silenceMs?: number;
  /** semantic_vad. */
  readonly eagerness?: 'low' | 'medium' | 'high' | 'auto';
}

export interface SessionSettings {
  readonly instructions: string;
  readonly voice: string | null;
  /** As `toolsOf` gives them. */
  readonly tools: readonly object[];
  readonly turns: S2sTurns;
  readonly turnDetection: RealtimeTurnDetection;
  /** Model that writes down what the caller says; null for none. */
  readonly transcriptionModel: string | null;
  /** ISO 639-1, for the transcription; null lets it find out. */
  readonly language: string | null;
  readonly quirks: RealtimeQuirks;
}

/** The whole `session.update`. */
export function sessionUpdate(settings: SessionSettings): object {
  const { instructions, voice, quirks } = settings;
  const turnDetection = settings.turns === 'ours' ? null : turnDetectionOf(settings.turnDetection);
  const transcription =
    settings.transcriptionModel === null
      ? null
      : { model: settings.transcriptionModel, ...(settings.language !== null && { language: settings.language }) };
  const { tools } = settings;
  if (quirks.flatSession) {
    return {
      type: 'session.update',
      session: {
        modalities: ['audio', 'text'],
        instructions,
        ...(voice !== null && { voice }),
        input_audio_format: 'pcm16',
        output_audio_format: 'pcm16',
        input_audio_transcription: transcription,
        turn_detection: turnDetection,
        tools,
      },
    };
  }
  const format = { type: 'audio/pcm', rate: WIRE_RATE };
  return {
    type: 'session.update',
    session: {
      type: 'realtime',
      output_modalities: ['audio'],
      instructions,
      audio: {
        input: { format, transcription, turn_detection: turnDetection },
        output: { format, ...(voice !== null && { voice }) },
      },
      tools,
    },
  };
}

/** A `session.update` of what may change in mid-call. */
export function sessionChange(
  change: { instructions?: string; tools?: readonly object[] },
  quirks: RealtimeQuirks,
): object {
  return {
    type: 'session.update',
    session: {
      ...(!quirks.flatSession && { type: 'realtime' }),
      ...(change.instructions !== undefined && { instructions: change.instructions }),
      ...(change.tools !== undefined && { tools: change.tools }),
    },
  };
}

/** Tools as the service is told of them. @throws when the parameters of one cannot be put in a JSON Schema */
export function toolsOf(tools: readonly Tool[]): object[] {
  return tools.map((tool) => ({ type: 'function', ...describeTool(tool).function }));
}

function turnDetectionOf(detection: RealtimeTurnDetection): object {
  const { type, threshold, prefixPaddingMs, silenceMs, eagerness } = detection;
  const answers = { create_response: true, interrupt_response: true };
  if (type === 'semantic_vad') return { type, ...(eagerness !== undefined && { eagerness }), ...answers };
  return {
    type,
    ...(threshold !== undefined && { threshold }),
    ...(prefixPaddingMs !== undefined && { prefix_padding_ms: prefixPaddingMs }),
    ...(silenceMs !== undefined && { silence_duration_ms: silenceMs }),
    ...answers,
  };
}

/** Words of the caller as an item. */
export function callerItem(text: string): object {
  return item({ type: 'message', role: 'user', content: [{ type: 'input_text', text }] });
}

/** Words of the agent as an item, under a name of ours so that it can be deleted. */
export function agentItem(text: string, id: string): object {
  return item({ id, type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] });
}

export function resultItem(callId: string, output: string): object {
  return item({ type: 'function_call_output', call_id: callId, output });
}

/** What a new connection is told of a part of the conversation that is known in words. */
export function itemsOf(part: (CallerPart & { text: string }) | (AgentPart & { itemId: string }) | CallPart): object[] {
  switch (part.kind) {
    case 'caller':
      return part.text === '' ? [] : [callerItem(part.text)];
    case 'agent':
      return part.text === '' ? [] : [agentItem(part.text, part.itemId)];
    case 'call': {
      const { callId, name, arguments: written, result } = part;
      const call = item({ type: 'function_call', call_id: callId, name, arguments: written });
      return result === null ? [call] : [call, resultItem(callId, result)];
    }
  }
}

function item(fields: object): object {
  return { type: 'conversation.item.create', item: fields };
}
