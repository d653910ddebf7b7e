/** Text to speech as a pipeline sees it: one interface for every service, a sentence in, audio out as it is made. */

export interface SpeechChunk {
  /** Mono, full scale +-32768. */
  readonly pcm: Int16Array;
  /** Hz. */
  readonly sampleRate: number;
}

export interface Tts {
  /** Name in metrics and the catalogue, such as `flite`. */
  readonly name: string;
  /**
   * Speak one sentence. The iteration ends early, with the signal's reason, when `signal` is aborted.
   * @throws ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT
   */
  synthesize(text: string, options: { signal: AbortSignal }): AsyncIterable<SpeechChunk>;
}
