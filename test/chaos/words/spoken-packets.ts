/** Numbers as Opus packets, as a caller sends them: made once for each number, and said by all callers of a process. */
import { Application, createEncoder, type OpusEncoderHandle } from 'libopus-wasm';
import { PAUSE_MS, soundOf, WORD_MS } from './number-sound.ts';

const RATE = 48_000;
const FRAME_MS = 20;
const FRAME_SAMPLES = (RATE * FRAME_MS) / 1_000;
/** libopus' own frame of nothing at 48 kHz, one channel. */
export const SILENT_PACKET: Buffer = Buffer.from([0xf8, 0xff, 0xfe]);

export class SpokenPackets {
  readonly #encoder: OpusEncoderHandle;
  readonly #packets = new Map<number, readonly Buffer[]>();

  private constructor(encoder: OpusEncoderHandle) {
    this.#encoder = encoder;
  }

  static async create(): Promise<SpokenPackets> {
    const options = { channels: 1, sampleRate: RATE, frameSize: FRAME_SAMPLES } as const;
    const encoder = await createEncoder({ ...options, application: Application.Audio, bitrate: 32_000, complexity: 3 });
    return new SpokenPackets(encoder);
  }

  /** A word and the silence after it: 15 packets. */
  of(number: number): readonly Buffer[] {
    const known = this.#packets.get(number);
    if (known !== undefined) return known;
    const pcm = new Int16Array((RATE * (WORD_MS + PAUSE_MS)) / 1_000);
    pcm.set(soundOf(number, RATE));
    const packets: Buffer[] = [];
    for (let at = 0; at < pcm.length; at += FRAME_SAMPLES) {
      packets.push(Buffer.from(this.#encoder.encode(pcm.subarray(at, at + FRAME_SAMPLES))));
    }
    this.#packets.set(number, packets);
    return packets;
  }

  [Symbol.dispose](): void {
    this.#encoder.free();
  }
}
