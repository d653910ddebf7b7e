/**
 * The face of every text-to-speech service over a WebSocket: sentences in, audio with the times of words out. Owns how
 * times and audio come together; connections are socket.ts's, messages the dialect's.
 */
import type { SpeechChunk, SpokenWord, SynthesizeOptions, Tts } from '../tts.ts';
import { SpeechSockets, type SpeechSocketsOptions } from './socket.ts';

/** Makes words of what a service tells of times. One a sentence. */
export interface WordClock<Timing> {
  /** Words whose times are known now; `offsetMs` is where the audio that came with the timing begins. */
  add(timing: Timing, offsetMs: number): readonly SpokenWord[];
  /** Words that are left at the end. */
  finish(): readonly SpokenWord[];
}

export interface SocketTtsOptions<Timing> extends SpeechSocketsOptions<Timing> {
  /** In metrics and the catalogue. */
  name: string;
  wordClock(): WordClock<Timing>;
}

export class SocketTts<Timing> implements Tts {
  readonly name: string;
  readonly #options: SocketTtsOptions<Timing>;
  readonly #sockets: SpeechSockets<Timing>;

  constructor(options: SocketTtsOptions<Timing>) {
    this.name = options.name;
    this.#options = options;
    this.#sockets = new SpeechSockets(options);
  }

  /** Connections that are open or being opened. */
  get connectionCount(): number {
    return this.#sockets.connectionCount;
  }

  /** What opening the newest connection took, one round trip, ms; null before there was one. */
  connectMs(): number | null {
    return this.#sockets.connectTime.ms;
  }

  /** Open a connection ahead of the next sentence; should that fail, the sentence tells. */
  warm(): void {
    this.open(new AbortController().signal).catch(() => {});
  }

  /** As `warm`; resolves when it is open. Errors as of `synthesize`. */
  open(signal: AbortSignal): Promise<void> {
    return this.#sockets.open(signal);
  }

  async *synthesize(text: string, { signal }: SynthesizeOptions): AsyncIterable<SpeechChunk> {
    const { sampleRate } = this.#options.dialect;
    const clock = this.#options.wordClock();
    // Some services tell times in messages of their own: they go out with the audio that comes next.
    let words: SpokenWord[] = [];
    let samples = 0;
    for await (const { pcm, timing } of this.#sockets.speak(text, signal)) {
      if (timing !== null) words.push(...clock.add(timing, (samples * 1_000) / sampleRate));
      if (pcm.length === 0) continue;
      samples += pcm.length;
      yield words.length === 0 ? { pcm, sampleRate } : { pcm, sampleRate, words };
      words = [];
    }
    words.push(...clock.finish());
    if (words.length > 0) yield { pcm: new Int16Array(0), sampleRate, words };
  }

  /** Ends every sentence and connection. Idempotent. */
  close(): void {
    this.#sockets.close();
  }
}
