/**
 * A stream of audio to a streaming speech service, by whatever dialect: one connection, opened again once when it
 * breaks in the middle, with all audio that is not words yet sent again; keep-alive; time-outs; and turns put together
 * from what the dialect reads. Owns no protocol.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import type { ConnectTime } from '../connect-time.ts';
import { ServiceSocket, type SocketEnd } from '../service-socket.ts';
import type { SttStream, SttStreamEvent, SttStreamHandlers, SttTurnEndCause, SttWord } from '../stt.ts';
import { AudioTrail } from './audio-trail.ts';
import type { DialectLink, DialectSession, DialectWord, SttDialect } from './dialect.ts';

export interface SocketSttStreamOptions {
  dialect: SttDialect;
  clock: Clock;
  log: Logger;
  /** From `finalize()` to the words; also how long the service may be silent in the middle of a turn. */
  timeoutMs: number;
  connectTimeoutMs?: number;
  /** Audio that is kept to be sent again. */
  maxRepeatedMs?: number;
  maxBufferedBytes?: number;
  connectTime?: ConnectTime;
}

export const STT_STREAM_DEFAULTS = { maxRepeatedMs: 60_000 } as const;

/** Frames of one connection that may make no sense. */
const MAX_MALFORMED = 10;

interface Connection {
  readonly socket: ServiceSocket;
  readonly session: DialectSession;
  readonly timers: Set<Timer>;
  ready: boolean;
  sent: number;
  finalizedAt: number;
  malformed: number;
}

export class SocketSttStream implements SttStream {
  readonly #options: SocketSttStreamOptions;
  readonly #trail: AudioTrail;
  #handlers: SttStreamHandlers | null = null;
  /** Runs code for whoever the stream hears now: the connection's events come for whoever had opened it. */
  #within = AsyncLocalStorage.snapshot();
  #connection: Connection | null = null;
  #retried = false;
  #closed = false;
  #finalizing = false;
  #writtenSinceTurnEnd = false;
  #deadline: Timer | null = null;
  #lastSentMs = 0;
  #lastMessageMs = 0;
  #finals: string[] = [];
  #tail = '';
  #eager = false;
  #watch: Timer | null = null;
  /** Frames that made no sense, on all its connections. */
  malformedFrames = 0;

  constructor(options: SocketSttStreamOptions) {
    this.#options = options;
    const maxRepeatedMs = options.maxRepeatedMs ?? STT_STREAM_DEFAULTS.maxRepeatedMs;
    this.#trail = new AudioTrail((maxRepeatedMs * EAR_SAMPLE_RATE) / 1_000);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get asks(): boolean {
    return this.#options.dialect.finalizesInMidStream ?? false;
  }

  /** Milliseconds that were written in all. */
  get writtenMs(): number {
    return (this.#trail.position * 1_000) / EAR_SAMPLE_RATE;
  }

  /** From now on these are told; null lets go of the stream, which stays connected. */
  attach(handlers: SttStreamHandlers | null): void {
    this.#handlers = handlers;
    this.#within = AsyncLocalStorage.snapshot();
    this.#retried = false;
  }

  /** Connect before there is audio. */
  warm(): void {
    if (!this.#closed) this.#connection ??= this.#connect();
  }

  write(pcm: Int16Array): void {
    if (this.#closed || pcm.length === 0) return;
    this.#writtenSinceTurnEnd = true;
    const stretch = this.#trail.append(pcm);
    this.#connection ??= this.#connect();
    if (this.#connection.ready) this.#transmit(this.#connection, stretch);
  }

  finalize(): void {
    if (this.#closed || this.#finalizing) return;
    const { clock, timeoutMs, dialect } = this.#options;
    this.#finalizing = true;
    this.#deadline = clock.setTimeout(() => {
      const message = `${dialect.service} gave no words for ${timeoutMs} ms.`;
      this.#fail(new AntipodeError('ERR_SERVICE_TIMEOUT', message));
    }, timeoutMs);
    if (!this.#writtenSinceTurnEnd) {
      this.#turnEnd('finalize');
      return;
    }
    this.#connection ??= this.#connect();
    if (this.#connection.ready) this.#askForWords(this.#connection);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deadline?.cancel();
    this.#watch?.cancel();
    this.#disconnect(true);
    this.#trail.clear();
    this.#handlers = null;
  }

  #fail(error: AntipodeError): void {
    if (this.#closed) return;
    const handlers = this.#handlers;
    this.close();
    this.#within(() => handlers?.onError(error));
  }

  #connect(): Connection {
    const { dialect, clock, connectTimeoutMs, maxBufferedBytes, connectTime = null } = this.#options;
    const current = (): boolean => this.#connection === connection;
    const socket = new ServiceSocket({
      service: dialect.service,
      address: dialect.address(),
      clock,
      connectTime,
      readBinary: dialect.readBinary ?? null,
      ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
      ...(maxBufferedBytes !== undefined && { maxBufferedBytes }),
      handlers: {
        opened: () => current() && connection.session.opened(),
        message: (value) => {
          if (!current()) return;
          this.#lastMessageMs = clock.now();
          try {
            connection.session.message(value);
          } catch (error) {
            this.#malformed(connection, error);
          }
        },
        malformed: () => current() && this.#malformed(connection, null),
        ended: (end) => current() && this.#socketEnded(connection, end),
      },
    });
    const timers = new Set<Timer>();
    const connection: Connection = {
      socket,
      timers,
      session: dialect.session(this.#link(() => connection)),
      ready: false,
      sent: 0,
      finalizedAt: 0,
      malformed: 0,
    };
    // A service that accepts the socket and never gets ready is as good as one that doesn't answer.
    const patience = clock.setTimeout(() => {
      if (connection.ready || !current()) return;
      this.#fail(new AntipodeError('ERR_SERVICE_TIMEOUT', `${dialect.service} never got ready.`));
    }, this.#options.timeoutMs);
    timers.add(patience);
    return connection;
  }

  /** What the dialect of `connection` may do; nothing any more when that is not the present one. */
  #link(of: () => Connection): DialectLink {
    const present = (): boolean => this.#connection === of() && !this.#closed;
    const placed = (words: readonly DialectWord[]): SttWord[] => words.map((word) => this.#place(word));
    return {
      sendJson: (message) => of().socket.sendJson(message),
      sendBinary: (bytes) => of().socket.sendBinary(bytes),
      sendText: (words) => of().socket.sendText(words),
      ready: () => present() && this.#ready(of()),
      get sentSeconds() {
        return of().sent / EAR_SAMPLE_RATE;
      },
      sendSilence: (ms) => {
        const samples = Math.round((ms * EAR_SAMPLE_RATE) / 1_000);
        of().sent += samples;
        of().session.audio(Buffer.alloc(samples * 2));
      },
      interim: (text, words, until) => {
        if (!present()) return;
        this.#tail = text;
        this.#watchTurn();
        const heard = until === undefined ? {} : { heardMs: this.#toMs(until) };
        this.#tell({ type: 'interim', text: this.#turnText(), words: placed(words), ...heard });
      },
      final: (text, words, until) => {
        if (!present()) return;
        this.#tail = '';
        this.#retried = false;
        const event = { type: 'final', text, words: placed(words) } as const;
        this.#trail.settle(until * EAR_SAMPLE_RATE);
        if (text === '') return;
        this.#finals.push(text);
        this.#tell(event);
      },
      eagerEnd: (text, confidence) => {
        if (!present()) return;
        this.#eager = true;
        this.#tell({ type: 'eagerEnd', text, confidence });
      },
      resumed: () => present() && this.#resumed(),
      turnEnd: (cause) => present() && this.#turnEnd(cause),
      settled: (until) => present() && this.#trail.settle(until * EAR_SAMPLE_RATE),
      retire: () => {
        if (!present()) return;
        this.#disconnect(false);
        this.#connection = this.#within(() => this.#connect());
      },
      fail: (error) => present() && this.#fail(error),
      after: (delayMs, callback) => {
        const timer = this.#options.clock.setTimeout(() => {
          of().timers.delete(timer);
          if (present()) callback();
        }, delayMs);
        of().timers.add(timer);
        return timer;
      },
    };
  }

  #ready(connection: Connection): void {
    if (connection.ready) return;
    connection.ready = true;
    this.#lastSentMs = this.#options.clock.now();
    for (const stretch of this.#trail.forNewConnection()) this.#transmit(connection, stretch);
    // Sending may have found the connection dead.
    if (this.#connection !== connection) return;
    if (this.#finalizing) this.#askForWords(connection);
    this.#keepAlive(connection, this.#options.dialect.keepAliveMs);
  }

  #transmit(connection: Connection, stretch: { readonly bytes: Buffer; sentAt: number | null }): void {
    stretch.sentAt = connection.sent;
    connection.sent += stretch.bytes.length / 2;
    this.#lastSentMs = this.#options.clock.now();
    connection.session.audio(stretch.bytes);
  }

  #askForWords(connection: Connection): void {
    connection.finalizedAt = connection.sent;
    connection.session.finalize();
  }

  /** One timer that sleeps for what is left, so that writing audio costs none. */
  #keepAlive(connection: Connection, everyMs: number | null): void {
    if (everyMs === null) return;
    const { clock } = this.#options;
    const wait = Math.max(1, this.#lastSentMs + everyMs - clock.now());
    const timer = clock.setTimeout(() => {
      connection.timers.delete(timer);
      if (clock.now() - this.#lastSentMs >= everyMs) {
        this.#lastSentMs = clock.now();
        connection.session.keepAlive();
      }
      if (this.#connection === connection) this.#keepAlive(connection, everyMs);
    }, wait);
    connection.timers.add(timer);
  }

  /** A service that falls silent in the middle of a turn while it gets audio would leave the turn open for ever. */
  #watchTurn(): void {
    if (this.#watch !== null) return;
    const { clock, timeoutMs, dialect } = this.#options;
    this.#watch = clock.setTimeout(() => {
      this.#watch = null;
      const connection = this.#connection;
      if (this.#closed || this.#tail === '' || connection === null) return;
      if (clock.now() - this.#lastMessageMs < timeoutMs || this.#lastSentMs <= this.#lastMessageMs) {
        this.#watchTurn();
        return;
      }
      const message = `${dialect.service} fell silent in the middle of a turn.`;
      this.#ended(connection, { error: new AntipodeError('ERR_SERVICE_TIMEOUT', message), worthRetrying: true });
    }, timeoutMs);
  }

  #malformed(connection: Connection, cause: unknown): void {
    this.malformedFrames++;
    connection.malformed++;
    const { log, dialect } = this.#options;
    if (connection.malformed === 1) log.warn({ service: dialect.service }, 'speech service sent what makes no sense');
    if (connection.malformed < MAX_MALFORMED) return;
    this.#fail(new AntipodeError('ERR_SERVICE_FAILED', `${dialect.service} makes no sense.`, { cause }));
  }

  #socketEnded(connection: Connection, end: SocketEnd): void {
    if (end.isOrderly && connection.session.closed?.()) return;
    this.#ended(connection, end);
  }

  #ended(connection: Connection, end: Pick<SocketEnd, 'error' | 'worthRetrying'>): void {
    const { log, dialect } = this.#options;
    this.#disconnect(true);
    if (!end.worthRetrying || !connection.ready || this.#retried || this.#handlers === null) {
      this.#fail(end.error);
      return;
    }
    this.#retried = true;
    log.warn({ err: end.error, service: dialect.service }, 'speech service lost, connecting again');
    this.#tail = '';
    this.#resumed();
    this.#connection = this.#within(() => this.#connect());
  }

  #disconnect(politely: boolean): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection === null) return;
    for (const timer of connection.timers) timer.cancel();
    if (politely && connection.ready) connection.session.goodbye();
    connection.socket.close();
  }

  #turnText(): string {
    return [...this.#finals, this.#tail].filter((part) => part !== '').join(' ');
  }

  #turnEnd(cause: SttTurnEndCause): void {
    if (cause === 'finalize') {
      if (!this.#finalizing) return;
      this.#finalizing = false;
      this.#deadline?.cancel();
      this.#deadline = null;
      if (this.#connection !== null) this.#trail.settle(this.#connection.finalizedAt);
      this.#writtenSinceTurnEnd = this.#trail.length > 0;
    }
    this.#tail = '';
    this.#eager = false;
    this.#retried = false;
    this.#watch?.cancel();
    this.#watch = null;
    const text = this.#turnText();
    this.#finals = [];
    this.#tell({ type: 'turnEnd', text, cause });
  }

  #resumed(): void {
    if (!this.#eager) return;
    this.#eager = false;
    this.#tell({ type: 'resumed' });
  }

  #place(word: DialectWord): SttWord {
    const { text, start, end, confidence } = word;
    return { text, startMs: this.#toMs(start), endMs: this.#toMs(end), confidence };
  }

  /** From seconds of the present connection to milliseconds of all that was written. */
  #toMs(seconds: number): number {
    return Math.round((this.#trail.toStream(seconds * EAR_SAMPLE_RATE) * 1_000) / EAR_SAMPLE_RATE);
  }

  #tell(event: SttStreamEvent): void {
    this.#within(() => this.#handlers?.onEvent(event));
  }
}
