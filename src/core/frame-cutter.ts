/** Cuts PCM of any length into ear frames of 320 samples and remembers how each came to be. Owns the unfinished one. */
import { EAR_FRAME_SAMPLES, type EarFrameOrigin } from '../agent/types.ts';

/** The more of the caller a frame holds, the higher. A mixed frame is called by its best part. */
const WORTH: Record<EarFrameOrigin, number> = { silence: 0, concealed: 1, fec: 2, received: 3 };

export type CutFrameListener = (pcm: Int16Array, origin: EarFrameOrigin, receivedAtMs: number) => void;

export class FrameCutter {
  readonly #onFrame: CutFrameListener;
  #frame: Int16Array | null = null;
  #filled = 0;
  #origin: EarFrameOrigin = 'silence';
  #position = 0;

  constructor(onFrame: CutFrameListener) {
    this.#onFrame = onFrame;
  }

  /** Samples before the frame that is being handed out, or before the next one. */
  get position(): number {
    return this.#position;
  }

  /** Takes `pcm` over; a piece that is a frame by itself is handed on as it is. */
  add(pcm: Int16Array, origin: EarFrameOrigin, receivedAtMs: number): void {
    if (this.#filled === 0 && pcm.length === EAR_FRAME_SAMPLES) {
      this.#hand(pcm, origin, receivedAtMs);
      return;
    }
    let at = 0;
    while (at < pcm.length) {
      this.#frame ??= new Int16Array(EAR_FRAME_SAMPLES);
      const count = Math.min(pcm.length - at, EAR_FRAME_SAMPLES - this.#filled);
      this.#frame.set(pcm.subarray(at, at + count), this.#filled);
      if (this.#filled === 0 || WORTH[origin] > WORTH[this.#origin]) this.#origin = origin;
      this.#filled += count;
      at += count;
      if (this.#filled < EAR_FRAME_SAMPLES) return;
      const frame = this.#frame;
      this.#frame = null;
      this.#filled = 0;
      this.#hand(frame, this.#origin, receivedAtMs);
    }
  }

  #hand(pcm: Int16Array, origin: EarFrameOrigin, receivedAtMs: number): void {
    this.#onFrame(pcm, origin, receivedAtMs);
    this.#position += EAR_FRAME_SAMPLES;
  }
}
