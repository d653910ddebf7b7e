/**
 * Speech to text by ElevenLabs Scribe v2 in real time: audio is sent as it is spoken and committed when the turn ends,
 * by us or, heard continuously, by the service's own voice activity. Written from memory of the vendor's documentation
 * (elevenlabs.io/docs), which was not read for it: check it before you rely on it. Tested against a fake that speaks it
 * so.
 */
import { z } from 'zod';
import type { Clock } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import type { DialectLink, DialectSession, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';

export interface ElevenLabsScribeOptions {
  /** From ELEVENLABS_API_KEY; null when there is none. */
  apiKey: string | null;
  baseUrl?: string;
  model?: string;
  /** ISO 639-1. @defaultValue none: the service finds out */
  language?: string;
  /** Silence after which the service ends a turn of a continuous stream, seconds. */
  endpointingSeconds?: number;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
}

export const ELEVENLABS_SCRIBE_DEFAULTS = {
  baseUrl: 'wss://api.elevenlabs.io/v1/speech-to-text/realtime',
  model: 'scribe_v2_realtime',
  endpointingSeconds: 0.5,
  timeoutMs: 5_000,
} as const;

/** Less than 300 ms of sound is not committed. */
const MIN_COMMIT_S = 0.32;

const messageSchema = z.object({ message_type: z.string() });
const transcriptSchema = z.object({ text: z.string().max(65_536) });
const errorSchema = z.object({ error: z.string().max(4_096).nullish() });
/** What stands for an HTTP status among the service's errors; what is not among them is no error. */
const STATUS_OF: Readonly<Record<string, number>> = {
  auth_error: 401,
  quota_exceeded: 402,
  unaccepted_terms: 403,
  rate_limited: 429,
  resource_exhausted: 503,
  queue_overflow: 503,
  session_time_limit_exceeded: 503,
  error: 500,
  transcriber_error: 500,
  input_error: 400,
  chunk_size_exceeded: 400,
};

type Settings = Required<Omit<ElevenLabsScribeOptions, 'clock' | 'log' | 'apiKey' | 'language'>> & {
  apiKey: string;
  language?: string;
};

export class ElevenLabsScribe extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: ElevenLabsScribeOptions) {
    const apiKey = requireKey(options.apiKey, 'ElevenLabs', 'ELEVENLABS_API_KEY');
    const settings = { ...ELEVENLABS_SCRIBE_DEFAULTS, ...options, apiKey };
    super({
      ...settings,
      name: 'elevenlabs',
      dialect: dialectOf(settings, false),
      turnDialect: dialectOf(settings, true),
    });
  }
}

function dialectOf(settings: Settings, detectsTurns: boolean): SttDialect {
  return {
    service: 'ElevenLabs Scribe',
    keepAliveMs: null,
    address: () => {
      const url = new URL(settings.baseUrl);
      const query = {
        model_id: settings.model,
        audio_format: `pcm_${EAR_SAMPLE_RATE}`,
        commit_strategy: detectsTurns ? 'vad' : 'manual',
        ...(detectsTurns && { vad_silence_threshold_secs: String(settings.endpointingSeconds) }),
        ...(settings.language !== undefined && { language_code: settings.language }),
      };
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      return { url, headers: { 'xi-api-key': settings.apiKey } };
    },
    session: (link) => new ScribeSession(link, settings.apiKey, detectsTurns),
  };
}

class ScribeSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #apiKey: string;
  readonly #detectsTurns: boolean;
  /** Seconds that are committed. */
  #committed = 0;
  #finalizing = false;

  constructor(link: DialectLink, apiKey: string, detectsTurns: boolean) {
    this.#link = link;
    this.#apiKey = apiKey;
    this.#detectsTurns = detectsTurns;
  }

  opened(): void {
    // `session_started` comes.
  }

  audio(bytes: Buffer): void {
    this.#chunk(bytes, false);
  }

  finalize(): void {
    this.#finalizing = true;
    const missing = MIN_COMMIT_S - (this.#link.sentSeconds - this.#committed);
    if (missing > 0) this.#link.sendSilence(missing * 1_000);
    this.#committed = this.#link.sentSeconds;
    this.#chunk(Buffer.alloc(0), true);
  }

  keepAlive(): void {
    // Nothing is asked for.
  }

  goodbye(): void {
    // The protocol has none.
  }

  message(value: unknown): void {
    const { message_type: type } = messageSchema.parse(value);
    if (type === 'session_started') this.#link.ready();
    else if (type === 'partial_transcript') {
      const text = transcriptSchema.parse(value).text.trim();
      if (text !== '') this.#link.interim(text, []);
    } else if (type === 'committed_transcript') this.#done(transcriptSchema.parse(value).text.trim());
    // What we committed holds nothing that it would transcribe.
    else if (type === 'commit_throttled' || type === 'insufficient_audio_activity') this.#done('');
    else if (Object.hasOwn(STATUS_OF, type)) {
      const words = quotable(errorSchema.parse(value).error ?? '', this.#apiKey);
      this.#link.fail(refusal('ElevenLabs Scribe', STATUS_OF[type]!, { words }));
    }
  }

  #chunk(bytes: Buffer, commit: boolean): void {
    const audio_base_64 = bytes.toString('base64');
    this.#link.sendJson({ message_type: 'input_audio_chunk', audio_base_64, commit, sample_rate: EAR_SAMPLE_RATE });
  }

  #done(text: string): void {
    if (!this.#finalizing && !this.#detectsTurns) return;
    this.#link.final(text, [], this.#finalizing ? this.#committed : this.#link.sentSeconds);
    if (this.#finalizing) {
      this.#finalizing = false;
      this.#link.turnEnd('finalize');
    } else if (text !== '') this.#link.turnEnd('service');
  }
}
