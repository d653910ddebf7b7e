/** A voice whose sentences are told to whoever watches: times, outcome, characters in and seconds of sound out. */
import type { Clock } from '../../../clock.ts';
import type { SpeechChunk, SynthesizeOptions, Tts } from '../tts.ts';
import { type MeteredService, outcomeOf, ServiceMeter } from './service-meter.ts';

export class MeteredTts implements Tts {
  readonly name: string;
  readonly #tts: Tts;
  readonly #service: MeteredService;
  readonly #clock: Clock;

  constructor(tts: Tts, { clock, ...service }: Omit<MeteredService, 'kind'> & { clock: Clock }) {
    this.name = service.service;
    this.#tts = tts;
    this.#service = { kind: 'tts', ...service };
    this.#clock = clock;
  }

  async *synthesize(text: string, options: SynthesizeOptions): AsyncIterable<SpeechChunk> {
    const meter = new ServiceMeter(this.#service, this.#clock, options.watch);
    let audioOutSeconds = 0;
    const usage = () => ({ characters: text.length, audioOutSeconds });
    try {
      for await (const chunk of this.#tts.synthesize(text, options)) {
        if (chunk.pcm.length > 0) meter.came();
        audioOutSeconds += chunk.pcm.length / chunk.sampleRate;
        yield chunk;
      }
      meter.ended('ok', usage());
    } catch (error) {
      meter.ended(outcomeOf(error, options.signal), usage());
      throw error;
    } finally {
      // Whoever asked wants no more of it.
      meter.ended('aborted', usage());
    }
  }
}
