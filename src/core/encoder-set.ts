/**
 * One voice's Opus encoders, one a sample rate, made when a rate is first spoken at. Owns them until closed. Making one
 * is asynchronous only in form (the codec is loaded by then), so a first frame waits for a microtask and no more.
 */
import type { OpusEncoder, OpusEncoderFactory, OpusSampleRate } from './opus-codec.ts';

export interface EncoderSetListener {
  /** An encoder that was not there before is there now. */
  onReady: () => void;
  onFault: (error: unknown) => void;
}

export class EncoderSet {
  readonly #create: OpusEncoderFactory;
  readonly #listener: EncoderSetListener;
  readonly #encoders = new Map<OpusSampleRate, OpusEncoder | null>();
  #closed = false;

  constructor(create: OpusEncoderFactory, listener: EncoderSetListener) {
    this.#create = create;
    this.#listener = listener;
  }

  /** The encoder for the rate, or null while it is being made. */
  get(sampleRate: OpusSampleRate | null): OpusEncoder | null {
    return sampleRate === null ? null : (this.#encoders.get(sampleRate) ?? null);
  }

  prepare(sampleRate: OpusSampleRate): void {
    if (this.#closed || this.#encoders.has(sampleRate)) return;
    this.#encoders.set(sampleRate, null);
    this.#create({ sampleRate })
      .then((encoder) => {
        if (this.#closed) {
          encoder.close();
          return;
        }
        this.#encoders.set(sampleRate, encoder);
        this.#listener.onReady();
      })
      .catch((error: unknown) => this.#listener.onFault(error));
  }

  /** Push out what an encoder still holds of a sound that was cut off, so that the next one does not begin with it. */
  forgetPast(sampleRate: OpusSampleRate | null): void {
    const encoder = this.get(sampleRate);
    encoder?.encode(new Int16Array(encoder.frameSamples));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const encoder of this.#encoders.values()) encoder?.close();
    this.#encoders.clear();
  }
}
