/**
 * A caller's ear: reads the agent's received audio frame by frame, says when the agent began and stopped sounding, and
 * wakes those who wait for something heard. All times are those of the receiving socket, in Clock.now milliseconds.
 */
import type { Clock } from '../clock.ts';
import { AntipodeError, type ErrorCode } from '../errors.ts';

/** RMS of a 10 ms frame from which it is voiced, full scale 32768: about -46 dBFS. */
const VOICED_RMS = 164;
/** So many voiced frames in a row make a sound; fewer are a click. */
const ONSET_FRAMES = 3;
/** A sound that comes back after a shorter silence is the same talk spurt. */
const SPURT_GAP_MS = 200;

export interface WaitOptions {
  timeoutMs: number;
  /** Rejection when `timeoutMs` have passed. */
  code: ErrorCode;
  message: string;
  signal?: AbortSignal;
}

interface Waiter {
  /** True when it is done and may be forgotten. */
  check(): boolean;
}

export class Listener {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();
  #voicedFrames = 0;
  #candidateAtMs = 0;
  #heardUpToMs = 0;
  #firstSoundAtMs: number | null = null;
  #spurtBeganAtMs: number | null = null;
  #lastSoundAtMs: number | null = null;
  #silentSinceMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** First voiced sample of the call, null before it. */
  get firstSoundAtMs(): number | null {
    return this.#firstSoundAtMs;
  }

  /** First voiced sample of the latest talk spurt, null before the first. */
  get spurtBeganAtMs(): number | null {
    return this.#spurtBeganAtMs;
  }

  /** Last voiced sample so far, null before the first. */
  get lastSoundAtMs(): number | null {
    return this.#lastSoundAtMs;
  }

  /** End of what was received so far. */
  get heardUpToMs(): number {
    return this.#heardUpToMs;
  }

  /** Milliseconds of received silence since the last sound, or since listening began; nothing received is no silence. */
  get silentForMs(): number {
    return this.#silentSinceMs === null ? 0 : Math.max(0, this.#heardUpToMs - this.#silentSinceMs);
  }

  /** Whether a talk spurt is going on. */
  get hearing(): boolean {
    return this.#spurtBeganAtMs !== null && this.silentForMs < SPURT_GAP_MS;
  }

  /**
   * Take one frame.
   * @param samples mono, full scale +-32768
   * @param arrivedAtMs when it came out of the socket's jitter buffer: its first sample is heard now
   */
  push(samples: Int16Array, sampleRate: number, arrivedAtMs: number): void {
    let energy = 0;
    for (let index = 0; index < samples.length; index++) energy += samples[index]! * samples[index]!;
    this.#heardUpToMs = arrivedAtMs + (samples.length * 1_000) / sampleRate;
    this.#silentSinceMs ??= arrivedAtMs;
    if (energy >= VOICED_RMS * VOICED_RMS * samples.length) this.#sound(samples, sampleRate, arrivedAtMs);
    else this.#voicedFrames = 0;
    for (const waiter of this.#waiters) if (waiter.check()) this.#waiters.delete(waiter);
  }

  /** The media was away: silence counts from now on, not from before. */
  mediaRenewed(): void {
    this.#voicedFrames = 0;
    if (this.#silentSinceMs !== null) this.#silentSinceMs = this.#clock.now();
  }

  /**
   * Ask `probe` after every frame until it answers something other than null.
   * @throws AntipodeError with the given code after `timeoutMs`, or the signal's reason
   */
  until<T>(probe: () => T | null, options: WaitOptions): Promise<T> {
    return new Promise((resolve, reject) => {
      const { signal, timeoutMs, code, message } = options;
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const leave = () => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#waiters.delete(waiter);
      };
      const onAbort = () => {
        leave();
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        check: () => {
          const answer = probe();
          if (answer === null) return false;
          leave();
          resolve(answer);
          return true;
        },
      };
      const timer = this.#clock.setTimeout(() => {
        leave();
        reject(new AntipodeError(code, message));
      }, timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (!waiter.check()) this.#waiters.add(waiter);
    });
  }

  #sound(samples: Int16Array, sampleRate: number, arrivedAtMs: number): void {
    if (this.#voicedFrames === 0) this.#candidateAtMs = arrivedAtMs + (firstLoud(samples) * 1_000) / sampleRate;
    this.#voicedFrames++;
    if (this.#voicedFrames < ONSET_FRAMES) return;
    const resumed = this.#lastSoundAtMs !== null && this.#candidateAtMs - this.#lastSoundAtMs < SPURT_GAP_MS;
    if (!resumed) this.#spurtBeganAtMs = this.#candidateAtMs;
    this.#firstSoundAtMs ??= this.#candidateAtMs;
    this.#lastSoundAtMs = arrivedAtMs + (lastLoud(samples) * 1_000) / sampleRate;
    this.#silentSinceMs = this.#lastSoundAtMs;
  }
}

function firstLoud(samples: Int16Array): number {
  let index = 0;
  while (index < samples.length - 1 && Math.abs(samples[index]!) < VOICED_RMS) index++;
  return index;
}

function lastLoud(samples: Int16Array): number {
  let index = samples.length - 1;
  while (index > 0 && Math.abs(samples[index]!) < VOICED_RMS) index--;
  return index;
}
