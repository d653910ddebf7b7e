/** From an entry of the catalogue to speech to text that a pipeline can use. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { DEEPGRAM_STT_DEFAULTS, DeepgramStt } from '../stt/deepgram.ts';
import { DEEPGRAM_FLUX_DEFAULTS, DeepgramFlux } from '../stt/deepgram-flux.ts';
import { OpenAiCompatibleStt } from '../stt/openai-compatible.ts';
import { OPENAI_REALTIME_STT_DEFAULTS, OpenAiRealtimeStt } from '../stt/openai-realtime.ts';
import type { Stt } from '../stt.ts';
import { type Adapters, modelOf, nothingSpeaks } from './adapter.ts';
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

export const STT_ADAPTERS: Adapters = {
  'deepgram-listen': DEEPGRAM_STT_DEFAULTS,
  'deepgram-flux': DEEPGRAM_FLUX_DEFAULTS,
  'openai-realtime-transcription': OPENAI_REALTIME_STT_DEFAULTS,
  'openai-transcriptions': { model: null },
};

/** The model that is used when `wanted` is. @throws ERR_CONFIG_INVALID when one must be named, or nothing speaks it */
export function sttModel(entry: SttEntry, wanted: string | undefined): string {
  return modelOf(entry, wanted, STT_ADAPTERS);
}

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for what the entry has not */
export function createStt(entry: SttEntry, options: CreateSttOptions): Stt {
  const { environment, clock, log, language } = options;
  const model = sttModel(entry, options.model);
  const { baseUrl, apiKey } = resolveService(entry, environment, options.region);
  const common = { clock, log, model, apiKey: apiKey ?? 'none' };
  const chosen = {
    ...(language !== undefined && { language }),
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  };
  switch (entry.dialect) {
    case 'deepgram-listen':
      return new DeepgramStt({ ...common, ...chosen, baseUrl: baseUrl.replace(/\/v1\/listen$/, '') });
    case 'deepgram-flux':
      return new DeepgramFlux({ ...common, ...chosen, baseUrl: baseUrl.replace(/\/v2\/listen$/, '') });
    case 'openai-realtime-transcription':
      return new OpenAiRealtimeStt({ ...common, ...chosen, baseUrl: baseUrl.replace(/\/realtime$/, '') });
    case 'openai-transcriptions':
      return new OpenAiCompatibleStt({
        ...CREATE_STT_DEFAULTS,
        ...chosen,
        name: entry.id,
        label: entry.name,
        baseUrl,
        apiKey,
        model,
        clock,
      });
    default:
      throw nothingSpeaks(entry);
  }
}
