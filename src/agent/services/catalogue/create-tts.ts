/** From an entry of the catalogue to a voice that a pipeline can use. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { CARTESIA_DEFAULTS, Cartesia } from '../tts/cartesia.ts';
import { ELEVENLABS_DEFAULTS, ElevenLabs } from '../tts/elevenlabs.ts';
import { azureVoice } from '../tts/http/azure.ts';
import { deepgramAura } from '../tts/http/deepgram-aura.ts';
import { fish } from '../tts/http/fish.ts';
import { googleVoice } from '../tts/http/google.ts';
import { HTTP_VOICE_DEFAULTS, type HttpVoiceOptions } from '../tts/http/http-voice.ts';
import { hume } from '../tts/http/hume.ts';
import { inworld } from '../tts/http/inworld.ts';
import { lmnt } from '../tts/http/lmnt.ts';
import { minimax } from '../tts/http/minimax.ts';
import { piper } from '../tts/http/piper.ts';
import { polly } from '../tts/http/polly.ts';
import { rime } from '../tts/http/rime.ts';
import { MURF_DEFAULTS, Murf } from '../tts/murf.ts';
import { OpenAiCompatibleTts } from '../tts/openai-compatible.ts';
import { SONIOX_TTS_DEFAULTS, SonioxTts } from '../tts/soniox.ts';
import type { Tts } from '../tts.ts';
import { modelOf } from './adapter.ts';
import { awsOf } from './aws-account.ts';
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
  /** All of its secrets, by the names of their variables. */
  readonly keys: Readonly<Record<string, string>>;
  /** The entry's; `own` for an address of the operator's. */
  readonly region: string;
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

/** Where the voice is all that is chosen. */
const VOICE_IS_MODEL = 'by-voice';

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
  'soniox-tts': {
    model: SONIOX_TTS_DEFAULTS.model,
    make: (making) => new SonioxTts({ ...keyed(making), baseUrl: making.baseUrl }),
  },
  'murf-stream': {
    model: MURF_DEFAULTS.model,
    make: (making) => new Murf({ ...keyed(making), baseUrl: making.baseUrl }),
  },
  'deepgram-speak': { model: 'aura-2', make: (making) => deepgramAura(asked(making)) },
  'rime-http': { model: 'arcana', make: (making) => rime(asked(making)) },
  'lmnt-bytes': { model: 'blizzard', make: (making) => lmnt(asked(making)) },
  'hume-tts': { model: '1', make: (making) => hume(asked(making)) },
  'inworld-stream': { model: 'inworld-tts-1.5-mini', make: (making) => inworld(asked(making)) },
  'minimax-t2a': { model: 'speech-2.6-turbo', make: (making) => minimax(asked(making)) },
  'fish-tts': { model: 's1', make: (making) => fish(asked(making)) },
  'azure-voice': { model: VOICE_IS_MODEL, make: (making) => azureVoice(asked(making)) },
  'google-synthesize': { model: VOICE_IS_MODEL, make: (making) => googleVoice(asked(making)) },
  'aws-polly': { model: 'neural', make: (making) => polly({ ...asked(making), ...awsOf(making) }) },
  'piper-http': { model: VOICE_IS_MODEL, make: (making) => piper(asked(making)) },
  'openai-speech': {
    model: null,
    make: ({ entry, chosen, keys: _keys, region: _region, ...making }) =>
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
  const { baseUrl, apiKey, keys, region } = resolveService(entry, environment, options.region);
  if (voice === undefined) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `${entry.name} needs a voice: name it, or give its id.`, {
      path: 'voice',
    });
  }
  const chosen = { ...(language !== undefined && { language }), ...(timeoutMs !== undefined && { timeoutMs }) };
  return TTS_ADAPTERS[entry.dialect]!.make({ entry, baseUrl, apiKey, keys, region, model, voice, chosen, clock });
}

/** For a service with an account; a server of one's own may want no key. */
function keyed({ apiKey, model, voice, chosen, clock }: TtsMaking) {
  return { clock, model, voice, apiKey: apiKey ?? 'none', ...chosen };
}

/** For a voice that is asked by one POST. */
function asked({ entry, baseUrl, apiKey, model, voice, chosen, clock }: TtsMaking): HttpVoiceOptions {
  const { id: name, name: label } = entry;
  return { ...HTTP_VOICE_DEFAULTS, name, label, baseUrl, apiKey, model, voice, clock, ...chosen };
}

/** The address without the path that the adapter adds itself. */
function without({ baseUrl }: TtsMaking, path: string): string {
  return baseUrl.endsWith(path) ? baseUrl.slice(0, -path.length) : baseUrl;
}
