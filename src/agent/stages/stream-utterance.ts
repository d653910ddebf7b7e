/**
 * One utterance as a stream that detects turns hears it: some of the service's turns, as one. When the stream breaks, a
 * spare one is given its sound from the beginning. Owns no stream; the stage that hears continuously does.
 */
import type { ServiceWatch } from '../observe/index.ts';
import type { Stt, SttListenOptions, SttUtterance, Transcription } from '../services/stt.ts';
import { EAR_SAMPLE_RATE } from '../types.ts';

/** Sound that is kept for the spare one; of a longer utterance the latest. */
const MAX_KEPT_SAMPLES = 60 * EAR_SAMPLE_RATE;

export interface StreamUtteranceOptions extends SttListenOptions {
  service: string;
  /** Takes over when the stream breaks. */
  spare: Stt | null;
  now(): number;
  /** Ask the service for the end of its turn; false when there is no stream. */
  finalize(): boolean;
  takeSeconds(): number;
  onClosed(): void;
}

/** Some of the service's turns, as one utterance. */
export class StreamUtterance implements SttUtterance {
  readonly #options: StreamUtteranceOptions;
  /** Of the service's turns that ended within it. */
  #ended: string[] = [];
  #current = '';
  /** The service's turn has probably ended with these words. */
  #probable: string | null = null;
  #answer: { resolve(text: string): void; reject(error: unknown): void } | null = null;
  #askedAtMs = 0;
  /** What the spare one would have to hear. */
  #kept: Int16Array[] = [];
  #keptSamples = 0;
  #spare: SttUtterance | null = null;
  /** Why the stream gives no more words. */
  #broken: unknown = null;
  #answered = false;
  #closed = false;

  constructor(options: StreamUtteranceOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.close(), { once: true });
  }

  /** The stage feeds the stream already. */
  write(pcm: Int16Array): void {
    if (this.#closed || this.#answered || this.#options.spare === null) return;
    if (this.#spare !== null) {
      this.#spare.write(pcm);
      return;
    }
    this.#kept.push(pcm.slice());
    this.#keptSamples += pcm.length;
    while (this.#keptSamples > MAX_KEPT_SAMPLES) this.#keptSamples -= this.#kept.shift()!.length;
  }

  interim(text: string): void {
    if (this.#spare !== null) return;
    this.#current = text;
    this.#options.onInterim?.([...this.#ended, text].join(' ').trim());
  }

  probably(text: string): void {
    this.#probable = text;
  }

  resumed(): void {
    this.#probable = null;
  }

  ended(text: string): void {
    this.#current = '';
    this.#probable = null;
    if (text !== '') this.#ended.push(text);
    this.#resolve();
  }

  /** The stream is broken: the spare one hears all of it, or what has come is all there is. */
  failed(error: unknown): void {
    if (this.#closed || this.#answered || this.#spare !== null) return;
    this.#current = '';
    this.#probable = null;
    this.#broken = error;
    this.#report('ERR_SERVICE_FAILED');
    const answer = this.#answer;
    this.#answer = null;
    const { spare, signal, onInterim, watch } = this.#options;
    if (spare === null) {
      answer?.reject(error);
      return;
    }
    this.#ended = [];
    this.#spare = spare.listen({ signal, onInterim, watch });
    for (const pcm of this.#kept) this.#spare.write(pcm);
    this.#kept = [];
    if (answer !== null) this.#spare.finish().then(({ text }) => answer.resolve(text), answer.reject);
  }

  finish(): Promise<Transcription> {
    if (this.#spare !== null) return this.#spare.finish();
    if (this.#broken !== null && this.#ended.length === 0) return Promise.reject(this.#broken);
    this.#askedAtMs = this.#options.now();
    return new Promise((resolve, reject) => {
      this.#answer = { resolve: (text) => resolve({ text }), reject };
      if (this.#probable !== null) this.#resolve(this.#probable);
      else if (this.#current === '' && this.#ended.length > 0) this.#resolve();
      else if (!this.#options.finalize()) this.#resolve(this.#current);
    });
  }

  #resolve(last = ''): void {
    if (this.#answer === null) return;
    this.#report('ok');
    this.#answered = true;
    this.#kept = [];
    this.#answer.resolve([...this.#ended, last].join(' ').trim());
    this.#answer = null;
  }

  #report(outcome: 'ok' | 'aborted' | 'ERR_SERVICE_FAILED'): void {
    if (this.#answer === null) return;
    const { service, now, takeSeconds, watch } = this.#options;
    watch?.ran(runOf(service, this.#askedAtMs, now(), outcome, takeSeconds()));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#kept = [];
    this.#spare?.close();
    this.#report('aborted');
    this.#answer?.reject(this.#options.signal.reason);
    this.#answer = null;
    this.#options.onClosed();
  }
}

export function runOf(
  service: string,
  startedAtMs: number,
  endedAtMs: number,
  outcome: 'ok' | 'aborted' | 'ERR_SERVICE_FAILED',
  audioInSeconds: number,
): Parameters<ServiceWatch['ran']>[0] {
  const times = { startedAtMs, firstAtMs: endedAtMs, endedAtMs };
  return { kind: 'stt', service, model: null, region: null, ...times, outcome, usage: { audioInSeconds } };
}
