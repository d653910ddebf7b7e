/**
 * The seam between a service's wire protocol and what all streaming services share: a dialect knows messages, the
 * stream (stream.ts) knows connections, repetition, time-outs and turns.
 */

import type { Timer } from '../../../clock.ts';
import type { AntipodeError } from '../../../errors.ts';
import type { AddressSource, SocketAddress } from '../service-socket.ts';
import type { SttTurnEndCause } from '../stt.ts';

/** A word as a dialect reads it: seconds on the connection's own time line. */
export interface DialectWord {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly confidence: number | null;
}

export interface SttDialect {
  /** For people, such as `Deepgram`. */
  readonly service: string;
  address(): SocketAddress | AddressSource;
  /** Of one connection. */
  session(link: DialectLink): DialectSession;
  /** Nothing sent for so long, and `keepAlive()` is called; null when the service doesn't mind. */
  readonly keepAliveMs: number | null;
  /** `finalize` may be asked in the middle of an utterance: it costs nothing and the stream goes on. @defaultValue false */
  readonly finalizesInMidStream?: boolean;
  /** Reads a service whose messages are binary frames; throws on what makes no sense. */
  readBinary?(bytes: Buffer): unknown;
}

/** What the stream asks of a dialect. */
export interface DialectSession {
  /** The socket is open: set the session up, call `link.ready()` when audio may flow. */
  opened(): void;
  /** 16 bit little-endian, 16 kHz. */
  audio(bytes: Buffer): void;
  /** Words of everything sent so far are wanted now: ends in `link.turnEnd('finalize')`. */
  finalize(): void;
  /**
   * A message of the service; what it doesn't know is ignored.
   * @throws when it makes no sense
   */
  message(value: unknown): void;
  keepAlive(): void;
  /** Last words before the socket is closed. */
  goodbye(): void;
  /** The service closed the connection in good order. True when that was asked for, and what it means is done. */
  closed?(): boolean;
}

/** What a dialect may do. Times are of the connection, in seconds. */
export interface DialectLink {
  sendJson(message: unknown): void;
  sendBinary(bytes: Buffer): void;
  /** A text frame that is not JSON. */
  sendText(words: string): void;
  ready(): void;
  /** Seconds of audio, silence included, that were sent on this connection. */
  readonly sentSeconds: number;
  /** Send audio that the caller didn't speak. */
  sendSilence(ms: number): void;
  /** Words of the turn after its finals, still open to change: all up to `until`, where the service says that. */
  interim(text: string, words: readonly DialectWord[], until?: number): void;
  /** Words that stay. Audio up to `until` needs no repetition. */
  final(text: string, words: readonly DialectWord[], until: number): void;
  eagerEnd(text: string, confidence: number): void;
  resumed(): void;
  turnEnd(cause: SttTurnEndCause): void;
  /** There are no words before `until`. */
  settled(until: number): void;
  /** This connection is done for, in good order: the stream takes a new one. */
  retire(): void;
  fail(error: AntipodeError): void;
  /** A timer that ends with the connection. */
  after(delayMs: number, callback: () => void): Timer;
}
