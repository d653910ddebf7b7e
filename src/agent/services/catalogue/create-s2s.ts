/** From an entry of the catalogue to speech to speech that a pipeline can use. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { GEMINI_LIVE_DEFAULTS, GeminiLive } from '../s2s/gemini-live.ts';
import { OPENAI_REALTIME_DEFAULTS, OpenAiRealtime } from '../s2s/openai-realtime.ts';
import type { S2s } from '../s2s.ts';
import { nothingSpeaks, speaks, UNNAMED_MODEL } from './adapter.ts';
import { type Environment, resolveService } from './resolve.ts';
import type { S2sEntry } from './schema.ts';

export interface CreateS2sOptions {
  /** One of the entry's; without it the entry's `urlVariable`, else its first. */
  readonly region?: string;
  /** Without it the first one of the entry; a service without any is asked for none. */
  readonly model?: string;
  /** Where the call names none; without it the service's own. */
  readonly voice?: string;
  /** ISO 639-1, for the words of the caller. */
  readonly language?: string;
  /** Where keys are read from, once. */
  readonly environment: Environment;
  readonly clock: Clock;
  readonly log: Logger;
  /** Longest silence of an answer; without it the adapter's own. */
  readonly timeoutMs?: number;
  /** Told of each event that nothing here reads, by its name. */
  onUnknownEvent?(type: string): void;
}

/** What an adapter is made with: all of it resolved and checked. */
export interface S2sMaking {
  readonly entry: S2sEntry;
  readonly baseUrl: string;
  readonly apiKey: string | null;
  /** What every adapter takes as it is: only what was chosen, for the adapter's defaults to hold. */
  readonly common: {
    readonly name: string;
    readonly label: string;
    /** Null for an address of the operator's. */
    readonly region: string | null;
    readonly clock: Clock;
    readonly log: Logger;
    readonly voice?: string;
    readonly replyTimeoutMs?: number;
    onUnknownEvent?(type: string): void;
  };
  readonly model: string | null;
  /** ISO 639-1. */
  readonly language: string | undefined;
}

export interface S2sAdapter {
  /** Its own choice; null: the entry's first, or none. */
  readonly model: string | null;
  make(making: S2sMaking): S2s;
}

/** By dialect. The one place where an adapter is made known. */
export const S2S_ADAPTERS: Readonly<Record<string, S2sAdapter>> = {
  'openai-realtime': {
    model: null,
    make: ({ baseUrl, apiKey, common, model, language }) =>
      new OpenAiRealtime({
        ...common,
        // The address of an HTTP API, as OPENAI_BASE_URL holds it, is that of its WebSocket but for the last part.
        url: /\/realtime$/.test(baseUrl) ? baseUrl : `${baseUrl.replace(/\/$/, '')}/realtime`,
        apiKey,
        model,
        ...(language !== undefined && { language }),
      }),
  },
  'gemini-live': {
    model: GEMINI_LIVE_DEFAULTS.model,
    make: ({ baseUrl, apiKey, common, model }) =>
      new GeminiLive({ ...common, baseUrl, apiKey, ...(model !== null && { model }) }),
  },
};

/** The model that is used when `wanted` is; null for a service that has but one. */
export function s2sModel({ id, dialect, models }: S2sEntry, wanted: string | undefined): string | null {
  if (wanted !== undefined) return wanted;
  if (id === OPENAI_REALTIME_DEFAULTS.name) return OPENAI_REALTIME_DEFAULTS.model;
  const own = S2S_ADAPTERS[dialect]?.model ?? null;
  if (own !== null) return own;
  return models.find((model) => model.id !== UNNAMED_MODEL)?.id ?? null;
}

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for what the entry has not */
export function createS2s(entry: S2sEntry, options: CreateS2sOptions): S2s {
  if (!speaks(S2S_ADAPTERS, entry)) throw nothingSpeaks(entry);
  const { environment, clock, log, voice, language, timeoutMs, onUnknownEvent } = options;
  const { baseUrl, apiKey, region } = resolveService(entry, environment, options.region);
  const common = {
    ...{ name: entry.id, label: entry.name, region: region === 'own' ? null : region, clock, log },
    ...(voice !== undefined && { voice }),
    ...(timeoutMs !== undefined && { replyTimeoutMs: timeoutMs }),
    ...(onUnknownEvent !== undefined && { onUnknownEvent }),
  };
  const model = s2sModel(entry, options.model);
  return S2S_ADAPTERS[entry.dialect]!.make({ entry, baseUrl, apiKey, common, model, language });
}
