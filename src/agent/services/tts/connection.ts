/**
 * One WebSocket to a text-to-speech service with the sentences that are spoken on it. Owns the socket, its opening and
 * its idle end; hands what comes to the sentence that it is for, and drops what is for none.
 */
import { type RawData, WebSocket } from 'ws';
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { refusal, type ServiceMessage, type SpeechDialect } from './dialect.ts';
import type { SocketSentence } from './socket-sentence.ts';

export interface SpeechConnectionOptions<Timing> {
  dialect: SpeechDialect<Timing>;
  clock: Clock;
  openTimeoutMs: number;
  idleMs: number;
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
  readonly #socket: WebSocket;
  /** Null: canceled, but not ended at the service yet. */
  readonly #contexts = new Map<string, SocketSentence<Timing> | null>();
  readonly #opening = Promise.withResolvers<void>();
  #timer: Timer | null;
  #heardCount = 0;
  #isOpen = false;
  #gone = false;

  constructor(options: SpeechConnectionOptions<Timing>) {
    this.#options = options;
    const { dialect, clock, openTimeoutMs } = options;
    this.opened = this.#opening.promise;
    this.opened.catch(() => {}); // the sentences that wait for it are told besides
    this.#timer = clock.setTimeout(() => {
      this.#end(new AntipodeError('ERR_SERVICE_TIMEOUT', `${dialect.service} did not answer in time.`), false);
    }, openTimeoutMs);
    const socket = new WebSocket(dialect.url, {
      headers: dialect.headers,
      perMessageDeflate: false,
      followRedirects: false,
      maxPayload: MAX_MESSAGE_BYTES,
    });
    this.#socket = socket;
    socket.on('open', () => this.#onOpen());
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('unexpected-response', (request, response) => {
      request.destroy();
      this.#end(refusal(dialect.service, response.statusCode ?? 0), false);
    });
    socket.on('error', (cause) => {
      const [code, what] = this.#isOpen
        ? (['ERR_SERVICE_FAILED', 'The connection broke'] as const)
        : (['ERR_SERVICE_UNAVAILABLE', 'It cannot be reached'] as const);
      this.#end(new AntipodeError(code, `${dialect.service} failed: ${what}.`, { cause }), this.#isOpen);
    });
    socket.on('close', (status) => {
      const message = `${dialect.service} closed the connection (${status}).`;
      this.#end(new AntipodeError('ERR_SERVICE_FAILED', message), true);
    });
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#gone;
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
    if (!this.#isOpen) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#sendBeginning(sentence);
  }

  /** Have it spoken no more; what still comes of it is dropped. */
  cancel(sentence: SocketSentence<Timing>): void {
    const { contextId } = sentence;
    if (this.#contexts.get(contextId) !== sentence) return;
    const { dialect } = this.#options;
    if (this.#isOpen && dialect.cancelsSlowly) this.#contexts.set(contextId, null);
    else this.#contexts.delete(contextId);
    if (this.#isOpen) this.#send(dialect.cancel(contextId));
    this.#restIfIdle();
  }

  /** It is of no use any more: its sentences are told that it broke. */
  abandon(message: string): void {
    this.#end(new AntipodeError('ERR_SERVICE_FAILED', message), true);
  }

  /** Ends its sentences and the socket. Idempotent. */
  close(): void {
    const message = `The connection to ${this.#options.dialect.service} was closed.`;
    this.#end(new AntipodeError('ERR_SERVICE_FAILED', message), false);
  }

  #onOpen(): void {
    this.#isOpen = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#opening.resolve();
    for (const sentence of this.#contexts.values()) if (sentence !== null) this.#sendBeginning(sentence);
    this.#restIfIdle();
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (this.#gone) return;
    this.#heardCount++;
    const { dialect } = this.#options;
    let messages: readonly ServiceMessage<Timing>[];
    try {
      if (isBinary) throw new Error('A binary message.');
      messages = dialect.read(JSON.parse(String(data)));
    } catch (cause) {
      const error = new AntipodeError('ERR_SERVICE_FAILED', `${dialect.service} sent what makes no sense.`, { cause });
      this.#end(error, true);
      return;
    }
    for (const message of messages) this.#deliver(message);
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
    for (const message of this.#options.dialect.begin(sentence.contextId, sentence.text)) this.#send(message);
  }

  #send(message: unknown): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return; // its end is about to be told
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) {
      this.abandon(`${this.#options.dialect.service} takes no more text.`);
      return;
    }
    this.#socket.send(JSON.stringify(message));
  }

  #restIfIdle(): void {
    if (!this.#isOpen || this.#gone || this.#timer !== null) return;
    for (const sentence of this.#contexts.values()) if (sentence !== null) return;
    this.#timer = this.#options.clock.setTimeout(() => this.close(), this.#options.idleMs);
  }

  #end(error: AntipodeError, broke: boolean): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#options.onGone(this);
    this.#opening.reject(error);
    const sentences = [...this.#contexts.values()];
    this.#contexts.clear();
    for (const sentence of sentences) {
      if (broke) sentence?.break(error);
      else sentence?.fail(error);
    }
    this.#socket.terminate();
  }
}
