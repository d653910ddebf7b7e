/** From an entry of the catalogue to a voice that a pipeline can use. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { CARTESIA_DEFAULTS, Cartesia } from '../tts/cartesia.ts';
import { ELEVENLABS_DEFAULTS, ElevenLabs } from '../tts/elevenlabs.ts';
import { OpenAiCompatibleTts } from '../tts/openai-compatible.ts';
import type { Tts } from '../tts.ts';
import { modelOf } from './adapter.ts';
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

/** What an adapter is made with: all of it resolved and checked. */
export interface TtsMaking {
  readonly entry: TtsEntry;
  readonly baseUrl: string;
  readonly apiKey: string | null;
  readonly model: string;
  readonly voice: string;
  /** Only what was chosen, for the adapter's defaults to hold. */
  readonly chosen: { readonly language?: string; readonly timeoutMs?: number };
  readonly clock: Clock;
}

export interface TtsAdapter {
  /** Its own choice; null: one must be named, here or in the catalogue. */
  readonly model: string | null;
  make(making: TtsMaking): Tts;
}

/** By dialect. The one place where an adapter is made known. */
export const TTS_ADAPTERS: Readonly<Record<string, TtsAdapter>> = {
  'cartesia-tts': {
    model: CARTESIA_DEFAULTS.model,
    make: (making) => new Cartesia({ ...keyed(making), baseUrl: without(making, '/tts/websocket') }),
  },
  'elevenlabs-multi-stream': {
    model: ELEVENLABS_DEFAULTS.model,
    make: (making) => new ElevenLabs({ ...keyed(making), baseUrl: without(making, '/v1/text-to-speech') }),
  },
  'openai-speech': {
    model: null,
    make: ({ entry, chosen, ...making }) =>
      new OpenAiCompatibleTts({ ...CREATE_TTS_DEFAULTS, ...making, ...chosen, name: entry.id, label: entry.name }),
  },
};

/** The model that is used when `wanted` is. @throws ERR_CONFIG_INVALID when one must be named, or nothing speaks it */
export function ttsModel(entry: TtsEntry, wanted: string | undefined): string {
  return modelOf(entry, wanted, TTS_ADAPTERS);
}

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for what the entry has not, or no voice */
export function createTts(entry: TtsEntry, options: CreateTtsOptions): Tts {
  const { environment, clock, voice, language, timeoutMs } = options;
  const model = ttsModel(entry, options.model);
  const { baseUrl, apiKey } = resolveService(entry, environment, options.region);
  if (voice === undefined) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `${entry.name} needs a voice: name it, or give its id.`, {
      path: 'voice',
    });
  }
  const chosen = { ...(language !== undefined && { language }), ...(timeoutMs !== undefined && { timeoutMs }) };
  return TTS_ADAPTERS[entry.dialect]!.make({ entry, baseUrl, apiKey, model, voice, chosen, clock });
}

/** For a service with an account; a server of one's own may want no key. */
function keyed({ apiKey, model, voice, chosen, clock }: TtsMaking) {
  return { clock, model, voice, apiKey: apiKey ?? 'none', ...chosen };
}

/** The address without the path that the adapter adds itself. */
function without({ baseUrl }: TtsMaking, path: string): string {
  return baseUrl.endsWith(path) ? baseUrl.slice(0, -path.length) : baseUrl;
}
