/** Text to speech as a pipeline sees it: one interface for every service, a sentence in, audio out as it is made. */
import type { ServiceWatch } from '../observe/observation.ts';

/** When a word sounds, in milliseconds since the first sample of its sentence. */
export interface SpokenWord {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
}

export interface SpeechChunk {
  /** Mono, full scale +-32768. Empty in a last chunk that brings only `words`. */
  readonly pcm: Int16Array;
  /** Hz. */
  readonly sampleRate: number;
  /**
   * Words whose times became known with this chunk, by services that tell them: in order, each word once. They need
   * not sound in this chunk.
   */
  readonly words?: readonly SpokenWord[];
}

export interface SynthesizeOptions {
  readonly signal: AbortSignal;
  /** Told of each request that this sentence led to, once it is over. */
  readonly watch?: ServiceWatch;
}

export interface Tts {
  /** Name in metrics and the catalogue, such as `flite`. */
  readonly name: string;
  /**
   * Speak one sentence. The iteration ends early, with the signal's reason, when `signal` is aborted.
   * @throws ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT
   */
  synthesize(text: string, options: SynthesizeOptions): AsyncIterable<SpeechChunk>;
  /**
   * Have a connection open for a sentence that is about to come, as at the start of a call. Asks nothing that is billed;
   * should it fail, the sentence tells.
   */
  warm?(): void;
  /** End what is spoken (ERR_SHUTTING_DOWN), and every connection; later sentences fail. Idempotent. */
  close?(): void | Promise<void>;
}
