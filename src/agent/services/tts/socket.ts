/**
 * What text-to-speech services over a WebSocket share: a few warm connections a process, sentences multiplexed on them
 * by context id, a time-out that every sign of life moves on, cancellation, one new try when a connection breaks before
 * a sentence sounds, and our error codes. Owns no vendor's messages: a `SpeechDialect` writes and reads those.
 */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { untilAborted } from '../../until-aborted.ts';
import { ConnectTime } from '../connect-time.ts';
import { SpeechConnection } from './connection.ts';
import type { SpeechDialect } from './dialect.ts';
import { SocketSentence, type SpeechPart } from './socket-sentence.ts';

export interface SpeechSocketsOptions<Timing> extends SpeechSocketsTuning {
  dialect: SpeechDialect<Timing>;
  clock: Clock;
}

export interface SpeechSocketsTuning {
  /** A sentence (its connection included) of which nothing comes for this long has failed. */
  timeoutMs?: number;
  /** A connection without a sentence is closed after this. */
  idleMs?: number;
  maxConnections?: number;
}

export const SPEECH_SOCKETS_DEFAULTS = { timeoutMs: 5_000, idleMs: 170_000, maxConnections: 64 } as const;

/** The longest text that is taken as one sentence. */
export const MAX_CHARACTERS = 10_000;

export class SpeechSockets<Timing> {
  readonly #options: Required<SpeechSocketsOptions<Timing>>;
  readonly connectTime = new ConnectTime();
  readonly #connections = new Set<SpeechConnection<Timing>>();
  #sentences = 0;
  #closed = false;

  constructor(options: SpeechSocketsOptions<Timing>) {
    this.#options = { ...SPEECH_SOCKETS_DEFAULTS, ...options };
  }

  /** Connections that are open or being opened. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Have a connection open, so that the next sentence need not wait for one.
   * @throws as `speak`
   */
  async open(signal: AbortSignal): Promise<void> {
    await untilAborted(this.#withRoom().opened, signal);
  }

  /**
   * Audio of a text as it comes.
   * @throws ERR_SERVICE_UNAVAILABLE not reachable, too busy, or over its limits; ERR_SERVICE_TIMEOUT;
   * ERR_SERVICE_FAILED for all else; ERR_SHUTTING_DOWN when closed; the signal's reason when aborted
   */
  async *speak(text: string, signal: AbortSignal): AsyncIterable<SpeechPart<Timing>> {
    const { dialect, clock, timeoutMs } = this.#options;
    if (text.length > MAX_CHARACTERS) {
      throw new AntipodeError('ERR_SERVICE_FAILED', `A text is longer than ${MAX_CHARACTERS} characters.`);
    }
    if (text.trim() === '') return;
    for (let mayTryAgain = true; ; mayTryAgain = false) {
      signal.throwIfAborted();
      const connection = this.#withRoom();
      const contextId = `sentence-${++this.#sentences}`;
      const sentence = new SocketSentence<Timing>({ contextId, text, dialect, clock, timeoutMs, signal, connection });
      connection.begin(sentence);
      try {
        yield* sentence.parts();
        return;
      } catch (error) {
        if (!mayTryAgain || !sentence.mayTryAgain) throw error;
      } finally {
        sentence.release();
      }
    }
  }

  /** Ends every sentence and connection. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const connection of [...this.#connections]) connection.close(this.#closedError());
  }

  #closedError(): AntipodeError {
    return new AntipodeError('ERR_SHUTTING_DOWN', `The connections to ${this.#options.dialect.service} are closed.`);
  }

  /** An open connection before one that is being opened, before a new one. */
  #withRoom(): SpeechConnection<Timing> {
    const { dialect, clock, timeoutMs, idleMs, maxConnections } = this.#options;
    if (this.#closed) throw this.#closedError();
    let opening: SpeechConnection<Timing> | null = null;
    for (const connection of this.#connections) {
      if (!connection.hasRoom) continue;
      if (connection.isOpen) return connection;
      opening ??= connection;
    }
    if (opening !== null) return opening;
    if (this.#connections.size >= maxConnections) {
      throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `Too many sentences at once for ${dialect.service}.`);
    }
    const connection = new SpeechConnection<Timing>({
      dialect,
      clock,
      openTimeoutMs: timeoutMs,
      idleMs,
      connectTime: this.connectTime,
      onGone: (gone) => this.#connections.delete(gone),
    });
    this.#connections.add(connection);
    return connection;
  }
}
