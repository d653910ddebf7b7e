/** From an entry of the catalogue to a voice that a pipeline can use. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { CARTESIA_DEFAULTS, Cartesia } from '../tts/cartesia.ts';
import { ELEVENLABS_DEFAULTS, ElevenLabs } from '../tts/elevenlabs.ts';
import { OpenAiCompatibleTts } from '../tts/openai-compatible.ts';
import type { Tts } from '../tts.ts';
import { type Adapters, modelOf, nothingSpeaks } from './adapter.ts';
import { type Environment, resolveService } from './resolve.ts';
import type { TtsEntry } from './schema.ts';

export interface CreateTtsOptions {
  /** One of the entry's; without it the entry's `urlVariable`, else its first. */
  readonly region?: string;
  /** Without it the adapter's own choice, else the first one of the entry. */
  readonly model?: string;
  /** Name or id, as the vendor calls it. */
  readonly voice?: string;
  /** As the vendor writes it; without it the adapter's own choice. */
  readonly language?: string;
  /** Where keys are read from, once. */
  readonly environment: Environment;
  readonly clock: Clock;
  /** Without it the adapter's own. */
  readonly timeoutMs?: number;
}

export const CREATE_TTS_DEFAULTS = { timeoutMs: 8_000 } as const satisfies Partial<CreateTtsOptions>;

export const TTS_ADAPTERS: Adapters = {
  'cartesia-tts': CARTESIA_DEFAULTS,
  'elevenlabs-multi-stream': ELEVENLABS_DEFAULTS,
  'openai-speech': { model: null },
};

/** The model that is used when `wanted` is. @throws ERR_CONFIG_INVALID when one must be named, or nothing speaks it */
export function ttsModel(entry: TtsEntry, wanted: string | undefined): string {
  return modelOf(entry, wanted, TTS_ADAPTERS);
}

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for what the entry has not, or no voice */
export function createTts(entry: TtsEntry, options: CreateTtsOptions): Tts {
  const { environment, clock, voice, language } = options;
  const model = ttsModel(entry, options.model);
  const { baseUrl, apiKey } = resolveService(entry, environment, options.region);
  if (voice === undefined) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `${entry.name} needs a voice: name it, or give its id.`, {
      path: 'voice',
    });
  }
  const common = { clock, model, voice, apiKey: apiKey ?? 'none' };
  const chosen = {
    ...(language !== undefined && { language }),
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  };
  switch (entry.dialect) {
    case 'cartesia-tts':
      return new Cartesia({ ...common, ...chosen, baseUrl: baseUrl.replace(/\/tts\/websocket$/, '') });
    case 'elevenlabs-multi-stream':
      return new ElevenLabs({ ...common, ...chosen, baseUrl: baseUrl.replace(/\/v1\/text-to-speech$/, '') });
    case 'openai-speech':
      return new OpenAiCompatibleTts({
        ...CREATE_TTS_DEFAULTS,
        ...chosen,
        name: entry.id,
        label: entry.name,
        baseUrl,
        apiKey,
        model,
        voice,
        clock,
      });
    default:
      throw nothingSpeaks(entry);
  }
}
