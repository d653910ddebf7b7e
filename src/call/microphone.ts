/**
 * A caller's microphone: silence, or the clip that is being said, in 10 ms frames on the pacer's beat. Knows at which
 * moment each voiced sample left, because that is where a caller's own stopwatch starts.
 */
import type { Clock } from '../clock.ts';
import { type Clip, MICROPHONE_FRAME_MS, MICROPHONE_FRAME_SAMPLES, MICROPHONE_RATE } from './clip.ts';
import type { FramePacer } from './frame-pacer.ts';

export interface Saying {
  /** Monotonic milliseconds at which the first voiced sample was spoken. */
  begun: Promise<number>;
  /** Monotonic milliseconds at which the last voiced sample was spoken. */
  ended: Promise<number>;
}

export interface MicrophoneOptions {
  clock: Clock;
  pacer: FramePacer;
  /** Takes one frame: 480 samples, 48 kHz mono. The array is shared: it must be copied or used at once. */
  onFrame(frame: Int16Array): void;
}

interface Current {
  clip: Clip;
  frame: number;
  begun: (atMs: number) => void;
  ended: (atMs: number) => void;
}

export class Microphone {
  readonly #options: MicrophoneOptions;
  readonly #silence = new Int16Array(MICROPHONE_FRAME_SAMPLES);
  readonly #stop: () => void;
  #current: Current | null = null;

  constructor(options: MicrophoneOptions) {
    this.#options = options;
    this.#stop = options.pacer.add(() => this.#beat());
  }

  /** Say a clip from the next beat on, in place of one that is still being said. */
  say(clip: Clip): Saying {
    const begun = Promise.withResolvers<number>();
    const ended = Promise.withResolvers<number>();
    this.#current = { clip, frame: 0, begun: begun.resolve, ended: ended.resolve };
    return { begun: begun.promise, ended: ended.promise };
  }

  close(): void {
    this.#stop();
    this.#current = null;
  }

  #beat(): void {
    const current = this.#current;
    if (!current) {
      this.#options.onFrame(this.#silence);
      return;
    }
    const { clip, begun, ended } = current;
    this.#options.onFrame(clip.frames[current.frame]!);
    // A microphone hands a frame over when its last sample was captured: its first one was spoken 10 ms ago.
    const frameBeganMs = this.#options.clock.now() - MICROPHONE_FRAME_MS;
    const offset = current.frame * MICROPHONE_FRAME_SAMPLES;
    const { first, last } = clip.voiced;
    const end = offset + MICROPHONE_FRAME_SAMPLES;
    if (first >= offset && first < end) begun(frameBeganMs + samplesToMs(first - offset));
    if (last >= offset && last < end) ended(frameBeganMs + samplesToMs(last - offset));
    current.frame++;
    if (current.frame === clip.frames.length) this.#current = null;
  }
}

function samplesToMs(samples: number): number {
  return (samples * 1_000) / MICROPHONE_RATE;
}
