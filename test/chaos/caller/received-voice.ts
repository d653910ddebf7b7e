/**
 * The agent's voice as one caller receives it: packets in the order of their timestamps become words with the times at
 * which they arrived. Owns a decoder. Time without packets is silence: a POP sends none while nobody speaks.
 */
import { createDecoder, type OpusDecoderHandle } from 'libopus-wasm';
import { NumberEar } from '../words/number-ear.ts';
import { type AgentWord, agentWord } from './call-log.ts';

const RATE = 8_000;
const FRAME_SAMPLES = 160;
const TIMESTAMPS_PER_SAMPLE = 48_000 / RATE;
/** Arrivals that are kept: no word is longer. */
const KEPT_FRAMES = 256;

export class ReceivedVoice {
  readonly #decoder: OpusDecoderHandle;
  readonly #ear: NumberEar;
  readonly #arrivals = new Float64Array(KEPT_FRAMES);
  #nextTimestamp: number | null = null;
  /** Sound that came after later sound, which a player would drop. */
  disordered = 0;

  private constructor(decoder: OpusDecoderHandle, onWord: (word: AgentWord) => void) {
    this.#decoder = decoder;
    this.#ear = new NumberEar(RATE, (word) => onWord(agentWord(word, (sample) => this.#arrivalOf(sample))));
  }

  static async create(onWord: (word: AgentWord) => void): Promise<ReceivedVoice> {
    return new ReceivedVoice(await createDecoder({ channels: 1, sampleRate: RATE }), onWord);
  }

  take(payload: Buffer, timestamp: number, atMs: number): void {
    const missing = this.#nextTimestamp === null ? 0 : (timestamp - this.#nextTimestamp) | 0;
    if (missing < 0) {
      this.disordered += 1;
      return;
    }
    const skipped = Math.round(missing / TIMESTAMPS_PER_SAMPLE / FRAME_SAMPLES) * FRAME_SAMPLES;
    if (skipped > 0) this.#ear.skip(skipped);
    this.#nextTimestamp = (timestamp + FRAME_SAMPLES * TIMESTAMPS_PER_SAMPLE) >>> 0;
    this.#arrivals[(this.#ear.position / FRAME_SAMPLES) % KEPT_FRAMES] = atMs;
    this.#ear.append(this.#decoder.decode(payload));
  }

  /** Another POP numbers anew. */
  begin(): void {
    this.#nextTimestamp = null;
    this.#ear.skip(FRAME_SAMPLES);
  }

  /** A word at the end of the stream is one as well. */
  end(): void {
    this.#ear.skip(FRAME_SAMPLES);
    this.#decoder.free();
  }

  #arrivalOf(sample: number): number {
    return this.#arrivals[Math.floor(sample / FRAME_SAMPLES) % KEPT_FRAMES]!;
  }
}
