/**
 * Hears all of a call with a service that detects turns itself: a stage that feeds it and passes on what it says of
 * turns, for turn-taking; and a face of it as speech to text by the utterance, for transcribe. A stream that breaks is
 * opened anew after a while. Owns the stream; decides nothing.
 */
import type { Timer } from '../../clock.ts';
import { asAntipodeError } from '../../errors.ts';
import { type ServiceWatch, watchFor } from '../observe/index.ts';
import type {
  Stt,
  SttListenOptions,
  SttStream,
  SttStreamEvent,
  SttUtterance,
  TurnDetectingStt,
} from '../services/stt.ts';
import type { Emit, Stage } from '../stage.ts';
import { type AgentCall, EAR_SAMPLE_RATE } from '../types.ts';

export interface HearContinuouslyOptions {
  call: Pick<AgentCall, 'clock' | 'log' | 'observe'>;
  stt: TurnDetectingStt;
  /** A broken stream is opened anew after this. */
  reopenAfterMs?: number;
}

export const HEAR_CONTINUOUSLY_DEFAULTS = { reopenAfterMs: 1_000 } as const;

export interface ContinuousHearing {
  /** Goes before takeTurns. */
  readonly stage: Stage;
  /** Goes into transcribe. */
  readonly stt: Stt;
}

/**
 * @example
 * ```ts
 * const hearing = hearContinuously({ call, stt: flux });
 * chain(
 *   listen({ call, vad }),
 *   hearing.stage,
 *   takeTurns({ call, endOfTurn: firstOf(sttEnd(), silence({ endMs: 1_500, probableMs: null })) }),
 *   transcribe({ call, conversation, stt: hearing.stt }),
 *   ...
 * )
 * ```
 */
export function hearContinuously(options: HearContinuouslyOptions): ContinuousHearing {
  const hearing = new Hearer(options);
  return { stage: hearing, stt: hearing };
}

class Hearer implements Stage, Stt {
  readonly name: string;
  readonly #options: HearContinuouslyOptions & { reopenAfterMs: number };
  #emit: Emit = () => {};
  #stream: SttStream | null = null;
  #reopenTimer: Timer | null = null;
  #closed = false;
  /** The utterance that transcribe listens to; the newest when there are two. */
  #utterance: StreamUtterance | null = null;
  /** Words of the service's turn that will not change. */
  #finals = '';
  /** All words of its turn so far. */
  #text = '';
  /** How much of that text an utterance that was given up has had. */
  #spentText = '';
  #fedSamples = 0;

  constructor(options: HearContinuouslyOptions) {
    this.#options = { ...HEAR_CONTINUOUSLY_DEFAULTS, ...options };
    this.name = options.stt.name;
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void {
    this.#emit = emit;
    if (frame.kind === 'caller-audio') {
      this.#open()?.write(frame.audio.pcm);
      this.#fedSamples += frame.audio.pcm.length;
    }
    emit(frame);
  }

  #open(): SttStream | null {
    if (this.#stream !== null || this.#closed || this.#reopenTimer !== null) return this.#stream;
    const stream: SttStream = this.#options.stt.open({
      onEvent: (event) => this.#onEvent(event),
      onError: (error) => this.#onError(error),
    });
    this.#stream = stream;
    return stream;
  }

  #onEvent(event: SttStreamEvent): void {
    switch (event.type) {
      case 'interim':
        this.#onWords(event.text);
        return;
      case 'final':
        this.#finals = `${this.#finals} ${event.text}`.trim();
        this.#onWords(this.#finals);
        return;
      case 'eagerEnd':
        this.#onWords(event.text);
        this.#utterance?.probably(this.#unspent);
        this.#tell('probably-ended');
        return;
      case 'resumed':
        this.#utterance?.resumed();
        this.#tell('resumed');
        return;
      case 'turnEnd': {
        this.#text = event.text;
        const text = this.#unspent;
        this.#finals = '';
        this.#text = '';
        this.#spentText = '';
        this.#utterance?.ended(text);
        this.#tell('ended', event.text);
        return;
      }
    }
  }

  #onWords(text: string): void {
    this.#text = text;
    this.#utterance?.interim(this.#unspent);
    this.#tell('words');
  }

  get #unspent(): string {
    const spent = this.#spentText;
    return spent !== '' && this.#text.startsWith(spent) ? this.#text.slice(spent.length).trim() : this.#text;
  }

  #tell(event: 'words' | 'probably-ended' | 'resumed' | 'ended', text = this.#text): void {
    this.#emit({ kind: 'stt-turn', event, text, atMs: this.#options.call.clock.now() });
  }

  #onError(cause: Error): void {
    const { call, reopenAfterMs } = this.#options;
    const error = asAntipodeError(cause, 'ERR_SERVICE_FAILED', 'Speech to text broke off.');
    call.log.warn({ err: error, service: this.name, reopenAfterMs }, 'speech to text broke off');
    this.#stream = null;
    this.#finals = '';
    this.#text = '';
    this.#spentText = '';
    const atMs = call.clock.now();
    call.observe({ type: 'service-failed', turn: null, kind: 'stt', service: this.name, code: error.code, atMs });
    this.#utterance?.failed(error);
    this.#reopenTimer = call.clock.setTimeout(() => {
      this.#reopenTimer = null;
    }, reopenAfterMs);
  }

  /** Seconds that were sent since this was last asked. */
  takeFedSeconds(): number {
    const seconds = this.#fedSamples / EAR_SAMPLE_RATE;
    this.#fedSamples = 0;
    return seconds;
  }

  listen(options: SttListenOptions): SttUtterance {
    const utterance: StreamUtterance = new StreamUtterance({
      ...options,
      service: this.name,
      now: () => this.#options.call.clock.now(),
      finalize: () => {
        this.#stream?.finalize();
        return this.#stream !== null;
      },
      takeSeconds: () => this.takeFedSeconds(),
      onClosed: () => {
        // A newer one goes on with the same words; without one they belonged to nothing.
        if (this.#utterance !== utterance) return;
        this.#utterance = null;
        this.#spentText = this.#text;
      },
    });
    this.#utterance = utterance;
    if (this.#unspent !== '') utterance.interim(this.#unspent);
    return utterance;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reopenTimer?.cancel();
    this.#stream?.close();
    const seconds = this.takeFedSeconds();
    const atMs = this.#options.call.clock.now();
    if (seconds === 0) return;
    watchFor(this.#options.call.observe, null).ran(runOf(this.name, atMs, atMs, 'ok', seconds));
  }
}

interface StreamUtteranceOptions extends SttListenOptions {
  service: string;
  now(): number;
  /** Ask the service for the end of its turn; false when there is no stream. */
  finalize(): boolean;
  takeSeconds(): number;
  onClosed(): void;
}

/** Some of the service's turns, as one utterance. */
class StreamUtterance implements SttUtterance {
  readonly #options: StreamUtteranceOptions;
  /** Of the service's turns that ended within it. */
  #ended: string[] = [];
  #current = '';
  /** The service's turn has probably ended with these words. */
  #probable: string | null = null;
  #answer: { resolve(text: string): void; reject(error: unknown): void } | null = null;
  #askedAtMs = 0;
  #closed = false;

  constructor(options: StreamUtteranceOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.close(), { once: true });
  }

  /** The stage feeds the service already. */
  write(): void {}

  interim(text: string): void {
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

  failed(error: unknown): void {
    this.#current = '';
    this.#probable = null;
    this.#report('ERR_SERVICE_FAILED');
    this.#answer?.reject(error);
    this.#answer = null;
  }

  finish(): Promise<{ text: string }> {
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
    this.#report('aborted');
    this.#answer?.reject(this.#options.signal.reason);
    this.#answer = null;
    this.#options.onClosed();
  }
}

function runOf(
  service: string,
  startedAtMs: number,
  endedAtMs: number,
  outcome: 'ok' | 'aborted' | 'ERR_SERVICE_FAILED',
  audioInSeconds: number,
): Parameters<ServiceWatch['ran']>[0] {
  const times = { startedAtMs, firstAtMs: endedAtMs, endedAtMs };
  return { kind: 'stt', service, model: null, region: null, ...times, outcome, usage: { audioInSeconds } };
}
