/** From an entry of the catalogue to speech to text that a pipeline can use. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { ASSEMBLYAI_DEFAULTS, AssemblyAi } from '../stt/assemblyai.ts';
import { AWS_TRANSCRIBE_DEFAULTS, AwsTranscribe } from '../stt/aws-transcribe.ts';
import { CARTESIA_INK_DEFAULTS, CartesiaInk } from '../stt/cartesia-ink.ts';
import { DEEPGRAM_STT_DEFAULTS, DeepgramStt } from '../stt/deepgram.ts';
import { DEEPGRAM_FLUX_DEFAULTS, DeepgramFlux } from '../stt/deepgram-flux.ts';
import { ELEVENLABS_SCRIBE_DEFAULTS, ElevenLabsScribe } from '../stt/elevenlabs-scribe.ts';
import { GLADIA_DEFAULTS, Gladia } from '../stt/gladia.ts';
import { OpenAiCompatibleStt } from '../stt/openai-compatible.ts';
import { OPENAI_REALTIME_STT_DEFAULTS, OpenAiRealtimeStt } from '../stt/openai-realtime.ts';
import { SONIOX_DEFAULTS, Soniox } from '../stt/soniox.ts';
import { SPEECHMATICS_DEFAULTS, Speechmatics } from '../stt/speechmatics.ts';
import { XAI_STT_DEFAULTS, XaiStt } from '../stt/xai.ts';
import type { Stt } from '../stt.ts';
import { modelOf } from './adapter.ts';
import { awsOf } from './aws-account.ts';
import { type Environment, resolveService } from './resolve.ts';
import type { SttEntry } from './schema.ts';

export interface CreateSttOptions {
  /** One of the entry's; without it the entry's `urlVariable`, else its first. */
  readonly region?: string;
  /** Without it the adapter's own choice, else the first one of the entry. */
  readonly model?: string;
  /** As the vendor writes it; without it the adapter's own choice. */
  readonly language?: string;
  /** Where keys are read from, once. */
  readonly environment: Environment;
  readonly clock: Clock;
  readonly log: Logger;
  /** Without it the adapter's own. */
  readonly timeoutMs?: number;
}

export const CREATE_STT_DEFAULTS = { timeoutMs: 8_000 } as const satisfies Partial<CreateSttOptions>;

/** What an adapter is made with: all of it resolved and checked. */
export interface SttMaking {
  readonly entry: SttEntry;
  readonly baseUrl: string;
  readonly apiKey: string | null;
  /** All of its secrets, by the names of their variables. */
  readonly keys: Readonly<Record<string, string>>;
  /** The entry's; `own` for an address of the operator's. */
  readonly region: string;
  readonly model: string;
  /** Only what was chosen, for the adapter's defaults to hold. */
  readonly chosen: { readonly language?: string; readonly timeoutMs?: number };
  readonly clock: Clock;
  readonly log: Logger;
}

export interface SttAdapter {
  /** Its own choice; null: one must be named, here or in the catalogue. */
  readonly model: string | null;
  make(making: SttMaking): Stt;
}

/** By dialect. The one place where an adapter is made known. */
export const STT_ADAPTERS: Readonly<Record<string, SttAdapter>> = {
  'deepgram-listen': {
    model: DEEPGRAM_STT_DEFAULTS.model,
    make: (making) => new DeepgramStt({ ...keyed(making), baseUrl: without(making, '/v1/listen') }),
  },
  'deepgram-flux': {
    model: DEEPGRAM_FLUX_DEFAULTS.model,
    make: (making) => new DeepgramFlux({ ...keyed(making), baseUrl: without(making, '/v2/listen') }),
  },
  'openai-realtime-transcription': {
    model: OPENAI_REALTIME_STT_DEFAULTS.model,
    make: (making) => new OpenAiRealtimeStt({ ...keyed(making), baseUrl: without(making, '/realtime') }),
  },
  soniox: {
    model: SONIOX_DEFAULTS.model,
    make: (making) => new Soniox({ ...keyed(making), baseUrl: making.baseUrl }),
  },
  'assemblyai-v3': {
    model: ASSEMBLYAI_DEFAULTS.model,
    make: (making) => new AssemblyAi({ ...keyed(making), baseUrl: making.baseUrl }),
  },
  'elevenlabs-scribe': {
    model: ELEVENLABS_SCRIBE_DEFAULTS.model,
    make: (making) => new ElevenLabsScribe({ ...keyed(making), baseUrl: making.baseUrl }),
  },
  'speechmatics-v2': {
    model: SPEECHMATICS_DEFAULTS.model,
    make: (making) => new Speechmatics({ ...keyed(making), baseUrl: making.baseUrl }),
  },
  'gladia-v2': {
    model: GLADIA_DEFAULTS.model,
    make: ({ region, ...making }) =>
      new Gladia({ ...keyed(making), baseUrl: making.baseUrl, region: region === 'own' ? null : region }),
  },
  'cartesia-turns': {
    model: CARTESIA_INK_DEFAULTS.model,
    make: (making) => new CartesiaInk({ ...keyed(making), baseUrl: without(making, '/stt/turns/websocket') }),
  },
  'aws-transcribe': {
    model: AWS_TRANSCRIBE_DEFAULTS.model,
    make: ({ clock, log, chosen, baseUrl, ...making }) =>
      new AwsTranscribe({ clock, log, baseUrl, ...chosen, ...awsOf(making) }),
  },
  'xai-stt': {
    model: XAI_STT_DEFAULTS.model,
    make: ({ clock, log, chosen, baseUrl, apiKey }) => new XaiStt({ clock, log, baseUrl, apiKey, ...chosen }),
  },
  'openai-transcriptions': {
    model: null,
    make: ({ entry, chosen, log: _log, keys: _keys, region: _region, ...making }) =>
      new OpenAiCompatibleStt({ ...CREATE_STT_DEFAULTS, ...making, ...chosen, name: entry.id, label: entry.name }),
  },
};

/** The model that is used when `wanted` is. @throws ERR_CONFIG_INVALID when one must be named, or nothing speaks it */
export function sttModel(entry: SttEntry, wanted: string | undefined): string {
  return modelOf(entry, wanted, STT_ADAPTERS);
}

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for what the entry has not */
export function createStt(entry: SttEntry, options: CreateSttOptions): Stt {
  const { environment, clock, log, language, timeoutMs } = options;
  const model = sttModel(entry, options.model);
  const { baseUrl, apiKey, keys, region } = resolveService(entry, environment, options.region);
  const chosen = { ...(language !== undefined && { language }), ...(timeoutMs !== undefined && { timeoutMs }) };
  return STT_ADAPTERS[entry.dialect]!.make({ entry, baseUrl, apiKey, keys, region, model, chosen, clock, log });
}

/** For a service with an account; a server of one's own may want no key. */
function keyed({ apiKey, model, chosen, clock, log }: Omit<SttMaking, 'region'>) {
  return { clock, log, model, apiKey: apiKey ?? 'none', ...chosen };
}

/** The address without the path that the adapter adds itself. */
function without({ baseUrl }: SttMaking, path: string): string {
  return baseUrl.endsWith(path) ? baseUrl.slice(0, -path.length) : baseUrl;
}
