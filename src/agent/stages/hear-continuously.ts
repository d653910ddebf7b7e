/**
 * Hears all of a call with a service that detects turns itself: a stage that feeds it and passes on what it says of
 * turns, for turn-taking; and a face of it as speech to text by the utterance, for transcribe. A stream that breaks is
 * opened anew after a while, and until then a spare one hears by the utterance. Owns the stream; decides nothing.
 */
import type { Timer } from '../../clock.ts';
import { type AntipodeError, asAntipodeError } from '../../errors.ts';
import type { SttTurnFrame } from '../frames.ts';
import { watchFor } from '../observe/index.ts';
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
import { runOf, StreamUtterance } from './stream-utterance.ts';

export interface HearContinuouslyOptions {
  call: Pick<AgentCall, 'clock' | 'log' | 'observe'>;
  stt: Pick<TurnDetectingStt, 'name' | 'open'>;
  /** Hears each utterance while the stream is broken; the one that was under way is given to it from its beginning. */
  spare?: Stt;
  /** A broken stream is opened anew after this, then after twice as long each time that nothing came of it. */
  reopenAfterMs?: number;
  maxReopenAfterMs?: number;
}

export const HEAR_CONTINUOUSLY_DEFAULTS = { reopenAfterMs: 1_000, maxReopenAfterMs: 60_000 } as const;

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
  readonly #options: HearContinuouslyOptions & { reopenAfterMs: number; maxReopenAfterMs: number };
  #emit: Emit = () => {};
  #stream: SttStream | null = null;
  #reopenTimer: Timer | null = null;
  /** How often in a row the stream broke without a word of it, and why the last time. */
  #breaks = 0;
  #broken: AntipodeError | null = null;
  #closed = false;
  /** The utterance that transcribe listens to; the newest when there are two. */
  #utterance: StreamUtterance | null = null;
  /** Whose words the service was asked for; they are the newest's when that one was given up. */
  #asker: StreamUtterance | null = null;
  /** Words of the service's turn that will not change. */
  #finals = '';
  /** All words of its turn so far. */
  #text = '';
  /** How much of that text an utterance that was given up has had. */
  #spentText = '';
  #fedSamples = 0;
  /** Of the present stream. */
  #streamSamples = 0;

  constructor(options: HearContinuouslyOptions) {
    this.#options = { ...HEAR_CONTINUOUSLY_DEFAULTS, ...options };
    this.name = options.stt.name;
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void {
    this.#emit = emit;
    if (frame.kind === 'caller-audio') {
      const stream = this.#open();
      stream?.write(frame.audio.pcm);
      if (stream !== null) {
        this.#fedSamples += frame.audio.pcm.length;
        this.#streamSamples += frame.audio.pcm.length;
      }
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
    this.#streamSamples = 0;
    return stream;
  }

  #onEvent(event: SttStreamEvent): void {
    this.#breaks = 0;
    this.#broken = null;
    switch (event.type) {
      case 'interim':
        this.#onWords(event.text, event.heardMs);
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
        const asker = event.cause === 'finalize' ? this.#asker : null;
        this.#asker = null;
        (asker ?? this.#utterance)?.ended(text);
        this.#tell(event.cause === 'service' ? 'ended' : 'asked', event.text);
        return;
      }
    }
  }

  #onWords(text: string, heardMs?: number): void {
    this.#text = text;
    this.#utterance?.interim(this.#unspent, heardMs);
    this.#tell('words');
  }

  get #unspent(): string {
    const spent = this.#spentText;
    return spent !== '' && this.#text.startsWith(spent) ? this.#text.slice(spent.length).trim() : this.#text;
  }

  #tell(event: SttTurnFrame['event'], text = this.#text): void {
    this.#emit({ kind: 'stt-turn', event, text, atMs: this.#options.call.clock.now() });
  }

  #onError(cause: Error): void {
    const { call, spare, reopenAfterMs, maxReopenAfterMs } = this.#options;
    const error = asAntipodeError(cause, 'ERR_SERVICE_FAILED', 'Speech to text broke off.');
    const waitMs = Math.min(maxReopenAfterMs, reopenAfterMs * 2 ** this.#breaks);
    // An outage is told once, however often it is looked whether it is over.
    const level = this.#breaks++ === 0 ? 'warn' : 'debug';
    call.log[level]({ err: error, service: this.name, reopenAfterMs: waitMs }, 'speech to text broke off');
    this.#stream = null;
    this.#broken = error;
    this.#finals = '';
    this.#text = '';
    this.#spentText = '';
    const atMs = call.clock.now();
    if (level === 'warn' && spare === undefined) {
      call.observe({ type: 'service-failed', turn: null, kind: 'stt', service: this.name, code: error.code, atMs });
    }
    this.#utterance?.failed(error);
    this.#reopenTimer = call.clock.setTimeout(() => {
      this.#reopenTimer = null;
    }, waitMs);
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
      spare: this.#options.spare ?? null,
      now: () => this.#options.call.clock.now(),
      finalize: () => {
        if (this.#stream === null) return false;
        this.#asker = utterance;
        this.#stream.finalize();
        return true;
      },
      asks: this.#stream?.asks ?? false,
      streamMs: () => (this.#streamSamples * 1_000) / EAR_SAMPLE_RATE,
      takeSeconds: () => this.takeFedSeconds(),
      onClosed: () => {
        if (this.#asker === utterance) this.#asker = null;
        // A newer one goes on with the same words; without one they belonged to nothing.
        if (this.#utterance !== utterance) return;
        this.#utterance = null;
        this.#spentText = this.#text;
      },
    });
    this.#utterance = utterance;
    for (const before of options.insteadOf ?? []) if (before instanceof StreamUtterance) utterance.inherit(before);
    if (this.#broken !== null && this.#stream === null) utterance.failed(this.#broken);
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
