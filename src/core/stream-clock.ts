/**
 * How much time lies between two packets, and how much of it still has to be made up. Compares three clocks: the RTP
 * timestamps (the caller's), the samples handed to the agent (`position`, the stream clock), and real time. Pure
 * arithmetic; owns no audio.
 *
 * Decoded audio always passes, whatever the clocks say, so no word is ever dropped. Only silence gives way: what was
 * made up in real time is taken off the next timestamp gap, and silence is cut or stretched a little so that the
 * stream clock returns to real time. Between gaps it may stray from it by what was made up for packets that came after
 * all, at most MAX_LEAD_MS, and by the drift of the caller's clock.
 */
import { EAR_FRAME_SAMPLES, EAR_SAMPLE_RATE } from '../agent/types.ts';
import { tsDelta } from '../backbone/index.ts';

const SAMPLES_PER_MS = EAR_SAMPLE_RATE / 1_000;
const TIMESTAMP_PER_SAMPLE = 3;
/** Longest gap that is filled, samples (2 s): a hostile timestamp gets no more than that. */
const MAX_FILL_SAMPLES = 2 * EAR_SAMPLE_RATE;
/** A timestamp that is further ahead than this (an hour) is no gap but another time line, 48 kHz. */
const MAX_TIMESTAMP_GAP = 3_600 * 48_000;
/** Real time is not filled while the stream clock is already this far ahead of it. */
const MAX_LEAD_MS = 200;

export class StreamClock {
  #originMs: number;
  #position = 0;
  /** Timestamp that comes next when nothing is missing; null before the first packet. */
  #nextTimestamp: number | null = null;
  /** Samples made up in real time since the last packet. */
  #madeUp = 0;

  /** @param originMs when position 0 is */
  constructor(originMs: number) {
    this.#originMs = originMs;
  }

  /** Samples so far. */
  get position(): number {
    return this.#position;
  }

  /** Samples by which the stream clock is behind real time; negative when it is ahead. */
  behind(nowMs: number): number {
    return (nowMs - this.#originMs) * SAMPLES_PER_MS - this.#position;
  }

  /**
   * Samples that the timestamps leave out before a packet: 0 when it follows on the last one, null when its timestamp
   * lies before it or impossibly far ahead (nothing can be said then).
   */
  gapBefore(timestamp: number): number | null {
    if (this.#nextTimestamp === null) return 0;
    const delta = tsDelta(timestamp, this.#nextTimestamp);
    if (delta < 0 || delta > MAX_TIMESTAMP_GAP) return null;
    return Math.round(delta / TIMESTAMP_PER_SAMPLE);
  }

  /** Samples of a gap that were not made up yet, within bounds. */
  toFill(gap: number): number {
    const missing = Math.max(0, gap - this.#madeUp);
    this.#madeUp = 0;
    return Math.min(missing, MAX_FILL_SAMPLES);
  }

  /**
   * Samples of silence to make for `missing` ones: fewer when the stream clock would run ahead of real time, one frame
   * more when it is behind. By whole frames only, so that packets go on to fall together with frames.
   * @param pause the caller sent nothing (no packet was lost): such a gap may be stretched too
   * @param reserved samples that will follow from elsewhere before the packet
   */
  silenceFor(missing: number, pause: boolean, nowMs: number, reserved: number): number {
    const ahead = missing + reserved - Math.floor(this.behind(nowMs));
    if (ahead >= EAR_FRAME_SAMPLES) return Math.max(0, missing - wholeFrames(ahead));
    if (pause && ahead <= -EAR_FRAME_SAMPLES) return missing + EAR_FRAME_SAMPLES;
    return missing;
  }

  /** A packet was decoded. */
  decoded(timestamp: number, samples: number): void {
    this.#nextTimestamp = (timestamp + samples * TIMESTAMP_PER_SAMPLE) >>> 0;
    this.#madeUp = 0;
    this.#position += samples;
  }

  /** Samples were put into a gap. */
  made(samples: number): void {
    this.#position += samples;
  }

  mayFillInRealTime(nowMs: number): boolean {
    return this.behind(nowMs) > -MAX_LEAD_MS * SAMPLES_PER_MS;
  }

  filledInRealTime(samples: number): void {
    this.#madeUp += samples;
    this.#position += samples;
  }

  /** Real time went on for `ms` in which nothing was to be heard. */
  rested(ms: number): void {
    this.#originMs += ms;
  }

  /** The next packet belongs to another time line. */
  forgetTimestamps(): void {
    this.#nextTimestamp = null;
  }
}

function wholeFrames(samples: number): number {
  return Math.floor(samples / EAR_FRAME_SAMPLES) * EAR_FRAME_SAMPLES;
}
