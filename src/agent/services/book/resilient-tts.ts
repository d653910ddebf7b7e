/**
 * One voice out of several: the first speaks, and when it fails the next speaks the sentence, or the rest of it from the
 * last whole word that was spoken, and the sentences after it of the same turn: a reply does not go to and fro between
 * voices, nor wait at each sentence for one that hangs. Where requests are hedged, the first sentence of a turn decides
 * which voice speaks it: the others seldom keep the caller waiting.
 */
import type { SpeechChunk, SpokenWord, SynthesizeOptions, Tts } from '../tts.ts';
import { restOfSentence } from './rest-of-sentence.ts';
import { ServiceLine, type ServiceLineOptions } from './service-line.ts';

export interface ResilientTtsOptions extends Omit<ServiceLineOptions<Tts>, 'kind'> {
  /** Another voice is asked as well when the first sound has not come after so long; 0: both at once. @defaultValue null */
  hedgeAfterMs?: number | null;
}

/** Which voice speaks in a turn, and which before it were only slower. */
interface TurnVoice {
  readonly from: number;
  readonly spare: readonly number[];
}

const FIRST_VOICE: TurnVoice = { from: 0, spare: [] };

export class ResilientTts implements Tts {
  readonly #line: ServiceLine<Tts>;
  readonly #hedgeAfterMs: number | null;
  /** Of turns that have sounded, by the turn's signal. */
  readonly #voices = new WeakMap<AbortSignal, TurnVoice>();

  constructor({ hedgeAfterMs = null, ...options }: ResilientTtsOptions) {
    this.#line = new ServiceLine({ kind: 'tts', ...options });
    this.#hedgeAfterMs = hedgeAfterMs;
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
    const voice = this.#voices.get(signal);
    const speech = this.#line.stream<SpeechChunk>({
      signal,
      watch,
      from: voice?.from,
      spare: voice?.spare,
      isSteady: true,
      hedgeAfterMs: voice === undefined ? this.#hedgeAfterMs : null,
      onTookOver: (from, spare) => void this.#voices.set(signal, { from, spare }),
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
      if (!this.#voices.has(signal)) this.#voices.set(signal, FIRST_VOICE);
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
