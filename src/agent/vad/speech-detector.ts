/**
 * From probabilities of voice to stretches of speech: thresholds with hysteresis, a least length and a least silence.
 * Pure bookkeeping on stream positions; no clock, no audio, no model. What a stretch means for the turn is decided in
 * turn-taking.
 */
import { EAR_SAMPLE_RATE } from '../types.ts';
import { VAD_WINDOW_SAMPLES } from './silero.ts';

export interface SpeechDetectorOptions {
  /** Probability from which a window begins or goes on with speech. */
  startThreshold?: number;
  /** Probability from which a window inside of speech still counts as voiced. */
  stopThreshold?: number;
  /** A voiced window below this probability, and below the one before it, is how a sound that is over fades from the model. */
  fadeThreshold?: number;
  /** Voiced time that makes a stretch of speech. */
  minSpeechMs?: number;
  /** Silence that ends a stretch. A shorter one is a pause inside of it. */
  minSilenceMs?: number;
}

export const SPEECH_DETECTOR_DEFAULTS = {
  startThreshold: 0.5,
  stopThreshold: 0.35,
  fadeThreshold: 0.7,
  minSpeechMs: 64,
  minSilenceMs: 250,
} as const satisfies Required<SpeechDetectorOptions>;

/** What is known after a window. */
export interface SpeechState {
  /** Position (samples) of the window's end. */
  readonly position: number;
  readonly speaking: boolean;
  /** Number of the current or last stretch; 0 before the first. */
  readonly segment: number;
  /** Position where it began. */
  readonly segmentStart: number;
  /** Voiced milliseconds in it. */
  readonly voicedMs: number;
  /** End of the last voiced window; null before the first voice. */
  readonly lastVoicedPosition: number | null;
  /** Milliseconds since then; Infinity before the first voice. */
  readonly silentMs: number;
  /**
   * As `silentMs`, with voiced windows that only fade counted as silence: never less. Infinity before the first voice.
   */
  readonly quietMs: number;
  /** What this window changed. */
  readonly event: 'speech-started' | 'speech-stopped' | null;
}

export class SpeechDetector {
  readonly #options: Required<SpeechDetectorOptions>;
  #speaking = false;
  #segment = 0;
  #segmentStart = 0;
  #voicedMs = 0;
  #lastVoiced: number | null = null;
  /** End of the last voiced window that did not fade. */
  #lastFull: number | null = null;
  /** Of the window before. */
  #probability = 0;
  /** A stretch that is not yet long enough to be one. */
  #candidate: { start: number; voicedMs: number } | null = null;

  constructor(options: SpeechDetectorOptions = {}) {
    this.#options = { ...SPEECH_DETECTOR_DEFAULTS, ...options };
  }

  /**
   * @param probability of voice in the window, 0..1
   * @param position stream position (samples) of the window's end; grows
   * @param windowSamples length of the window
   */
  push(probability: number, position: number, windowSamples: number = VAD_WINDOW_SAMPLES): SpeechState {
    const windowMs = toMs(windowSamples);
    let event: SpeechState['event'] = null;
    if (this.#speaking) {
      if (probability >= this.#options.stopThreshold) {
        this.#voicedMs += windowMs;
        this.#lastVoiced = position;
        if (!this.#fades(probability)) this.#lastFull = position;
      } else if (toMs(position - (this.#lastVoiced ?? position)) >= this.#options.minSilenceMs) {
        this.#speaking = false;
        event = 'speech-stopped';
      }
    } else if (probability >= this.#options.startThreshold) {
      this.#candidate ??= { start: position - windowSamples, voicedMs: 0 };
      this.#candidate.voicedMs += windowMs;
      if (this.#candidate.voicedMs >= this.#options.minSpeechMs) {
        this.#speaking = true;
        this.#segment++;
        this.#segmentStart = this.#candidate.start;
        this.#voicedMs = this.#candidate.voicedMs;
        this.#lastVoiced = position;
        this.#lastFull = position;
        this.#candidate = null;
        event = 'speech-started';
      }
    } else if (probability < this.#options.stopThreshold) {
      this.#candidate = null;
    }
    this.#probability = probability;
    return {
      position,
      speaking: this.#speaking,
      segment: this.#segment,
      segmentStart: this.#segmentStart,
      voicedMs: this.#voicedMs,
      lastVoicedPosition: this.#lastVoiced,
      silentMs: this.#lastVoiced === null ? Number.POSITIVE_INFINITY : toMs(position - this.#lastVoiced),
      quietMs: this.#lastFull === null ? Number.POSITIVE_INFINITY : toMs(position - this.#lastFull),
      event,
    };
  }

  #fades(probability: number): boolean {
    return probability < this.#options.fadeThreshold && probability < this.#probability;
  }
}

function toMs(samples: number): number {
  return (samples * 1_000) / EAR_SAMPLE_RATE;
}
