/**
 * Speech to text by Gladia's live transcription (version 2): a session is asked for by a POST, which answers with the
 * address of its WebSocket. By docs.gladia.io (api-reference/v2/live/init, asyncapi.yaml, chapters/live-stt/features/
 * endpointing) and the types of the package @gladiaio/sdk 2.1.0, read in November 2026; tested against a fake that
 * speaks it.
 *
 * There is no asking for words in mid-stream: an utterance that we cut is ended by `stop_recording`, which ends the
 * session, and the session of the next one is opened at once.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { HttpService } from '../http-service.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import type { SocketAddress } from '../service-socket.ts';
import type { DialectLink, DialectSession, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';

export interface GladiaOptions {
  /** From GLADIA_API_KEY; null when there is none. */
  apiKey: string | null;
  /** Where sessions are asked for. */
  baseUrl?: string;
  /** `eu-west` or `us-west`; null for the service's own choice. */
  region?: string | null;
  model?: string;
  /** ISO 639-1. @defaultValue none: the service finds out */
  language?: string;
  /** Silence after which the service ends an utterance, 0.01 to 10. */
  endpointingSeconds?: number;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
}

export const GLADIA_DEFAULTS = {
  baseUrl: 'https://api.gladia.io/v2/live',
  region: null,
  model: 'solaria-1',
  endpointingSeconds: 0.5,
  timeoutMs: 5_000,
} as const;

/** The longest that the service takes for one utterance. */
const MAX_UTTERANCE_SECONDS = 60;
/** A session without sound is closed; a little silence keeps it. */
const KEEP_ALIVE_MS = 10_000;
const KEEP_ALIVE_SILENCE_MS = 100;

const seconds = z.number().min(0);
const sessionSchema = z.object({ url: z.url({ protocol: /^wss?$/ }).max(4_096) });
const messageSchema = z.object({
  type: z.string(),
  error: z.object({ message: z.string().max(4_096).nullish() }).nullish(),
});
const transcriptSchema = z.object({
  data: z.object({
    is_final: z.boolean(),
    utterance: z.object({
      text: z.string().max(65_536),
      end: seconds,
      words: z
        .array(z.object({ word: z.string().max(512), start: seconds, end: seconds, confidence: z.number().nullish() }))
        .max(8_192)
        .default([]),
    }),
  }),
});

type Settings = Required<Omit<GladiaOptions, 'log' | 'apiKey' | 'language'>> & { apiKey: string; language?: string };

export class Gladia extends TurnDetectingPooledStt {
  readonly #http: HttpService;

  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: GladiaOptions) {
    const apiKey = requireKey(options.apiKey, 'Gladia', 'GLADIA_API_KEY');
    const settings = { ...GLADIA_DEFAULTS, ...options, apiKey };
    const query = settings.region === null ? '' : `?region=${encodeURIComponent(settings.region)}`;
    const http = new HttpService({
      name: 'gladia',
      label: 'Gladia',
      baseUrl: `${settings.baseUrl}${query}`,
      apiKey,
      clock: settings.clock,
      timeoutMs: settings.timeoutMs,
      headers: () => ({ 'x-gladia-key': apiKey }),
    });
    super({
      ...settings,
      name: 'gladia',
      dialect: dialectOf(settings, http, false),
      turnDialect: dialectOf(settings, http, true),
    });
    this.#http = http;
  }

  override close(): void {
    super.close();
    this.#http.close();
  }
}

function dialectOf(settings: Settings, http: HttpService, detectsTurns: boolean): SttDialect {
  return {
    service: 'Gladia',
    keepAliveMs: KEEP_ALIVE_MS,
    address: () => (signal) => sessionAddress(settings, http, signal),
    session: (link) => new GladiaSession(link, settings.apiKey, detectsTurns),
  };
}

/** The answer's address holds a token for this one session: the key goes no further. */
async function sessionAddress(settings: Settings, http: HttpService, signal: AbortSignal): Promise<SocketAddress> {
  const { model, endpointingSeconds, language } = settings;
  const body = {
    encoding: 'wav/pcm',
    bit_depth: 16,
    sample_rate: EAR_SAMPLE_RATE,
    channels: 1,
    model,
    endpointing: endpointingSeconds,
    maximum_duration_without_endpointing: MAX_UTTERANCE_SECONDS,
    ...(language !== undefined && { language_config: { languages: [language], code_switching: false } }),
    messages_config: {
      receive_partial_transcripts: true,
      receive_final_transcripts: true,
      receive_speech_events: false,
      receive_pre_processing_events: false,
      receive_realtime_processing_events: false,
      receive_post_processing_events: false,
      receive_acknowledgments: false,
      receive_errors: true,
      receive_lifecycle_events: true,
    },
  };
  for await (const { url } of http.values(signal, { path: '', body }, (value) => sessionSchema.parse(value))) {
    return { url: new URL(url), headers: {} };
  }
  throw new AntipodeError('ERR_SERVICE_FAILED', 'Gladia answered with no session.');
}

class GladiaSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #apiKey: string;
  readonly #detectsTurns: boolean;
  #finalizing = false;

  constructor(link: DialectLink, apiKey: string, detectsTurns: boolean) {
    this.#link = link;
    this.#apiKey = apiKey;
    this.#detectsTurns = detectsTurns;
  }

  opened(): void {
    // All that it needs to know was in the POST.
    this.#link.ready();
  }

  audio(bytes: Buffer): void {
    this.#link.sendBinary(bytes);
  }

  finalize(): void {
    this.#finalizing = true;
    this.#link.sendJson({ type: 'stop_recording' });
  }

  keepAlive(): void {
    this.#link.sendSilence(KEEP_ALIVE_SILENCE_MS);
  }

  goodbye(): void {
    this.#link.sendJson({ type: 'stop_recording' });
  }

  message(value: unknown): void {
    const { type, error } = messageSchema.parse(value);
    if (error != null) {
      this.#link.fail(refusal('Gladia', 500, { words: quotable(error.message ?? '', this.#apiKey) }));
    } else if (type === 'transcript') this.#heard(transcriptSchema.parse(value).data);
    else if (type === 'end_session') this.closed();
  }

  closed(): boolean {
    if (!this.#finalizing) return false;
    this.#finalizing = false;
    this.#link.settled(this.#link.sentSeconds);
    this.#link.turnEnd('finalize');
    this.#link.retire();
    return true;
  }

  #heard({ is_final: isFinal, utterance }: z.infer<typeof transcriptSchema>['data']): void {
    const said = utterance.text.trim();
    const words = utterance.words.map(({ word, start, end, confidence = null }) => ({
      text: word.trim(),
      start,
      end,
      confidence,
    }));
    if (!isFinal) {
      if (said !== '') this.#link.interim(said, words, utterance.end);
      return;
    }
    this.#link.final(said, words, utterance.end);
    if (this.#detectsTurns && !this.#finalizing && said !== '') this.#link.turnEnd('service');
  }
}
