/**
 * Text to speech by ElevenLabs' multi-context WebSocket: a context a sentence, five on one connection, with the times
 * of characters. By elevenlabs.io/docs: api-reference/text-to-speech/v-1-text-to-speech-voice-id-multi-stream-input
 * (AsyncAPI) and eleven-api/guides/how-to/websockets/multi-context-web-socket; the shape of errors by
 * github.com/livekit/agents-js/issues/1985. Never run against the service itself.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import type { AntipodeError } from '../../../errors.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import { type Alignment, CharacterClock } from './character-clock.ts';
import { failedMessage, type ServiceMessage, type SpeechDialect } from './dialect.ts';
import { piecesOf } from './pieces.ts';
import type { SpeechSocketsTuning } from './socket.ts';
import { SocketTts } from './socket-tts.ts';

export interface ElevenLabsOptions extends SpeechSocketsTuning {
  /** From ELEVENLABS_API_KEY; null when there is none. */
  apiKey: string | null;
  /** Voice id. */
  voice: string;
  clock: Clock;
  /** Of a region, such as `wss://api.eu.residency.elevenlabs.io`. */
  baseUrl?: string;
  /** Any but `eleven_v3`, which this socket does not speak. */
  model?: string;
  /** ISO 639-1; null leaves it to the model. */
  language?: string | null;
  /** Hz. */
  sampleRate?: 16_000 | 24_000;
}

export const ELEVENLABS_DEFAULTS = {
  baseUrl: 'wss://api.elevenlabs.io',
  model: 'eleven_flash_v2_5',
  language: null,
  sampleRate: 24_000,
} as const satisfies Partial<ElevenLabsOptions>;

/** The guide: "limited to 5 concurrent contexts"; a sixth ends the connection. */
const MAX_CONTEXTS = 5;
/** The most that the service grants; idle connections are closed by us before. */
const INACTIVITY_TIMEOUT_SECONDS = 180;

const times = z.array(z.number()).max(10_000);
const alignmentSchema = z.object({
  chars: z.array(z.string().max(100)).max(10_000),
  charStartTimesMs: times,
  charDurationsMs: times,
});
const messageSchema = z.object({
  audio: z.string().nullish(),
  isFinal: z.boolean().nullish(),
  contextId: z.string().max(200).nullish(),
  alignment: alignmentSchema.nullish(),
  normalizedAlignment: alignmentSchema.nullish(),
  error: z.string().nullish(),
  message: z.string().nullish(),
  code: z.number().int().nullish(),
});

export class ElevenLabs extends SocketTts<Alignment> {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: ElevenLabsOptions) {
    const settings = { ...ELEVENLABS_DEFAULTS, ...options };
    const apiKey = requireKey(settings.apiKey, 'ElevenLabs', 'ELEVENLABS_API_KEY');
    const wordClock = () => new CharacterClock();
    super({ ...settings, name: 'elevenlabs', dialect: dialectOf({ ...settings, apiKey }), wordClock });
  }
}

type DialectOptions = Required<Pick<ElevenLabsOptions, 'voice' | 'baseUrl' | 'model' | 'language' | 'sampleRate'>> & {
  apiKey: string;
};

function dialectOf(options: DialectOptions): SpeechDialect<Alignment> {
  const { apiKey, sampleRate } = options;
  const query = new URLSearchParams({
    model_id: options.model,
    output_format: `pcm_${sampleRate}`,
    inactivity_timeout: String(INACTIVITY_TIMEOUT_SECONDS),
    // Each piece of audio brings the times of its own characters.
    sync_alignment: 'true',
    // We give whole sentences, which need no waiting for more.
    auto_mode: 'true',
  });
  if (options.language !== null) query.set('language_code', options.language);
  return {
    service: 'ElevenLabs',
    url: `${options.baseUrl}/v1/text-to-speech/${encodeURIComponent(options.voice)}/multi-stream-input?${query}`,
    headers: { 'xi-api-key': apiKey },
    maxContexts: MAX_CONTEXTS,
    cancelsSlowly: true,
    sampleRate,
    // Closing right after the text lets it be spoken to its end, which is the only way to be told of that end.
    begin: (context_id, text) => [
      { text: ' ', context_id },
      ...piecesOf(`${text} `).map((piece) => ({ text: piece, context_id })),
      { context_id, flush: true },
      { context_id, close_context: true },
    ],
    cancel: (context_id) => ({ context_id, close_context: true }),
    read(raw): ServiceMessage<Alignment>[] {
      const message = messageSchema.parse(raw);
      const contextId = message.contextId ?? null;
      if (message.error != null || message.code != null) return [failedMessage(contextId, failure(message, apiKey))];
      if (contextId === null) return [];
      const messages: ServiceMessage<Alignment>[] = [];
      if (message.audio) {
        const timing = message.alignment ?? message.normalizedAlignment ?? null;
        messages.push({ type: 'audio', contextId, base64: message.audio, timing });
      }
      if (message.isFinal) messages.push({ type: 'ended', contextId });
      return messages;
    },
  };
}

/** Errors are told by name, with a WebSocket's close code in place of a status. */
function failure(message: z.infer<typeof messageSchema>, apiKey: string): AntipodeError {
  const name = message.error ?? '';
  const words = quotable([name, message.message].filter((each) => each != null).join(': '), apiKey);
  if (/api_?key|auth|forbidden/i.test(name)) return refusal('ElevenLabs', 401, { words });
  if (/busy|overload|unavailable/i.test(name)) return refusal('ElevenLabs', 503, { words });
  if (/quota|limit|concurren|max_active|too_many/i.test(name)) return refusal('ElevenLabs', 429, { words });
  return refusal('ElevenLabs', message.code ?? 0, { words });
}
