/**
 * The agent's frames that came while it was held, and their way out afterwards: one after the other in the mouth's own
 * rhythm, until those that come are played as they come. Owns the queue and the clock of playing it; numbering and
 * fencing are the writer's.
 */
import { OPUS_CLOCK_RATE, OPUS_FRAME_TIMESTAMP_STEP, type RtpView, tsDelta } from '../backbone/index.ts';
import type { Clock, Timer } from '../clock.ts';
import { PLAYING_GAP_MS } from './played-position.ts';

export interface HeldVoiceOptions {
  clock: Clock;
  /** @param joined whether the frame follows on the one played before it, by the mouth's timestamps */
  play: (view: RtpView, joined: boolean) => void;
  /** All is played: what comes next is played as it comes. */
  onEmpty: () => void;
}

/** Ten seconds: a core that sends more than real time is not to fill the memory. */
const MAX_FRAMES = 500;
const TICKS_PER_MS = OPUS_CLOCK_RATE / 1_000;
const FRAME_MS = OPUS_FRAME_TIMESTAMP_STEP / TICKS_PER_MS;
/** The mouth was silent for longer than this: that silence is left out, which is how a late agent catches up. */
const MAX_KEPT_STEP_TICKS = PLAYING_GAP_MS * TICKS_PER_MS;

export class HeldVoice {
  readonly #options: HeldVoiceOptions;
  readonly #clock: Clock;
  #frames: RtpView[] = [];
  #holding = false;
  /** Of the frame played last since the release, or null. */
  #lastTimestamp: number | null = null;
  #dueMs = 0;
  #timer: Timer | null = null;

  constructor(options: HeldVoiceOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** Frames are kept and none is played. */
  get holding(): boolean {
    return this.#holding;
  }

  /** Frames must go through here: they are held, or others are still to be played before them. */
  get active(): boolean {
    return this.#holding || this.#timer !== null;
  }

  /** What waits. */
  get lengthMs(): number {
    return this.#frames.length * FRAME_MS;
  }

  hold(): void {
    this.#holding = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Plays what was held, the first frame at once. Idempotent. */
  release(): void {
    if (!this.#holding) return;
    this.#holding = false;
    this.#lastTimestamp = null;
    this.#dueMs = this.#clock.now();
    this.#play();
  }

  /** @returns false when there is no room */
  push(view: RtpView): boolean {
    if (this.#frames.length >= MAX_FRAMES) return false;
    this.#frames.push(view);
    return true;
  }

  /** Takes out the frames that `gone` names, or all. @returns how many */
  drop(gone: (view: RtpView) => boolean = () => true): number {
    const before = this.#frames.length;
    this.#frames = this.#frames.filter((view) => !gone(view));
    return before - this.#frames.length;
  }

  /** Idempotent. */
  close(): void {
    this.#frames = [];
    this.#holding = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #play(): void {
    this.#timer = null;
    const nowMs = this.#clock.now();
    while (this.#frames.length > 0) {
      const view = this.#frames[0] as RtpView;
      const step = this.#lastTimestamp === null ? 0 : tsDelta(view.timestamp, this.#lastTimestamp);
      const joined = step > 0 && step <= MAX_KEPT_STEP_TICKS;
      // A frame that was lost on the way leaves its place empty, so that the caller's decoder conceals it.
      const atMs = this.#dueMs + (joined ? step / TICKS_PER_MS - FRAME_MS : 0);
      if (nowMs < atMs) {
        this.#wakeAt(atMs, nowMs);
        return;
      }
      this.#frames.shift();
      // After a stall the rhythm goes on from now: a burst would only wait at the caller.
      this.#dueMs = (nowMs - atMs > FRAME_MS ? nowMs : atMs) + FRAME_MS;
      this.#lastTimestamp = view.timestamp;
      this.#options.play(view, joined);
    }
    if (nowMs < this.#dueMs) this.#wakeAt(this.#dueMs, nowMs);
    else this.#options.onEmpty();
  }

  #wakeAt(atMs: number, nowMs: number): void {
    this.#timer = this.#clock.setTimeout(() => this.#play(), atMs - nowMs);
  }
}
