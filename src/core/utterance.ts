/**
 * One utterance on its way out: its PCM at the rate that it is encoded with, cut into 20 ms frames, and where on the
 * RTP time line its frames went, so that the writer's timestamps can be read as "this much of it was heard". Owns no
 * encoder and no pacing.
 */
import type { Heard } from '../agent/types.ts';
import { OPUS_FRAME_TIMESTAMP_STEP } from '../backbone/index.ts';
import { TICK_PERIOD_MS } from './node-clock.ts';
import { isOpusSampleRate, type OpusSampleRate, opusSampleRateFor } from './opus-codec.ts';
import { PcmQueue } from './pcm-queue.ts';
import { Resampler } from './resampler.ts';

/** What goes into an Opus encoder comes out this much later at the most (RFC 7845 calls it pre-skip), ms. */
const ENCODER_DELAY_MS = 6.5;

/** Frames that left one after the other. */
interface Span {
  /** 48 kHz, unwrapped. */
  timestamp: number;
  frames: number;
}

export class Utterance {
  readonly number: number;
  readonly #pcm = new PcmQueue();
  readonly #spans: Span[] = [];
  #sampleRate: OpusSampleRate | null = null;
  #resampler: Resampler | null = null;
  #resamplerRate = 0;
  #writtenMs = 0;
  #sentFrames = 0;
  /** Length of the spans that were played whole and are forgotten. */
  #wholeMs = 0;
  #playedMs = 0;
  #tailNeeded = false;
  finished = false;
  flushed = false;
  ended = false;

  constructor(number: number) {
    this.number = number;
  }

  /** Rate of its frames, Hz; null before anything was written. */
  get sampleRate(): OpusSampleRate | null {
    return this.#sampleRate;
  }

  get writtenMs(): number {
    return this.#writtenMs;
  }

  get sentFrames(): number {
    return this.#sentFrames;
  }

  /** Written and not yet taken as a frame, ms. */
  get bufferedMs(): number {
    return this.#sampleRate === null ? 0 : (this.#pcm.samples * 1_000) / this.#sampleRate;
  }

  /** Whether `readFrame` would fill a frame now. */
  get hasFrame(): boolean {
    if (this.#sampleRate === null) return false;
    if (this.#pcm.samples >= this.#sampleRate / 50) return true;
    return this.finished && (this.#pcm.samples > 0 || this.#tailNeeded);
  }

  /** Nothing more will leave. */
  get drained(): boolean {
    return this.flushed || (this.finished && !this.hasFrame);
  }

  /** Copies `pcm`. @param sampleRate Hz, 8000 to 48000 */
  write(pcm: Int16Array, sampleRate: number): void {
    if (pcm.length === 0) return;
    this.#sampleRate ??= isOpusSampleRate(sampleRate) ? sampleRate : opusSampleRateFor(sampleRate);
    this.#writtenMs += (pcm.length * 1_000) / sampleRate;
    if (this.#resampler && this.#resamplerRate !== sampleRate) this.#finishResampler();
    if (sampleRate === this.#sampleRate) {
      this.#pcm.pushOwned(pcm.slice());
      return;
    }
    this.#resampler ??= new Resampler(sampleRate, this.#sampleRate);
    this.#resamplerRate = sampleRate;
    this.#pcm.pushOwned(this.#resampler.process(pcm));
  }

  /** @param options.tail whether a frame of silence may follow to bring out what the encoder holds */
  finish(options: { tail: boolean }): void {
    if (this.finished) return;
    if (!options.tail) this.#tailNeeded = false;
    this.#finishResampler();
    this.finished = true;
  }

  /** The next 20 ms into `frame`; the last one is filled up with silence. Call when `hasFrame`. */
  readFrame(frame: Int16Array): void {
    const count = this.#pcm.read(frame);
    frame.fill(0, count);
    const silentMs = ((frame.length - count) * TICK_PERIOD_MS) / frame.length;
    // The encoder still holds the end of what it was given: silence pushes it out, and lets the receiver end softly.
    this.#tailNeeded = count > 0 && silentMs < ENCODER_DELAY_MS;
  }

  /** A frame left. @param timestamp 48 kHz, unwrapped */
  sent(timestamp: number): void {
    this.#sentFrames += 1;
    const last = this.#spans.at(-1);
    if (last && last.timestamp + last.frames * OPUS_FRAME_TIMESTAMP_STEP === timestamp) last.frames += 1;
    else this.#spans.push({ timestamp, frames: 1 });
  }

  flush(): void {
    this.#pcm.clear();
    this.#resampler = null;
    this.flushed = true;
  }

  /**
   * The writer has played all before `timestamp` (48 kHz, unwrapped). Answers whether more was heard than known
   * before.
   */
  played(timestamp: number): boolean {
    let first = this.#spans[0];
    while (first && timestamp >= first.timestamp + first.frames * OPUS_FRAME_TIMESTAMP_STEP && this.#spans.length > 1) {
      this.#wholeMs += first.frames * TICK_PERIOD_MS;
      this.#spans.shift();
      first = this.#spans[0];
    }
    let playedMs = this.#wholeMs;
    if (first && timestamp > first.timestamp) {
      const frames = (timestamp - first.timestamp) / OPUS_FRAME_TIMESTAMP_STEP;
      playedMs += Math.min(frames, first.frames) * TICK_PERIOD_MS;
    }
    playedMs = Math.min(playedMs, this.#writtenMs);
    if (playedMs <= this.#playedMs) return false;
    this.#playedMs = playedMs;
    return true;
  }

  get heard(): Heard {
    return {
      utterance: this.number,
      playedMs: this.#playedMs,
      writtenMs: this.#writtenMs,
      complete: this.finished && this.drained && !this.flushed && this.#playedMs >= this.#writtenMs,
    };
  }

  #finishResampler(): void {
    if (!this.#resampler) return;
    this.#pcm.pushOwned(this.#resampler.finish());
    this.#resampler = null;
  }
}
