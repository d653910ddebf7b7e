/**
 * One WebSocket to a text-to-speech service with the sentences that are spoken on it. Owns its opening and its idle
 * end; hands what comes to the sentence that it is for, and drops what is for none.
 */
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { ConnectTime } from '../connect-time.ts';
import { ServiceSocket } from '../service-socket.ts';
import type { ServiceMessage, SpeechDialect } from './dialect.ts';
import type { SocketSentence } from './socket-sentence.ts';

export interface SpeechConnectionOptions<Timing> {
  dialect: SpeechDialect<Timing>;
  clock: Clock;
  openTimeoutMs: number;
  idleMs: number;
  connectTime?: ConnectTime;
  onGone(connection: SpeechConnection<Timing>): void;
}

/** A message holds some seconds of audio at most. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Text that a service does not take off the wire; it takes a few hundred bytes a sentence. */
const MAX_UNSENT_BYTES = 1024 * 1024;

export class SpeechConnection<Timing> {
  /** Resolves once sentences can be sent. */
  readonly opened: Promise<void>;
  readonly #options: SpeechConnectionOptions<Timing>;
  readonly #socket: ServiceSocket;
  /** Null: canceled, but not ended at the service yet. */
  readonly #contexts = new Map<string, SocketSentence<Timing> | null>();
  readonly #opening = Promise.withResolvers<void>();
  #idleTimer: Timer | null = null;
  #heardCount = 0;
  #gone = false;

  constructor(options: SpeechConnectionOptions<Timing>) {
    this.#options = options;
    const { dialect, clock, openTimeoutMs, connectTime = null } = options;
    this.opened = this.#opening.promise;
    this.opened.catch(() => {}); // the sentences that wait for it are told besides
    this.#socket = new ServiceSocket({
      service: dialect.service,
      address: { url: new URL(dialect.url), headers: dialect.headers },
      clock,
      connectTimeoutMs: openTimeoutMs,
      maxBufferedBytes: MAX_UNSENT_BYTES,
      maxFrameBytes: MAX_MESSAGE_BYTES,
      connectTime,
      handlers: {
        opened: () => this.#onOpen(),
        message: (value) => this.#onMessage(value),
        malformed: (cause) => this.#malformed(cause),
        ended: ({ error, worthRetrying }) => this.#end(error, worthRetrying),
      },
    });
  }

  get isOpen(): boolean {
    return this.#socket.isOpen && !this.#gone;
  }

  get hasRoom(): boolean {
    return !this.#gone && this.#contexts.size < this.#options.dialect.maxContexts;
  }

  /** Messages that came, for whomever. */
  get heardCount(): number {
    return this.#heardCount;
  }

  /** Have it spoken, as soon as the connection is open. */
  begin(sentence: SocketSentence<Timing>): void {
    this.#contexts.set(sentence.contextId, sentence);
    if (!this.isOpen) return;
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    this.#sendBeginning(sentence);
  }

  /** Have it spoken no more; what still comes of it is dropped. */
  cancel(sentence: SocketSentence<Timing>): void {
    const { contextId } = sentence;
    if (this.#contexts.get(contextId) !== sentence) return;
    const { dialect } = this.#options;
    if (this.isOpen && dialect.cancelsSlowly) this.#contexts.set(contextId, null);
    else this.#contexts.delete(contextId);
    this.#socket.sendJson(dialect.cancel(contextId));
    this.#restIfIdle();
  }

  /** It is of no use any more: its sentences are told that it broke. */
  abandon(message: string): void {
    this.#end(new AntipodeError('ERR_SERVICE_FAILED', message), true);
  }

  /** Ends its sentences, with this error, and the socket. Idempotent. */
  close(error: AntipodeError): void {
    this.#end(error, false);
  }

  #onOpen(): void {
    this.#opening.resolve();
    for (const sentence of this.#contexts.values()) if (sentence !== null) this.#sendBeginning(sentence);
    this.#restIfIdle();
  }

  #onMessage(value: unknown): void {
    if (this.#gone) return;
    this.#heardCount++;
    let messages: readonly ServiceMessage<Timing>[];
    try {
      messages = this.#options.dialect.read(value);
    } catch (cause) {
      this.#malformed(cause);
      return;
    }
    for (const message of messages) this.#deliver(message);
  }

  #malformed(cause: unknown): void {
    const message = `${this.#options.dialect.service} sent what makes no sense.`;
    this.#end(new AntipodeError('ERR_SERVICE_FAILED', message, { cause }), true);
  }

  #deliver(message: ServiceMessage<Timing>): void {
    if (message.type === 'broken') {
      this.#end(message.error, true);
      return;
    }
    const sentence = this.#contexts.get(message.contextId);
    if (message.type === 'audio') {
      sentence?.receive(message.base64, message.timing);
      return;
    }
    if (!this.#contexts.delete(message.contextId)) return;
    if (message.type === 'failed') sentence?.fail(message.error);
    else sentence?.end();
    this.#restIfIdle();
  }

  #sendBeginning(sentence: SocketSentence<Timing>): void {
    for (const message of this.#options.dialect.begin(sentence.contextId, sentence.text)) {
      this.#socket.sendJson(message);
    }
  }

  #restIfIdle(): void {
    if (!this.isOpen || this.#idleTimer !== null) return;
    for (const sentence of this.#contexts.values()) if (sentence !== null) return;
    const message = `The idle connection to ${this.#options.dialect.service} was closed.`;
    this.#idleTimer = this.#options.clock.setTimeout(() => {
      this.close(new AntipodeError('ERR_SERVICE_FAILED', message));
    }, this.#options.idleMs);
  }

  #end(error: AntipodeError, broke: boolean): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#idleTimer?.cancel();
    this.#idleTimer = null;
    this.#options.onGone(this);
    this.#opening.reject(error);
    const sentences = [...this.#contexts.values()];
    this.#contexts.clear();
    for (const sentence of sentences) {
      if (broke) sentence?.break(error);
      else sentence?.fail(error);
    }
    this.#socket.abandon();
  }
}
