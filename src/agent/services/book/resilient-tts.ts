/**
 * One voice out of several: the first speaks, and when it fails the next speaks the sentence, or the rest of it from the
 * last whole word that was spoken, and the sentences after it of the same turn: a reply does not go to and fro between
 * voices, nor wait at each sentence for one that hangs.
 */
import type { SpeechChunk, SpokenWord, SynthesizeOptions, Tts } from '../tts.ts';
import { restOfSentence } from './rest-of-sentence.ts';
import { ServiceLine, type ServiceLineOptions } from './service-line.ts';

export class ResilientTts implements Tts {
  readonly #line: ServiceLine<Tts>;
  /** Which voice took over in a turn, by the turn's signal. */
  readonly #tookOver = new WeakMap<AbortSignal, number>();

  constructor(options: Omit<ServiceLineOptions<Tts>, 'kind'>) {
    this.#line = new ServiceLine({ kind: 'tts', ...options });
  }

  get name(): string {
    return this.#line.label;
  }

  async *synthesize(text: string, options: SynthesizeOptions): AsyncIterable<SpeechChunk> {
    const { signal, watch } = options;
    let rest = text;
    /** Where the voice that speaks now began, in the sentence. */
    let startMs = 0;
    let spokenMs = 0;
    let words: SpokenWord[] = [];
    const speech = this.#line.stream<SpeechChunk>({
      signal,
      watch,
      from: this.#tookOver.get(signal),
      isSteady: true,
      onFailedOver: (index) => void this.#tookOver.set(signal, index),
      open: (tts, own) => {
        startMs = spokenMs;
        words = [];
        return tts.synthesize(rest, { ...options, signal: own });
      },
      afterFailure: () => {
        rest = restOfSentence(rest, spokenMs - startMs, words);
        return rest === '' ? 'whole' : 'go-on';
      },
    });
    for await (const chunk of speech) {
      spokenMs += (chunk.pcm.length * 1_000) / chunk.sampleRate;
      if (chunk.words === undefined) {
        yield chunk;
        continue;
      }
      words.push(...chunk.words);
      yield startMs === 0 ? chunk : { ...chunk, words: chunk.words.map((word) => later(word, startMs)) };
    }
  }
}

function later({ text, startMs, endMs }: SpokenWord, byMs: number): SpokenWord {
  return { text, startMs: startMs + byMs, endMs: endMs + byMs };
}
