/**
 * One sentence on its way through a `SpeechConnection`: what came of it and was not read yet, its time-out, its bound,
 * and what became of it. Owns no socket.
 */
import type { Clock, Timer } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { SpeechConnection } from './connection.ts';
import type { SpeechDialect } from './dialect.ts';

export interface SpeechPart<Timing> {
  /** Mono, at the dialect's rate; may be empty when only timing came. */
  readonly pcm: Int16Array;
  readonly timing: Timing | null;
}

export interface SocketSentenceOptions<Timing> {
  contextId: string;
  text: string;
  dialect: Pick<SpeechDialect<Timing>, 'service' | 'sampleRate'>;
  clock: Clock;
  timeoutMs: number;
  signal: AbortSignal;
  connection: SpeechConnection<Timing>;
}

/** More audio than this for a text is a service gone wild; very slow speech has 200 ms a character. */
const MAX_MS_PER_CHARACTER = 250;
const MAX_MS_BESIDES = 10_000;

const NOTHING = new Int16Array(0);

export class SocketSentence<Timing> {
  readonly contextId: string;
  readonly text: string;
  readonly #options: SocketSentenceOptions<Timing>;
  readonly #onAbort: () => void;
  readonly #maxSamples: number;
  #parts: SpeechPart<Timing>[] = [];
  #samples = 0;
  #oddByte: Buffer | null = null;
  #timer: Timer;
  #outcome: { readonly error: unknown } | 'whole' | null = null;
  #broken = false;
  #wake: (() => void) | null = null;

  constructor(options: SocketSentenceOptions<Timing>) {
    this.contextId = options.contextId;
    this.text = options.text;
    this.#options = options;
    const maxMs = MAX_MS_BESIDES + options.text.length * MAX_MS_PER_CHARACTER;
    this.#maxSamples = (maxMs * options.dialect.sampleRate) / 1_000;
    this.#onAbort = () => {
      this.#stop(options.signal.reason);
      // What came in time is of no use either to a turn that is over.
      this.#outcome = { error: options.signal.reason };
    };
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#timer = this.#arm();
  }

  /** It failed by its connection alone, before any of it sounded. */
  get mayTryAgain(): boolean {
    return this.#broken && this.#samples === 0;
  }

  /** What came, in order, until the sentence is whole. Timing without audio waits for the first audio. */
  async *parts(): AsyncIterable<SpeechPart<Timing>> {
    for (;;) {
      if (this.#samples > 0) {
        for (let part = this.#parts.shift(); part !== undefined; part = this.#parts.shift()) yield part;
      }
      if (this.#outcome === 'whole') return;
      if (this.#outcome !== null) throw this.#outcome.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The service gave a piece: base64 of PCM, which may end inside of a sample. */
  receive(base64: string, timing: Timing | null): void {
    if (this.#outcome !== null) return;
    this.#timer.cancel();
    this.#timer = this.#arm();
    const bytes = decode(base64);
    if (bytes === null) {
      this.#stop(this.#failure('sent audio that is not base64'));
      return;
    }
    const all = this.#oddByte === null ? bytes : Buffer.concat([this.#oddByte, bytes]);
    const pcm = all.length < 2 ? NOTHING : new Int16Array(all.length >> 1);
    for (let index = 0; index < pcm.length; index++) pcm[index] = all.readInt16LE(index * 2);
    this.#oddByte = all.length % 2 === 0 ? null : Buffer.from(all.subarray(all.length - 1));
    this.#samples += pcm.length;
    if (this.#samples > this.#maxSamples) {
      this.#stop(this.#failure('sent far more audio than the text is worth'));
      return;
    }
    if (pcm.length === 0 && timing === null) return;
    this.#parts.push({ pcm, timing });
    this.#notify();
  }

  /** The service has said all of it. */
  end(): void {
    if (this.#samples === 0) this.fail(this.#failure('answered with no audio'));
    else this.#settle('whole');
  }

  /** The service refused it. */
  fail(error: unknown): void {
    this.#settle({ error });
  }

  /** Its connection is gone. */
  break(error: unknown): void {
    if (this.#outcome !== null) return;
    this.#broken = true;
    this.#settle({ error });
  }

  /** Nobody reads it any more: when it is not over, the service is told. Idempotent. */
  release(): void {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#stop(this.#failure('was not listened to'));
  }

  /** End it from our side. */
  #stop(error: unknown): void {
    this.#parts = [];
    if (this.#outcome !== null) return;
    this.#settle({ error });
    this.#options.connection.cancel(this);
  }

  #settle(outcome: { readonly error: unknown } | 'whole'): void {
    if (this.#outcome !== null) return;
    this.#outcome = outcome;
    this.#timer.cancel();
    this.#notify();
  }

  #arm(): Timer {
    const { clock, timeoutMs, connection, dialect } = this.#options;
    const heardBefore = connection.heardCount;
    return clock.setTimeout(() => {
      const message = `${dialect.service} said nothing for ${timeoutMs} ms.`;
      this.#stop(new AntipodeError('ERR_SERVICE_TIMEOUT', message));
      // Nothing for anybody: the line may be dead, and the next sentence must not find that out by waiting.
      if (connection.heardCount === heardBefore) connection.abandon(message);
    }, timeoutMs);
  }

  #failure(what: string): AntipodeError {
    return new AntipodeError('ERR_SERVICE_FAILED', `${this.#options.dialect.service} ${what}.`);
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** Null when it is not base64: what is not of its alphabet is skipped by Buffer, and the length tells. */
function decode(base64: string): Buffer | null {
  const bytes = Buffer.from(base64, 'base64');
  const digits = base64.endsWith('==') ? base64.length - 2 : base64.endsWith('=') ? base64.length - 1 : base64.length;
  return digits % 4 !== 1 && bytes.length === Math.floor((digits * 3) / 4) ? bytes : null;
}
