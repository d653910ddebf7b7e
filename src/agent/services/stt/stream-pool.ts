/**
 * The per-utterance face of a streaming service: utterances borrow streams that stay connected between them. A stream
 * goes back only when the service has given all words of its utterance, so that no word gets into another one.
 */
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import type { SttListenOptions, SttStreamEvent, SttUtterance, Transcription } from '../stt.ts';
import type { SocketSttStream } from './stream.ts';

export interface StreamPoolOptions {
  clock: Clock;
  create(): SocketSttStream;
  /** Utterances may be asked for their words before they end. @defaultValue false */
  asks?: boolean;
  /** Connections without an utterance. */
  maxIdle?: number;
  /** After so long without an utterance a connection is closed. */
  idleMs?: number;
  maxUtteranceMs?: number;
}

export const STREAM_POOL_DEFAULTS = { asks: false, maxIdle: 16, idleMs: 60_000, maxUtteranceMs: 600_000 } as const;

export class StreamPool {
  readonly #options: Required<StreamPoolOptions>;
  readonly #idle = new Map<SocketSttStream, Timer>();
  readonly #utterances = new Set<Utterance>();
  #closed = false;

  constructor(options: StreamPoolOptions) {
    this.#options = { ...STREAM_POOL_DEFAULTS, ...options };
  }

  /** Connections that wait for an utterance. */
  get idleCount(): number {
    this.#sweep();
    return this.#idle.size;
  }

  warm(): void {
    if (this.#closed || this.idleCount > 0) return;
    const stream = this.#options.create();
    stream.warm();
    this.#keep(stream);
  }

  listen(options: SttListenOptions): SttUtterance {
    if (this.#closed) throw new AntipodeError('ERR_SHUTTING_DOWN', 'Speech to text is closed.');
    const stream = this.#borrow();
    const Kind = this.#options.asks ? AskableUtterance : Utterance;
    const utterance = new Kind(stream, options, this.#options.maxUtteranceMs, (reusable) => {
      this.#utterances.delete(utterance);
      if (reusable) this.#keep(stream);
      else stream.close();
      // What an interrupted caller says next must not wait for a handshake.
      if (!reusable && !utterance.failed) this.warm();
    });
    this.#utterances.add(utterance);
    return utterance;
  }

  close(): void {
    this.#closed = true;
    for (const utterance of [...this.#utterances]) utterance.close();
    for (const [stream, timer] of this.#idle) {
      timer.cancel();
      stream.close();
    }
    this.#idle.clear();
  }

  #borrow(): SocketSttStream {
    this.#sweep();
    // The last one back is the likeliest to be alive.
    const last = [...this.#idle].at(-1);
    if (last === undefined) return this.#options.create();
    const [stream, timer] = last;
    this.#idle.delete(stream);
    timer.cancel();
    return stream;
  }

  #keep(stream: SocketSttStream): void {
    if (this.#closed || stream.isClosed || this.idleCount >= this.#options.maxIdle) {
      stream.close();
      return;
    }
    const timer = this.#options.clock.setTimeout(() => {
      this.#idle.delete(stream);
      stream.close();
    }, this.#options.idleMs);
    this.#idle.set(stream, timer);
  }

  /** Forget idle streams whose service hung up. */
  #sweep(): void {
    for (const [stream, timer] of this.#idle) {
      if (!stream.isClosed) continue;
      timer.cancel();
      this.#idle.delete(stream);
    }
  }
}

class Utterance implements SttUtterance {
  readonly #stream: SocketSttStream;
  readonly #options: SttListenOptions;
  readonly #maxSamples: number;
  readonly #release: (reusable: boolean) => void;
  readonly #onAbort: () => void;
  readonly #settle: PromiseWithResolvers<Transcription> = Promise.withResolvers();
  readonly #turns: string[] = [];
  /** Where in the stream it begins. */
  readonly #startMs: number;
  #samples = 0;
  /** Of them, those whose words were asked for; and told. */
  #askedSamples = 0;
  #answeredSamples = 0;
  #finishing = false;
  /** Whoever waits for the words that were asked for. */
  #asked: PromiseWithResolvers<boolean> | null = null;
  #over = false;
  failed = false;

  constructor(
    stream: SocketSttStream,
    options: SttListenOptions,
    maxUtteranceMs: number,
    release: (reusable: boolean) => void,
  ) {
    this.#stream = stream;
    this.#startMs = stream.writtenMs;
    this.#options = options;
    this.#maxSamples = (maxUtteranceMs * EAR_SAMPLE_RATE) / 1_000;
    this.#release = release;
    this.#onAbort = () => this.#end(options.signal.reason);
    // A failure before finish() is told by finish().
    this.#settle.promise.catch(() => {});
    stream.attach({
      onEvent: (event) => this.#hear(event),
      onError: (error) => {
        this.failed = true;
        this.#end(error);
      },
    });
    stream.warm();
    if (options.signal.aborted) queueMicrotask(this.#onAbort);
    else options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  write(pcm: Int16Array): void {
    if (this.#over) return;
    this.#samples += pcm.length;
    if (this.#samples > this.#maxSamples) {
      const seconds = this.#maxSamples / EAR_SAMPLE_RATE;
      this.#end(new AntipodeError('ERR_SERVICE_FAILED', `An utterance is longer than ${seconds} s.`));
      return;
    }
    this.#stream.write(pcm);
  }

  finish(): Promise<Transcription> {
    this.#finishing = true;
    if (!this.#over) this.#finalize();
    return this.#settle.promise;
  }

  /** What has been asked for is not asked for again: few services answer twice. */
  #finalize(): void {
    if (this.#asked !== null) return;
    if (this.#samples > 0 && this.#answeredSamples === this.#samples) {
      this.#done();
      return;
    }
    this.#askedSamples = this.#samples;
    this.#asked = Promise.withResolvers();
    this.#stream.finalize();
  }

  protected askForWords(): Promise<boolean> {
    if (this.#over || this.#samples === 0) return Promise.resolve(false);
    if (this.#answeredSamples < this.#samples) this.#finalize();
    return this.#asked?.promise ?? Promise.resolve(!this.#over);
  }

  #done(): void {
    this.#settle.resolve({ text: this.#text });
    this.#end(null);
  }

  get #text(): string {
    return this.#turns.join(' ');
  }

  close(): void {
    this.#end(new AntipodeError('ERR_SERVICE_FAILED', 'The utterance was given up.'));
  }

  #hear(event: SttStreamEvent): void {
    if (event.type === 'interim' && event.text !== '') {
      const heardMs = event.heardMs === undefined ? undefined : event.heardMs - this.#startMs;
      this.#options.onInterim?.([...this.#turns, event.text].join(' '), heardMs);
      return;
    }
    if (event.type !== 'turnEnd') return;
    if (event.text !== '') this.#turns.push(event.text);
    if (event.cause !== 'finalize') return;
    this.#answeredSamples = this.#askedSamples;
    this.#asked?.resolve(true);
    this.#asked = null;
    if (!this.#finishing) {
      if (this.#text !== '') this.#options.onInterim?.(this.#text, toMs(this.#answeredSamples));
    } else if (this.#answeredSamples === this.#samples) this.#done();
    // More had been written since they were asked for.
    else this.#finalize();
  }

  /** @param reason null when all words were wanted and are here; else the stream is used again if it owes none */
  #end(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#stream.attach(null);
    this.#asked?.resolve(false);
    if (reason !== null) this.#settle.reject(reason);
    const isTold = this.#asked === null && this.#answeredSamples === this.#samples;
    this.#release(reason === null || (isTold && !this.failed));
  }
}

class AskableUtterance extends Utterance {
  ask(): Promise<boolean> {
    return this.askForWords();
  }
}

function toMs(samples: number): number {
  return (samples * 1_000) / EAR_SAMPLE_RATE;
}
