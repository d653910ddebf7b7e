/**
 * Speech to text by Deepgram's streaming endpoint `/v1/listen` (nova-3). Messages by Deepgram's reference
 * (developers.deepgram.com/reference/speech-to-text/listen-streaming) and its pages on Finalize, KeepAlive and
 * CloseStream, read in November 2026; tested against a fake that speaks them.
 *
 * A Finalize is not always answered: when little audio waits, no result with `from_finalize` may come. Then the stream
 * is closed in good order, which is always answered, and the next utterance takes another connection.
 */
import { z } from 'zod';
import type { Timer } from '../../../clock.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { requireKey } from '../require-key.ts';
import {
  DEEPGRAM_DEFAULTS,
  type DeepgramAddress,
  type DeepgramOptions,
  deepgramAddress,
  deepgramWord,
} from './deepgram-account.ts';
import type { DialectLink, DialectSession, DialectWord, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';

export interface DeepgramSttOptions extends DeepgramOptions {
  /** @defaultValue `nova-3` */
  model?: string;
  /** BCP-47, or `multi`. @defaultValue `en` */
  language?: string;
  /** Silence after which the service ends a turn of a continuous stream. */
  endpointingMs?: number;
  /** How long an answer to Finalize is waited for before the stream is closed for one. */
  finalizeQuietMs?: number;
}

export const DEEPGRAM_STT_DEFAULTS = {
  ...DEEPGRAM_DEFAULTS,
  model: 'nova-3',
  language: 'en',
  endpointingMs: 300,
  finalizeQuietMs: 1_000,
} as const;

/** Deepgram closes after 10 s without audio or KeepAlive. */
const KEEP_ALIVE_MS = 4_000;
/** Results give their time in rounded seconds. */
const TIME_TOLERANCE_S = 0.02;

const resultsSchema = z.object({
  start: z.number().min(0),
  duration: z.number().min(0),
  is_final: z.boolean(),
  speech_final: z.boolean().optional(),
  from_finalize: z.boolean().optional(),
  channel: z.object({
    alternatives: z
      .array(z.object({ transcript: z.string().max(16_384), words: z.array(deepgramWord).max(4_096).default([]) }))
      .max(16),
  }),
});
const messageSchema = z.object({ type: z.string() });

type Settings = Required<Omit<DeepgramSttOptions, 'baseUrl' | 'region' | 'apiKey'>> & DeepgramAddress;

export class DeepgramStt extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: DeepgramSttOptions) {
    const apiKey = requireKey(options.apiKey, 'Deepgram', 'DEEPGRAM_API_KEY');
    const settings = { ...DEEPGRAM_STT_DEFAULTS, ...options, apiKey };
    super({ ...settings, name: 'deepgram', dialect: dialect(settings, false), turnDialect: dialect(settings, true) });
  }
}

function dialect(settings: Settings, detectsTurns: boolean): SttDialect {
  return {
    service: 'Deepgram',
    keepAliveMs: KEEP_ALIVE_MS,
    finalizesInMidStream: true,
    address: () =>
      deepgramAddress(settings, '/v1/listen', {
        model: settings.model,
        language: settings.language,
        encoding: 'linear16',
        sample_rate: String(EAR_SAMPLE_RATE),
        channels: '1',
        interim_results: 'true',
        punctuate: 'true',
        endpointing: detectsTurns ? String(settings.endpointingMs) : 'false',
      }),
    session: (link) => new NovaSession(link, settings.finalizeQuietMs, detectsTurns),
  };
}

class NovaSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #quietMs: number;
  readonly #detectsTurns: boolean;
  /** Seconds of audio that must be final, while finalizing. */
  #goal: number | null = null;
  /** Results up to here belong to what was finalized before. */
  #doneUntil = 0;
  #finalUntil = 0;
  #hasWords = false;
  #quiet: Timer | null = null;

  constructor(link: DialectLink, quietMs: number, detectsTurns: boolean) {
    this.#link = link;
    this.#quietMs = quietMs;
    this.#detectsTurns = detectsTurns;
  }

  opened(): void {
    this.#link.ready();
  }

  audio(bytes: Buffer): void {
    this.#link.sendBinary(bytes);
  }

  finalize(): void {
    this.#goal = this.#link.sentSeconds;
    if (this.#finalUntil >= this.#goal - TIME_TOLERANCE_S) {
      this.#done();
      return;
    }
    this.#link.sendJson({ type: 'Finalize' });
    this.#quiet = this.#link.after(this.#quietMs, () => this.#link.sendJson({ type: 'CloseStream' }));
  }

  keepAlive(): void {
    this.#link.sendJson({ type: 'KeepAlive' });
  }

  goodbye(): void {
    this.#link.sendJson({ type: 'CloseStream' });
  }

  message(value: unknown): void {
    const { type } = messageSchema.parse(value);
    if (type === 'Results') this.#results(resultsSchema.parse(value));
    // The end of a stream that was closed for want of an answer to Finalize.
    if (type === 'Metadata' && this.#goal !== null) {
      this.#done();
      this.#link.retire();
    }
  }

  #results(results: z.infer<typeof resultsSchema>): void {
    const until = results.start + results.duration;
    if (this.#doneUntil > 0 && until <= this.#doneUntil + TIME_TOLERANCE_S / 2) return;
    const best = results.channel.alternatives[0];
    const text = best?.transcript.trim() ?? '';
    const words: readonly DialectWord[] = best?.words ?? [];
    if (!results.is_final) {
      if (text !== '') this.#link.interim(text, words, until);
      return;
    }
    this.#finalUntil = until;
    this.#hasWords ||= text !== '';
    this.#link.final(text, words, until);
    if (this.#goal !== null && (results.from_finalize === true || until >= this.#goal - TIME_TOLERANCE_S)) {
      this.#done();
    } else if (this.#detectsTurns && results.speech_final === true && this.#hasWords) {
      this.#hasWords = false;
      this.#link.turnEnd('service');
    }
  }

  #done(): void {
    this.#doneUntil = this.#goal ?? 0;
    this.#goal = null;
    this.#hasWords = false;
    this.#quiet?.cancel();
    this.#quiet = null;
    this.#link.turnEnd('finalize');
  }
}
