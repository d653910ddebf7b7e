/**
 * Speech to text by Speechmatics in real time (version 2). An utterance is ended by ForceEndOfUtterance; one that it
 * leaves unanswered is ended with its stream, which always is. Written from memory of the vendor's documentation
 * (docs.speechmatics.com), which was not read for it: check it before you rely on it. Tested against a fake that speaks
 * it so.
 */
import { z } from 'zod';
import type { Clock, Timer } from '../../../clock.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { quotable, refusal } from '../refusal.ts';
import { requireKey } from '../require-key.ts';
import type { DialectLink, DialectSession, DialectWord, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';
import { textOf } from './wire-words.ts';

export interface SpeechmaticsOptions {
  /** From SPEECHMATICS_API_KEY; null when there is none. */
  apiKey: string | null;
  baseUrl?: string;
  /** The operating point: `enhanced`, or `standard`, which is sooner and less exact. */
  model?: string;
  /** ISO 639-1. @defaultValue `en` */
  language?: string;
  /** Silence after which the service ends a turn of a continuous stream, seconds, up to 2. */
  endpointingSeconds?: number;
  clock: Clock;
  log: Logger;
  /** From the end of an utterance to its words. */
  timeoutMs?: number;
  /** How long an answer to ForceEndOfUtterance is waited for before the stream is ended for one. */
  finalizeQuietMs?: number;
}

export const SPEECHMATICS_DEFAULTS = {
  baseUrl: 'wss://eu2.rt.speechmatics.com/v2',
  model: 'enhanced',
  language: 'en',
  endpointingSeconds: 0.5,
  timeoutMs: 5_000,
  finalizeQuietMs: 1_500,
} as const;

const seconds = z.number().min(0);
const messageSchema = z.object({ message: z.string() });
const transcriptSchema = z.object({
  metadata: z.object({ end_time: seconds }),
  results: z
    .array(
      z.object({
        type: z.string(),
        start_time: seconds,
        end_time: seconds,
        alternatives: z
          .array(z.object({ content: z.string().max(512), confidence: z.number().nullish() }))
          .max(16)
          .default([]),
      }),
    )
    .max(8_192),
});
const errorSchema = z.object({ type: z.string().max(100), reason: z.string().max(4_096).nullish() });
const STATUS_OF: Readonly<Record<string, number>> = {
  not_authorised: 401,
  insufficient_funds: 402,
  not_allowed: 403,
  quota_exceeded: 429,
  timelimit_exceeded: 429,
  job_error: 500,
  unknown_error: 500,
};

type Settings = Required<Omit<SpeechmaticsOptions, 'clock' | 'log' | 'apiKey'>> & { apiKey: string };

export class Speechmatics extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: SpeechmaticsOptions) {
    const apiKey = requireKey(options.apiKey, 'Speechmatics', 'SPEECHMATICS_API_KEY');
    const settings = { ...SPEECHMATICS_DEFAULTS, ...options, apiKey };
    super({
      ...settings,
      name: 'speechmatics',
      dialect: dialectOf(settings, false),
      turnDialect: dialectOf(settings, true),
    });
  }
}

function dialectOf(settings: Settings, detectsTurns: boolean): SttDialect {
  return {
    service: 'Speechmatics',
    keepAliveMs: null,
    address: () => ({ url: new URL(settings.baseUrl), headers: { authorization: `Bearer ${settings.apiKey}` } }),
    session: (link) => new SpeechmaticsSession(link, settings, detectsTurns),
  };
}

class SpeechmaticsSession implements DialectSession {
  readonly #link: DialectLink;
  readonly #settings: Settings;
  readonly #detectsTurns: boolean;
  #messages = 0;
  #hasWords = false;
  #finalizing = false;
  #quiet: Timer | null = null;

  constructor(link: DialectLink, settings: Settings, detectsTurns: boolean) {
    this.#link = link;
    this.#settings = settings;
    this.#detectsTurns = detectsTurns;
  }

  opened(): void {
    const { language, model, endpointingSeconds } = this.#settings;
    this.#link.sendJson({
      message: 'StartRecognition',
      audio_format: { type: 'raw', encoding: 'pcm_s16le', sample_rate: EAR_SAMPLE_RATE },
      transcription_config: {
        language,
        operating_point: model,
        enable_partials: true,
        max_delay: 1,
        ...(this.#detectsTurns && {
          conversation_config: { end_of_utterance_silence_trigger: endpointingSeconds },
        }),
      },
    });
  }

  audio(bytes: Buffer): void {
    this.#messages += 1;
    this.#link.sendBinary(bytes);
  }

  finalize(): void {
    this.#finalizing = true;
    this.#link.sendJson({ message: 'ForceEndOfUtterance' });
    this.#quiet = this.#link.after(this.#settings.finalizeQuietMs, () => this.goodbye());
  }

  keepAlive(): void {
    // Nothing is asked for.
  }

  goodbye(): void {
    this.#link.sendJson({ message: 'EndOfStream', last_seq_no: this.#messages });
  }

  message(value: unknown): void {
    switch (messageSchema.parse(value).message) {
      case 'RecognitionStarted':
        this.#link.ready();
        return;
      case 'AddPartialTranscript':
        this.#heard(transcriptSchema.parse(value), false);
        return;
      case 'AddTranscript':
        this.#heard(transcriptSchema.parse(value), true);
        return;
      case 'EndOfUtterance':
        if (this.#finalizing) this.#done();
        else if (this.#detectsTurns && this.#hasWords) {
          this.#hasWords = false;
          this.#link.turnEnd('service');
        }
        return;
      case 'EndOfTranscript':
        if (!this.#finalizing) return;
        this.#done();
        this.#link.retire();
        return;
      case 'Error':
        this.#failed(errorSchema.parse(value));
    }
  }

  #heard({ metadata, results }: z.infer<typeof transcriptSchema>, final: boolean): void {
    const words = wordsOf(results);
    const text = textOf(words);
    if (!final) {
      if (text !== '') this.#link.interim(text, words, metadata.end_time);
      return;
    }
    this.#hasWords ||= text !== '';
    this.#link.final(text, words, metadata.end_time);
  }

  #failed({ type, reason }: z.infer<typeof errorSchema>): void {
    const words = quotable(reason ?? type, this.#settings.apiKey);
    this.#link.fail(refusal('Speechmatics', STATUS_OF[type] ?? 400, { words }));
  }

  #done(): void {
    this.#finalizing = false;
    this.#hasWords = false;
    this.#quiet?.cancel();
    this.#quiet = null;
    this.#link.settled(this.#link.sentSeconds);
    this.#link.turnEnd('finalize');
  }
}

/** Punctuation belongs to the word before it. */
function wordsOf(results: z.infer<typeof transcriptSchema>['results']): DialectWord[] {
  const words: { text: string; start: number; end: number; confidence: number | null }[] = [];
  for (const { type, start_time: start, end_time: end, alternatives } of results) {
    const [best] = alternatives;
    if (best === undefined) continue;
    const last = words.at(-1);
    if (type === 'punctuation' && last) last.text += best.content;
    else if (type === 'word') words.push({ text: best.content, start, end, confidence: best.confidence ?? null });
  }
  return words;
}
