/**
 * Text to speech by Soniox's WebSocket: a stream a sentence, five on one connection, with the times of characters. By
 * soniox.com/docs (api-reference/tts/websocket-api, tts/rt/termination, timestamps and limits-and-quotas, read in November
 * 2026); tested against a fake that speaks it. The key goes in the first message of each stream.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import { CharacterClock } from './character-clock.ts';
import { failedMessage, type ServiceMessage, type SpeechDialect } from './dialect.ts';
import { piecesOf } from './pieces.ts';
import type { SpeechSocketsTuning } from './socket.ts';
import { SocketTts, type WordClock } from './socket-tts.ts';

export interface SonioxTtsOptions extends SpeechSocketsTuning {
  /** From SONIOX_API_KEY; null when there is none. */
  apiKey: string | null;
  /** Such as `Adrian`. */
  voice: string;
  clock: Clock;
  baseUrl?: string;
  model?: string;
  /** ISO 639-1. */
  language?: string;
}

export const SONIOX_TTS_DEFAULTS = {
  baseUrl: 'wss://tts-rt.soniox.com/tts-websocket',
  model: 'tts-rt-v1',
  language: 'en',
} as const satisfies Partial<SonioxTtsOptions>;

const SAMPLE_RATE = 24_000;
/** Streams of one connection; a sixth is refused. */
const MAX_STREAMS = 5;

const times = z.array(z.number().min(0).max(36_000)).max(10_000);
const timestampsSchema = z.object({
  characters: z.array(z.string().max(100)).max(10_000),
  character_start_times_seconds: times,
  /** The page speaks of ends; its example of the message was not read. */
  character_end_times_seconds: times.nullish(),
});
type Timestamps = z.infer<typeof timestampsSchema>;
const messageSchema = z.object({
  stream_id: z.string().max(200).nullish(),
  audio: z.string().nullish(),
  timestamps: timestampsSchema.nullish(),
  terminated: z.boolean().nullish(),
  error_code: z.number().int().nullish(),
  error_message: z.string().nullish(),
});

export class SonioxTts extends SocketTts<Timestamps> {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: SonioxTtsOptions) {
    const apiKey = requireKey(options.apiKey, 'Soniox', 'SONIOX_API_KEY');
    const settings = { ...SONIOX_TTS_DEFAULTS, ...options, apiKey };
    super({ ...settings, name: 'soniox', dialect: dialectOf(settings), wordClock });
  }
}

/** Its times are those of the whole stream, not of the piece that they come with. */
function wordClock(): WordClock<Timestamps> {
  const clock = new CharacterClock();
  return { add: (timing) => clock.add(alignmentOf(timing), 0), finish: () => clock.finish() };
}

function alignmentOf({ characters, ...timing }: Timestamps) {
  const starts = timing.character_start_times_seconds;
  const ends = timing.character_end_times_seconds ?? starts.slice(1);
  return {
    chars: characters,
    charStartTimesMs: starts.map((start) => start * 1_000),
    charDurationsMs: starts.map((start, index) => ((ends[index] ?? start) - start) * 1_000),
  };
}

type Settings = Required<Pick<SonioxTtsOptions, 'voice' | 'baseUrl' | 'model' | 'language'>> & { apiKey: string };

function dialectOf({ apiKey, baseUrl, voice, model, language }: Settings): SpeechDialect<Timestamps> {
  const service = 'Soniox';
  const stream = { api_key: apiKey, model, language, voice, audio_format: 'pcm_s16le', sample_rate: SAMPLE_RATE };
  return {
    service,
    url: baseUrl,
    headers: {},
    maxContexts: MAX_STREAMS,
    // A stream counts until it is said to be terminated.
    cancelsSlowly: true,
    sampleRate: SAMPLE_RATE,
    begin(stream_id, text) {
      const pieces = piecesOf(text);
      const texts = pieces.map((piece, at) => ({ text: piece, text_end: at === pieces.length - 1, stream_id }));
      return [{ ...stream, return_timestamps: true, stream_id }, ...texts];
    },
    cancel: (stream_id) => ({ stream_id, cancel: true }),
    read(raw): ServiceMessage<Timestamps>[] {
      const { stream_id: contextId, audio, timestamps: timing = null, ...message } = messageSchema.parse(raw);
      if (message.error_code != null) {
        const words = quotable(message.error_message ?? '', apiKey);
        return [failedMessage(contextId, refusal(service, message.error_code, { words }))];
      }
      if (contextId == null) return [];
      const messages: ServiceMessage<Timestamps>[] = [];
      if (audio || timing !== null) messages.push({ type: 'audio', contextId, base64: audio ?? '', timing });
      if (message.terminated) messages.push({ type: 'ended', contextId });
      return messages;
    },
  };
}
