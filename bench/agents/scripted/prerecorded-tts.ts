/** Text to speech in no time: a recording of a given length, whatever it is to say, in pieces as services send them. */
import type { SpeechChunk, SynthesizeOptions, Tts } from '../../../src/agent/index.ts';

const PIECE_MS = 200;

export class PrerecordedTts implements Tts {
  readonly name = 'prerecorded';
  readonly #pieces: readonly SpeechChunk[];

  /**
   * @param pcm mono, full scale +-32768; repeated as often as the length needs it
   * @param lengthMs of everything that it says
   */
  constructor(pcm: Int16Array, sampleRate: number, lengthMs: number) {
    const pieces: SpeechChunk[] = [];
    for (let fromMs = 0; fromMs < lengthMs; fromMs += PIECE_MS) {
      const samples = (Math.min(PIECE_MS, lengthMs - fromMs) * sampleRate) / 1_000;
      const from = (fromMs * sampleRate) / 1_000;
      pieces.push({ pcm: Int16Array.from({ length: samples }, (_, at) => pcm[(from + at) % pcm.length]!), sampleRate });
    }
    this.#pieces = pieces;
  }

  async *synthesize(_text: string, { signal }: SynthesizeOptions): AsyncGenerator<SpeechChunk> {
    for (const piece of this.#pieces) {
      signal.throwIfAborted();
      yield piece;
    }
  }
}
