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
  /** It may be asked so in the middle of a turn. */
  asks: boolean;
  /** How much the stream was given so far. */
  streamMs(): number;
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
  /** When the words came that were asked for before the end, if they are all. */
  #cameAtMs: number | null = null;
  #asked: PromiseWithResolvers<boolean> | null = null;
  /** More was written since they were asked for, and no word of that is known. */
  #goesOn = false;
  #writtenSamples = 0;
  /** Where in the stream it begins. */
  #startMs: number | null = null;
  readonly ask?: () => Promise<boolean>;
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
    if (options.asks) this.ask = () => this.#ask();
    options.signal.addEventListener('abort', () => this.close(), { once: true });
  }

  /** The stage feeds the stream already. */
  write(pcm: Int16Array): void {
    this.#writtenSamples += pcm.length;
    this.#startMs = this.#options.streamMs() - (this.#writtenSamples * 1_000) / EAR_SAMPLE_RATE;
    if (this.#asked !== null || this.#cameAtMs !== null) this.#goesOn = true;
    this.#cameAtMs = null;
    if (this.#closed || this.#answered || this.#options.spare === null) return;
    if (this.#spare !== null) {
      this.#spare.write(pcm);
      return;
    }
    this.#kept.push(pcm.slice());
    this.#keptSamples += pcm.length;
    while (this.#keptSamples > MAX_KEPT_SAMPLES) this.#keptSamples -= this.#kept.shift()!.length;
  }

  /** Go on in the place of another one: its words are this one's, those that it still waits for included. */
  inherit(before: StreamUtterance): void {
    this.#ended.push(...before.#ended);
    this.#goesOn = true;
    if (before.#asked !== null || before.#answer !== null) this.#asked = Promise.withResolvers();
  }

  /** @param streamMs how much of the stream these words are all of */
  interim(text: string, streamMs?: number): void {
    if (this.#spare !== null) return;
    this.#current = text;
    this.#cameAtMs = null;
    if (text !== '' && this.#asked === null) this.#goesOn = false;
    this.#tell(text, streamMs);
  }

  #tell(text: string, streamMs?: number): void {
    const heardMs = streamMs === undefined || this.#startMs === null ? undefined : streamMs - this.#startMs;
    this.#options.onInterim?.([...this.#ended, text].join(' ').trim(), heardMs);
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
    if (this.#asked !== null) {
      this.#asked.resolve(true);
      this.#asked = null;
      if (!this.#goesOn) this.#cameAtMs = this.#options.now();
      else if (this.#answer !== null) {
        this.#finalize();
        return;
      }
    } else this.#goesOn = false;
    this.#resolve();
  }

  #ask(): Promise<boolean> {
    if (this.#closed || this.#answered || this.#broken !== null) return Promise.resolve(false);
    if (this.#asked !== null) return this.#asked.promise;
    if (this.#isTold) return Promise.resolve(true);
    const asked = Promise.withResolvers<boolean>();
    this.#asked = asked;
    this.#goesOn = false;
    this.#askedAtMs = this.#options.now();
    if (!this.#options.finalize()) this.#giveUpAsking();
    return asked.promise;
  }

  /** All that is to be known of it is. */
  get #isTold(): boolean {
    if (this.#probable !== null || this.#cameAtMs !== null) return true;
    return this.#current === '' && this.#ended.length > 0 && !this.#goesOn;
  }

  #giveUpAsking(): void {
    this.#asked?.resolve(false);
    this.#asked = null;
  }

  /** The stream is broken: the spare one hears all of it, or what has come is all there is. */
  failed(error: unknown): void {
    if (this.#closed || this.#answered || this.#spare !== null) return;
    this.#giveUpAsking();
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
    const isAsked = (this.#asked !== null && !this.#goesOn) || this.#cameAtMs !== null;
    if (!isAsked) this.#askedAtMs = this.#options.now();
    return new Promise((resolve, reject) => {
      this.#answer = { resolve: (text) => resolve({ text }), reject };
      if (this.#isTold) this.#resolve(this.#probable ?? '');
      // What was asked for is not asked for again: few services answer twice.
      else if (this.#asked === null) this.#finalize();
    });
  }

  #finalize(): void {
    this.#goesOn = false;
    if (!this.#options.finalize()) this.#resolve(this.#current);
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
    watch?.ran(runOf(service, this.#askedAtMs, this.#cameAtMs ?? now(), outcome, takeSeconds()));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#giveUpAsking();
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
