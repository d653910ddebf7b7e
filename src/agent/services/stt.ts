/**
 * Speech to text as a pipeline sees it: one interface for every service. A service hears one utterance as it is
 * spoken and answers with its words. Cutting the utterance is turn-taking's work.
 */

/** What a service understood of an utterance. */
export interface Transcription {
  /** The words, without punctuation that was not there in the sound; empty when nothing was understood. */
  readonly text: string;
}

export interface SttUtterance {
  /** More of the caller: mono, 16 kHz, full scale +-32768. The buffer is not kept. */
  write(pcm: Int16Array): void;
  /**
   * No more will come: the final words.
   * @throws ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT, or the signal's reason when aborted
   */
  finish(): Promise<Transcription>;
  /** Give up; lets go of processes and sockets at once. Idempotent. */
  close(): void;
}

export interface SttListenOptions {
  /** Aborting it closes the utterance. */
  signal: AbortSignal;
  /** Words so far, by services that know them while the caller speaks. */
  onInterim?(text: string): void;
}

export interface Stt {
  /** Name in metrics and the catalogue, such as `openai`. */
  readonly name: string;
  /** Begin an utterance. */
  listen(options: SttListenOptions): SttUtterance;
}
