/**
 * Text to speech by Murf's WebSocket: a context a sentence, without the times of words. By murf.ai/api/docs
 * (api-reference/text-to-speech/stream-input, text-to-speech/web-sockets/context-id, resources/rate-limits, read in
 * November 2026) and what LiveKit's agents send; tested against a fake that speaks it. How it tells failures was not
 * read: a message that is neither sound nor an end is taken for one.
 *
 * A context that is cleared while it is spoken is spoken to its end, and counts until then.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import { failedMessage, type SpeechDialect } from './dialect.ts';
import type { SpeechSocketsTuning } from './socket.ts';
import { SocketTts } from './socket-tts.ts';

export interface MurfOptions extends SpeechSocketsTuning {
  /** From MURF_API_KEY; null when there is none. */
  apiKey: string | null;
  /** Such as `en-US-matthew`. */
  voice: string;
  clock: Clock;
  /** Of a region, such as `wss://eu-central.api.murf.ai/v1/speech/stream-input`. */
  baseUrl?: string;
  model?: string;
  /** As Murf writes it, such as `en-US`, for voices that speak several. @defaultValue the voice's own */
  language?: string;
}

export const MURF_DEFAULTS = {
  baseUrl: 'wss://global.api.murf.ai/v1/speech/stream-input',
  model: 'FALCON',
} as const satisfies Partial<MurfOptions>;

const SAMPLE_RATE = 24_000;
/** No limit of a connection was read; accounts have theirs, from two on. */
const MAX_CONTEXTS = 10;

const messageSchema = z.object({
  context_id: z.string().max(200).nullish(),
  audio: z.string().nullish(),
  final: z.boolean().nullish(),
  error: z.string().nullish(),
  error_code: z.number().int().nullish(),
  error_message: z.string().nullish(),
});

export class Murf extends SocketTts<null> {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: MurfOptions) {
    const apiKey = requireKey(options.apiKey, 'Murf', 'MURF_API_KEY');
    const settings = { ...MURF_DEFAULTS, ...options, apiKey };
    const wordClock = () => ({ add: () => [], finish: () => [] });
    super({ ...settings, name: 'murf', dialect: dialectOf(settings), wordClock });
  }
}

type Settings = Required<Pick<MurfOptions, 'voice' | 'baseUrl' | 'model'>> & { apiKey: string; language?: string };

function dialectOf({ apiKey, baseUrl, voice, model, language }: Settings): SpeechDialect<null> {
  const service = 'Murf';
  const query = new URLSearchParams({ sample_rate: String(SAMPLE_RATE), format: 'PCM', channel_type: 'MONO', model });
  const voice_config = { voice_id: voice, ...(language !== undefined && { multi_native_locale: language }) };
  return {
    service,
    url: `${baseUrl}?${query}`,
    headers: { 'api-key': apiKey },
    maxContexts: MAX_CONTEXTS,
    cancelsSlowly: true,
    sampleRate: SAMPLE_RATE,
    begin: (context_id, text) => [{ context_id, voice_config, text, end: true }],
    cancel: (context_id) => ({ context_id, clear: true }),
    read(raw) {
      const { context_id: contextId, audio, final, ...message } = messageSchema.parse(raw);
      if (audio && contextId != null) return [{ type: 'audio', contextId, base64: audio, timing: null }];
      if (final && contextId != null) return [{ type: 'ended', contextId }];
      const words = quotable(message.error_message ?? message.error ?? '', apiKey);
      return [failedMessage(contextId, refusal(service, message.error_code ?? 500, { words }))];
    },
  };
}
