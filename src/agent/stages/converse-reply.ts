/**
 * One answer on its way from a speech-to-speech service to the caller: its sound into the mouth, its words as far as they
 * are heard to the client, its end to the turn. Nothing of it is heard before its turn is certain. Knows no service.
 */
import type { Timer } from '../../clock.ts';
import type { SessionEnd } from '../client-events.ts';
import { type Turn, type TurnAbortReason, timelineOf } from '../turn.ts';
import type { AgentCall } from '../types.ts';
import { ConverseWords, type ServiceHeard } from './converse-words.ts';

export interface ConverseReplyOptions {
  call: Pick<AgentCall, 'mouth' | 'send' | 'clock' | 'log' | 'backboneRttMs' | 'observe'>;
  turn: Turn;
  /** A mouth that has not told the end of an answer by this long after its time has lost it. */
  endMarginMs: number;
  /** What was heard, once; the answer is over. */
  onHeard(text: string, interrupted: boolean): void;
  /** The turn was aborted before the answer was over: what of the service's was heard. */
  onCut(heard: ServiceHeard): void;
  /** It was played to its end, or there was nothing to play. */
  onPlayed(reply: ConverseReply): void;
}

interface Sound {
  readonly pcm: Int16Array;
  readonly sampleRate: number;
}

export class ConverseReply {
  readonly turn: Turn;
  readonly words = new ConverseWords();
  /** End the call when it has been played: how. */
  end: SessionEnd | null = null;
  readonly #options: ConverseReplyOptions;
  #held: Sound[] | null;
  #utterance: number | null = null;
  #shown = '';
  /** All of it was given to the mouth. */
  #isWhole = false;
  #isOver = false;
  #endTimer: Timer | null = null;

  constructor(options: ConverseReplyOptions) {
    this.#options = options;
    this.turn = options.turn;
    this.#held = this.turn.certain ? null : [];
    this.turn.onCertain(() => this.#release());
    this.turn.onSettled(() => this.#onSettled());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Something of it was given to be played. */
  get sounds(): boolean {
    return this.#utterance !== null || (this.#held?.length ?? 0) > 0;
  }

  get utterance(): number | null {
    return this.#utterance;
  }

  serviceText(text: string): void {
    if (this.#isOver) return;
    this.turn.marks.repliedAtMs ??= this.#options.call.clock.now();
    this.words.serviceText(text);
  }

  serviceSound(pcm: Int16Array, sampleRate: number): void {
    if (this.#isOver) return;
    this.words.serviceSound((pcm.length * 1_000) / sampleRate);
    this.#write(pcm, sampleRate);
  }

  ownSound(pcm: Int16Array, sampleRate: number): void {
    if (this.#isOver) return;
    this.words.ownSound((pcm.length * 1_000) / sampleRate);
    this.#write(pcm, sampleRate);
  }

  #write(pcm: Int16Array, sampleRate: number): void {
    const { call } = this.#options;
    this.turn.marks.repliedAtMs ??= call.clock.now();
    this.turn.marks.synthesizedAtMs ??= call.clock.now();
    if (this.#held !== null) {
      this.#held.push({ pcm, sampleRate });
      return;
    }
    this.#utterance ??= call.mouth.open();
    call.mouth.write(this.#utterance, pcm, sampleRate);
  }

  #release(): void {
    const held = this.#held;
    this.#held = null;
    if (held === null || this.#isOver) return;
    for (const { pcm, sampleRate } of held) this.#write(pcm, sampleRate);
    if (this.#isWhole) this.#finish();
  }

  /** Nothing more will come. */
  finish(): void {
    if (this.#isOver || this.#isWhole) return;
    this.#isWhole = true;
    this.words.serviceEnded();
    if (this.#held === null) this.#finish();
  }

  #finish(): void {
    const { call, endMarginMs } = this.#options;
    if (this.#utterance === null) {
      this.#conclude(null);
      return;
    }
    this.#endTimer = call.clock.setTimeout(() => {
      call.log.warn({ turn: this.turn.number }, 'the mouth did not tell the end of a reply');
      this.#conclude(null);
    }, call.mouth.bufferedMs + endMarginMs);
    call.mouth.finish(this.#utterance);
  }

  /** Its first packet left the mouth. */
  started(atMs: number): void {
    const { call } = this.#options;
    this.turn.markAudible(atMs);
    this.#show(this.words.begunAt(0), false);
    const timeline = timelineOf(this.turn, call.backboneRttMs(), false);
    if (timeline === null) return;
    call.observe({ type: 'turn-audible', turn: this.turn.number, atMs, timeline });
    call.send({ type: 'turn', timeline });
  }

  progressed(playedMs: number): void {
    this.#show(this.words.begunAt(playedMs), false);
  }

  /** The mouth is done with it; `playedMs` is set when somebody else cut it there. */
  ended(playedMs: number | null): void {
    this.#conclude(playedMs);
  }

  /** The turn was cut off: silence now, and keep what was heard. */
  #onSettled(): void {
    const reason: TurnAbortReason | undefined = this.turn.signal.reason;
    if (this.#isOver || reason === undefined) return;
    this.close();
    if (reason === 'closed') return;
    const playedMs = this.#silence();
    this.#options.onCut(this.words.serviceHeardAt(playedMs));
    this.#record(this.words.heardAt(playedMs), true);
  }

  #silence(): number {
    const utterance = this.#utterance;
    if (utterance === null) return 0;
    const { mouth } = this.#options.call;
    const heard = mouth.flush().find((each) => each.utterance === utterance) ?? mouth.heard(utterance);
    return heard.playedMs;
  }

  #conclude(playedMs: number | null): void {
    if (this.#isOver) return;
    this.close();
    if (playedMs !== null) {
      this.end = null;
      this.#options.onCut(this.words.serviceHeardAt(playedMs));
    }
    this.#record(playedMs === null ? this.words.text : this.words.heardAt(playedMs), playedMs !== null);
    this.turn.finish();
    this.#options.onPlayed(this);
  }

  #record(text: string, interrupted: boolean): void {
    const { call, onHeard } = this.#options;
    onHeard(text, interrupted);
    if (text !== '' || this.#shown !== '') this.#show(text, true, interrupted);
    const timeline = interrupted ? timelineOf(this.turn, call.backboneRttMs(), true) : null;
    if (timeline !== null) call.send({ type: 'turn', timeline });
  }

  #show(text: string, final: boolean, interrupted?: boolean): void {
    if (!final && (text === '' || text === this.#shown)) return;
    this.#shown = text;
    const { number: turn } = this.turn;
    const event = { type: 'transcript', id: `a${turn}`, turn, role: 'agent', text, final } as const;
    this.#options.call.send(interrupted === undefined ? event : { ...event, interrupted });
  }

  /** Let go of it as it is. Idempotent. */
  close(): void {
    this.#isOver = true;
    this.#endTimer?.cancel();
    this.#held = null;
  }
}
