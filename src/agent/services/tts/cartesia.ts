/**
 * Text to speech by Cartesia's WebSocket: a context a sentence, many on one connection, with the times of words. By
 * docs.cartesia.ai: api-reference/tts/websocket, use-the-api/api-conventions, api-errors and
 * concurrency-limits-and-timeouts (version 2026-03-01); never run against the service itself.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import type { SpokenWord } from '../tts.ts';
import { failedMessage, type ServiceMessage, type SpeechDialect } from './dialect.ts';
import { piecesOf } from './pieces.ts';
import type { SpeechSocketsTuning } from './socket.ts';
import { SocketTts } from './socket-tts.ts';

export interface CartesiaOptions extends SpeechSocketsTuning {
  /** From CARTESIA_API_KEY; null when there is none. */
  apiKey: string | null;
  /** Voice id. */
  voice: string;
  clock: Clock;
  baseUrl?: string;
  model?: string;
  /** ISO 639-1, such as `en`. */
  language?: string;
  /** Hz. */
  sampleRate?: 16_000 | 24_000;
}

export const CARTESIA_DEFAULTS = {
  baseUrl: 'wss://api.cartesia.ai',
  model: 'sonic-3.5',
  language: 'en',
  sampleRate: 24_000,
} as const satisfies Partial<CartesiaOptions>;

const VERSION = '2026-03-01';
/** The service speaks of dozens at once on a connection. */
const MAX_CONTEXTS = 24;

const contextId = z.string().max(200);
const times = z.array(z.number().min(0).max(36_000)).max(10_000);
const messageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('chunk'), context_id: contextId, data: z.string() }),
  z.object({
    type: z.literal('timestamps'),
    context_id: contextId,
    word_timestamps: z
      .object({ words: z.array(z.string().max(1_000)).max(10_000), start: times, end: times })
      .refine(({ words, start, end }) => words.length === start.length && words.length === end.length),
  }),
  z.object({ type: z.literal('done'), context_id: contextId }),
  z.object({
    type: z.literal('error'),
    context_id: contextId.nullish(),
    status_code: z.number().int(),
    title: z.string().nullish(),
    message: z.string().nullish(),
    /** Before version 2026-03-01. */
    error: z.string().nullish(),
  }),
]);
/** The service may add types (api-conventions, versioning); these say nothing to us. */
const envelopeSchema = z.object({ type: z.string() });
const KNOWN_TYPES: readonly string[] = ['chunk', 'timestamps', 'done', 'error'];

export class Cartesia extends SocketTts<readonly SpokenWord[]> {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: CartesiaOptions) {
    const settings = { ...CARTESIA_DEFAULTS, ...options };
    const apiKey = requireKey(settings.apiKey, 'Cartesia', 'CARTESIA_API_KEY');
    const wordClock = () => ({ add: (words: readonly SpokenWord[]) => words, finish: () => [] });
    super({ ...settings, name: 'cartesia', dialect: dialectOf({ ...settings, apiKey }), wordClock });
  }
}

type DialectOptions = Required<Pick<CartesiaOptions, 'voice' | 'baseUrl' | 'model' | 'language' | 'sampleRate'>> & {
  apiKey: string;
};

function dialectOf(options: DialectOptions): SpeechDialect<readonly SpokenWord[]> {
  const { apiKey, sampleRate } = options;
  const service = 'Cartesia';
  const constant = {
    model_id: options.model,
    voice: { mode: 'id', id: options.voice },
    language: options.language,
    output_format: { container: 'raw', encoding: 'pcm_s16le', sample_rate: sampleRate },
    add_timestamps: true,
    // The words as they were written ("$5"), for what was heard is told to the model in its own words.
    use_normalized_timestamps: false,
    max_buffer_delay_ms: 0,
  };
  return {
    service,
    url: `${options.baseUrl}/tts/websocket`,
    headers: { authorization: `Bearer ${apiKey}`, 'cartesia-version': VERSION },
    maxContexts: MAX_CONTEXTS,
    cancelsSlowly: false,
    sampleRate,
    begin(context_id, text) {
      const pieces = piecesOf(text);
      return pieces.map((transcript, index) => ({
        ...constant,
        context_id,
        transcript,
        continue: index < pieces.length - 1,
      }));
    },
    cancel: (context_id) => ({ context_id, cancel: true }),
    read(raw): ServiceMessage<readonly SpokenWord[]>[] {
      if (!KNOWN_TYPES.includes(envelopeSchema.parse(raw).type)) return [];
      const message = messageSchema.parse(raw);
      switch (message.type) {
        case 'chunk':
          return [{ type: 'audio', contextId: message.context_id, base64: message.data, timing: null }];
        case 'timestamps':
          return [
            { type: 'audio', contextId: message.context_id, base64: '', timing: wordsOf(message.word_timestamps) },
          ];
        case 'done':
          return [{ type: 'ended', contextId: message.context_id }];
        case 'error': {
          const words = [message.title, message.message, message.error].filter((each) => each != null).join(': ');
          const error = refusal(service, message.status_code, { words: quotable(words, apiKey) });
          return [failedMessage(message.context_id, error)];
        }
      }
    },
  };
}

/** Times are seconds since the context's first sample. */
function wordsOf(timing: { words: string[]; start: number[]; end: number[] }): SpokenWord[] {
  return timing.words.map((text, index) => ({
    text,
    startMs: timing.start[index]! * 1_000,
    endMs: timing.end[index]! * 1_000,
  }));
}
