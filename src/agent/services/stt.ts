/**
 * Speech to text as a pipeline sees it: one interface for every service. A service hears one utterance as it is
 * spoken and answers with its words. Cutting the utterance is turn-taking's work. Services that detect the ends of turns
 * themselves may be heard continuously as well (`StreamingStt`).
 */

import type { ServiceWatch } from '../observe/observation.ts';

/** What a service understood of an utterance. */
export interface Transcription {
  /** The words, without punctuation that was not there in the sound; empty when nothing was understood. */
  readonly text: string;
}

export interface SttUtterance {
  /** More of the caller: mono, 16 kHz, full scale +-32768. The buffer is not kept. */
  write(pcm: Int16Array): void;
  /**
   * The caller may have finished: have the words of what was written worked out, so that `finish` need not wait for them.
   * More may be written all the same. Only where that costs next to nothing and cuts no sentence in two, as on a stream
   * that goes on. Resolves to true when they are there, to false when they won't be; never rejects, since `finish` tells
   * what went wrong.
   */
  ask?(): Promise<boolean>;
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
  /**
   * Words so far, by services that know them while the caller speaks; they may change.
   * @param heardMs how much of what was written these words are all of; absent when the service doesn't say
   */
  onInterim?(text: string, heardMs?: number): void;
  /** Told of each request that this utterance led to, once it is over. */
  watch?: ServiceWatch;
  /** It takes the place of these, whose sound it is given from the beginning. A service that has heard that goes on. */
  insteadOf?: readonly SttUtterance[];
}

export interface Stt {
  /** Name in metrics and the catalogue, such as `openai`. */
  readonly name: string;
  /**
   * Begin an utterance.
   * @throws ERR_SHUTTING_DOWN when closed
   */
  listen(options: SttListenOptions): SttUtterance;
  /**
   * Have a connection open for an utterance that is about to come, as at the start of a call. Asks nothing that is
   * billed; should it fail, the utterance tells.
   */
  warm?(): void;
  /** End every connection; utterances that are open fail. Idempotent. */
  close?(): void | Promise<void>;
}

/** A word with its place, in milliseconds of the audio that was written to the stream. */
export interface SttWord {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
  /** 0..1, null when the service doesn't say. */
  readonly confidence: number | null;
}

/**
 * What a continuous stream says. A turn is any number of `interim`s and `final`s, perhaps `eagerEnd` and `resumed` in
 * pairs, and one `turnEnd`. `words` is empty when the service gives no timings.
 */
export type SttStreamEvent =
  /** All words of the turn so far; the last of them may change. They are all up to `heardMs`, where it says that. */
  | {
      readonly type: 'interim';
      readonly text: string;
      readonly words: readonly SttWord[];
      readonly heardMs?: number;
    }
  /** Words that will not change any more, without those of the finals before it. */
  | { readonly type: 'final'; readonly text: string; readonly words: readonly SttWord[] }
  /** The turn has probably ended with these words: `turnEnd` or `resumed` follows. */
  | { readonly type: 'eagerEnd'; readonly text: string; readonly confidence: number }
  | { readonly type: 'resumed' }
  /** The turn is over; `text` is the whole of it. */
  | { readonly type: 'turnEnd'; readonly text: string; readonly cause: SttTurnEndCause };

/** `service`: it decided by itself; `finalize`: we asked for it. */
export type SttTurnEndCause = 'service' | 'finalize';

export interface SttStreamHandlers {
  onEvent(event: SttStreamEvent): void;
  /** ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT; the stream is closed. Called at most once. */
  onError(error: Error): void;
}

export interface SttStream {
  /** More of the caller: mono, 16 kHz, full scale +-32768. The buffer is not kept. */
  write(pcm: Int16Array): void;
  /** `finalize` may be called in the middle of a turn: it costs nothing, and the stream goes on. @defaultValue false */
  readonly asks?: boolean;
  /** End the turn now: a `turnEnd` with cause `finalize` comes when all that was written is words, or an error. */
  finalize(): void;
  /** Idempotent; nothing is said after it. */
  close(): void;
}

/** A service with connections of its own, kept warm between utterances. */
export interface StreamingStt extends Stt {
  /** Have a connection open for an utterance that is about to come, as at the start of a call. */
  warm(): void;
  /** Close everything; utterances that are open fail. Idempotent. */
  close(): void;
}

/** A service that detects the ends of turns itself. */
export interface TurnDetectingStt extends StreamingStt {
  /**
   * Hear a caller continuously.
   * @throws ERR_SHUTTING_DOWN when closed
   */
  open(handlers: SttStreamHandlers): SttStream;
}
