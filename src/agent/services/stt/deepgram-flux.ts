/**
 * Speech to text by Deepgram Flux, `/v2/listen`, which detects the ends of turns in the model. Messages by Deepgram's
 * pages (developers.deepgram.com/reference/speech-to-text/listen-flux, /docs/flux/state, /docs/flux/force-end-turn,
 * /docs/flux/own-turn-detection), read in November 2026; tested against a fake that speaks them.
 *
 * Flux goes on by audio, not by time: when audio stops in the middle of a turn the turn never ends, so silence is sent
 * in its place. For an utterance that we cut ourselves Flux's own detection is off, and ForceEndTurn, which counts only
 * what is transcribed by then, is sent when the transcribed window has passed the caller's last sample. Deepgram's
 * hosted service has ForceEndTurn; a self-hosted one may not.
 */
import { z } from 'zod';
import { AntipodeError } from '../../../errors.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import { requireKey } from '../require-key.ts';
import { DEEPGRAM_DEFAULTS, type DeepgramAddress, type DeepgramOptions, deepgramAddress } from './deepgram-account.ts';
import type { DialectLink, DialectSession, DialectWord, SttDialect } from './dialect.ts';
import { TurnDetectingPooledStt } from './pooled-stt.ts';

export interface DeepgramFluxOptions extends DeepgramOptions {
  /** `flux-general-en` or `flux-general-multi`. @defaultValue `flux-general-en` */
  model?: string;
  /** A hint for `flux-general-multi`; null for none. @defaultValue null */
  language?: string | null;
  /** Confidence that ends a turn of a continuous stream, 0.5..0.9. */
  endThreshold?: number;
  /** Confidence for `eagerEnd`, 0.3..0.9; null for no such events. @defaultValue null */
  eagerThreshold?: number | null;
  /** Silence that ends a turn whatever the confidence, ms, 500..60000. */
  endTimeoutMs?: number;
}

export const DEEPGRAM_FLUX_DEFAULTS = {
  ...DEEPGRAM_DEFAULTS,
  model: 'flux-general-en',
  language: null,
  endThreshold: 0.7,
  eagerThreshold: null,
  endTimeoutMs: 5_000,
} as const;

/** Without audio for so long, silence of the same length is sent while a turn is open. */
const KEEP_ALIVE_MS = 500;
/** Between turns every so many of them: enough to keep the socket, which is closed after some 20 s. */
const IDLE_KEEP_ALIVES = 10;
const IDLE_SILENCE_MS = 100;
/** Behind an utterance, so that the transcribed window (updates are 250 ms apart) gets past its end. */
const PADDING_MS = 500;
/** Words that begin before Flux tells of a turn lie within this much of the window's end. */
const ONSET_S = 2;

const turnInfoSchema = z.object({
  event: z.string().max(64),
  audio_window_end: z.number().min(0),
  transcript: z.string().max(16_384),
  words: z
    .array(
      z.object({
        word: z.string().max(512),
        confidence: z.number().optional(),
        start: z.number().min(0).optional(),
        end: z.number().min(0).optional(),
      }),
    )
    .max(4_096)
    .default([]),
  end_of_turn_confidence: z.number(),
});
type TurnInfo = z.infer<typeof turnInfoSchema>;

const messageSchema = z.object({ type: z.string(), code: z.string().max(256).optional() });

type Settings = Required<Omit<DeepgramFluxOptions, 'baseUrl' | 'region' | 'apiKey'>> & DeepgramAddress;

export class DeepgramFlux extends TurnDetectingPooledStt {
  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: DeepgramFluxOptions) {
    const apiKey = requireKey(options.apiKey, 'Deepgram', 'DEEPGRAM_API_KEY');
    const settings = { ...DEEPGRAM_FLUX_DEFAULTS, ...options, apiKey };
    super({
      ...settings,
      name: 'deepgram-flux',
      dialect: dialect(settings, false),
      turnDialect: dialect(settings, true),
    });
  }
}

function dialect(settings: Settings, detectsTurns: boolean): SttDialect {
  const { language, eagerThreshold } = settings;
  return {
    service: 'Deepgram Flux',
    keepAliveMs: KEEP_ALIVE_MS,
    address: () =>
      deepgramAddress(settings, '/v2/listen', {
        model: settings.model,
        encoding: 'linear16',
        sample_rate: String(EAR_SAMPLE_RATE),
        eot_threshold: detectsTurns ? String(settings.endThreshold) : '1.0',
        eot_timeout_ms: detectsTurns ? String(settings.endTimeoutMs) : '60000',
        ...(detectsTurns && eagerThreshold !== null && { eager_eot_threshold: String(eagerThreshold) }),
        ...(language !== null && { language_hint: language }),
      }),
    session: (link) => new FluxSession(link),
  };
}

class FluxSession implements DialectSession {
  readonly #link: DialectLink;
  #inTurn = false;
  /** Seconds of audio that must be transcribed, while finalizing. */
  #goal: number | null = null;
  #forced = false;
  #idle = 0;

  constructor(link: DialectLink) {
    this.#link = link;
  }

  opened(): void {
    // `Connected` comes first; then audio may flow.
  }

  audio(bytes: Buffer): void {
    this.#idle = 0;
    this.#link.sendBinary(bytes);
  }

  finalize(): void {
    this.#goal = this.#link.sentSeconds;
    this.#forced = false;
    this.#link.sendSilence(PADDING_MS);
  }

  keepAlive(): void {
    if (this.#inTurn || this.#goal !== null) {
      this.#link.sendSilence(KEEP_ALIVE_MS);
      return;
    }
    const idle = this.#idle + 1;
    if (idle >= IDLE_KEEP_ALIVES) this.#link.sendSilence(IDLE_SILENCE_MS);
    else this.#idle = idle;
  }

  goodbye(): void {
    this.#link.sendJson({ type: 'CloseStream' });
  }

  message(value: unknown): void {
    const { type, code } = messageSchema.parse(value);
    if (type === 'Connected') this.#link.ready();
    else if (type === 'TurnInfo') this.#turn(turnInfoSchema.parse(value));
    else if (type === 'Error') {
      const message = `Deepgram Flux failed (${code ?? 'no code'}).`;
      this.#link.fail(new AntipodeError('ERR_SERVICE_FAILED', message));
    } else if (type === 'Warning' && code === 'FORCE_END_TURN_NO_ACTIVE_TURN' && this.#forced) this.#done();
  }

  #turn(info: TurnInfo): void {
    const text = info.transcript.trim();
    const words = info.words.flatMap(timedWord);
    const passed = this.#goal !== null && info.audio_window_end >= this.#goal;
    if (info.event === 'EndOfTurn') {
      this.#inTurn = false;
      this.#link.final(text, words, info.audio_window_end);
      if (passed) this.#done();
      else this.#link.turnEnd('service');
      return;
    }
    if (info.event === 'StartOfTurn' || text !== '') this.#inTurn = true;
    if (info.event === 'EagerEndOfTurn') this.#link.eagerEnd(text, info.end_of_turn_confidence);
    else if (info.event === 'TurnResumed') this.#link.resumed();
    if (text !== '' && info.event !== 'EagerEndOfTurn') this.#link.interim(text, words, info.audio_window_end);
    if (!this.#inTurn) this.#link.settled(info.audio_window_end - ONSET_S);
    if (!passed) return;
    if (!this.#inTurn) this.#done();
    else if (!this.#forced) {
      this.#forced = true;
      this.#link.sendJson({ type: 'ForceEndTurn' });
    }
  }

  #done(): void {
    this.#goal = null;
    this.#forced = false;
    this.#link.turnEnd('finalize');
  }
}

/** Word timings came to Flux later than words. */
function timedWord({ word, start, end, confidence }: TurnInfo['words'][number]): DialectWord[] {
  if (start === undefined || end === undefined) return [];
  return [{ text: word, start, end, confidence: confidence ?? null }];
}
