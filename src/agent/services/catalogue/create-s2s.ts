/** From an entry of the catalogue to speech to speech that a pipeline can use. Owns no protocol. */
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { OPENAI_REALTIME_DEFAULTS, OpenAiRealtime } from '../s2s/openai-realtime.ts';
import { type Adapters, nothingSpeaks, speaks, UNNAMED_MODEL } from './adapter.ts';
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

export const S2S_ADAPTERS: Adapters = { 'openai-realtime': { model: OPENAI_REALTIME_DEFAULTS.model } };

/** The model that is used when `wanted` is; null for a service that has but one. */
export function s2sModel({ id, models }: S2sEntry, wanted: string | undefined): string | null {
  if (wanted !== undefined) return wanted;
  if (id === OPENAI_REALTIME_DEFAULTS.name) return OPENAI_REALTIME_DEFAULTS.model;
  return models.find((model) => model.id !== UNNAMED_MODEL)?.id ?? null;
}

/** @throws ERR_SERVICE_UNAVAILABLE when a key is missing; ERR_CONFIG_INVALID for what the entry has not */
export function createS2s(entry: S2sEntry, options: CreateS2sOptions): OpenAiRealtime {
  if (!speaks(S2S_ADAPTERS, entry)) throw nothingSpeaks(entry);
  const { environment, clock, log, voice, language, timeoutMs, onUnknownEvent } = options;
  const { baseUrl, apiKey, region } = resolveService(entry, environment, options.region);
  return new OpenAiRealtime({
    name: entry.id,
    label: entry.name,
    // The address of an HTTP API, as OPENAI_BASE_URL holds it, is that of its WebSocket but for the last part.
    url: /\/realtime$/.test(baseUrl) ? baseUrl : `${baseUrl.replace(/\/$/, '')}/realtime`,
    apiKey,
    region: region === 'own' ? null : region,
    model: s2sModel(entry, options.model),
    clock,
    log,
    ...(voice !== undefined && { voice }),
    ...(language !== undefined && { language }),
    ...(timeoutMs !== undefined && { replyTimeoutMs: timeoutMs }),
    ...(onUnknownEvent !== undefined && { onUnknownEvent }),
  });
}
