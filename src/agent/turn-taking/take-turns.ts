/**
 * The stage that drives the turn-taking machine: it opens, ends and aborts turns, tells the client whose turn it is,
 * and passes every frame on. Owns the current turn; recognizes and says nothing.
 */
import type { Clock, Timer } from '../../clock.ts';
import type { AgentState } from '../client-events.ts';
import type { VoiceFrame } from '../frames.ts';
import type { Emit, Stage } from '../stage.ts';
import { Turn, type TurnAbortReason, type TurnCause } from '../turn.ts';
import { type AgentCall, EAR_SAMPLE_RATE } from '../types.ts';
import {
  type FloorAction,
  type FloorEvent,
  type FloorState,
  INITIAL_FLOOR,
  TURN_TAKING_DEFAULTS,
  type TurnTakingOptions,
  transition,
} from './transition.ts';

export interface TakeTurnsOptions extends Partial<TurnTakingOptions> {
  call: Pick<AgentCall, 'send' | 'clock' | 'log' | 'observe'>;
  /** The agent speaks first. */
  greets?: boolean;
}

export function takeTurns(options: TakeTurnsOptions): Stage {
  return new TakeTurns(options);
}

/** An ear that gives nothing for this much longer than the silence that ends a turn counts as silence. */
const STALLED_EAR_MARGIN_MS = 300;

class TakeTurns implements Stage {
  readonly name = 'take-turns';
  readonly #options: TakeTurnsOptions & TurnTakingOptions;
  readonly #clock: Clock;
  #floor: FloorState = INITIAL_FLOOR;
  #turn: Turn | null = null;
  #nextNumber = 0;
  #emit: Emit = () => {};
  #voice: VoiceFrame | null = null;
  #shown: AgentState = 'starting';
  #callerSpeaking = false;
  /** Where the caller's turn began, and what it holds. */
  #turnStart = 0;
  #turnVoicedMs = 0;
  #turnText: string | null = null;
  /** A stretch of speech that was cut by maxTurnMs must not interrupt the answer to itself. */
  #spentSegment = 0;
  #stallTimer: Timer | null = null;

  constructor(options: TakeTurnsOptions) {
    this.#options = { ...TURN_TAKING_DEFAULTS, ...options };
    this.#clock = options.call.clock;
  }

  process(...[frame, emit]: Parameters<Stage['process']>): void {
    this.#emit = emit;
    switch (frame.kind) {
      case 'call-started':
        emit(frame);
        if (this.#options.greets ?? true) this.#step({ type: 'call-started' }, frame.atMs);
        else this.#show();
        return;
      case 'caller-text':
        this.#turnText = frame.text;
        this.#step({ type: 'text' }, frame.atMs);
        return;
      case 'voice':
        this.#onVoice(frame);
        emit(frame);
        return;
      default:
        emit(frame);
    }
  }

  #onVoice(frame: VoiceFrame): void {
    const before = this.#voice?.position ?? 0;
    this.#voice = frame;
    if (frame.speaking !== this.#callerSpeaking) {
      this.#callerSpeaking = frame.speaking;
      this.#options.call.send({ type: 'caller-speaking', speaking: frame.speaking });
    }
    const turn = this.#floor.floor === 'caller' ? this.#turn : null;
    if (turn !== null && frame.silentMs === 0) {
      turn.marks.lastSoundAtMs = frame.receivedAtMs;
      this.#turnVoicedMs += ((frame.position - before) * 1_000) / EAR_SAMPLE_RATE;
    }
    const spent = frame.segment === this.#spentSegment;
    this.#step(
      {
        type: 'voice',
        speaking: frame.speaking && !spent,
        voicedMs: frame.voicedMs,
        silentMs: frame.silentMs,
        turnMs: turn === null ? 0 : ((frame.position - this.#turnStart) * 1_000) / EAR_SAMPLE_RATE,
      },
      frame.receivedAtMs,
    );
    this.#watchEar(frame);
  }

  /** With discontinuous transmission an ear may stall in the caller's silence; time ends the turn then. */
  #watchEar(frame: VoiceFrame): void {
    this.#stallTimer?.cancel();
    this.#stallTimer = null;
    if (this.#floor.floor !== 'caller') return;
    const waitMs = this.#options.endSilenceMs - frame.silentMs + STALLED_EAR_MARGIN_MS;
    this.#stallTimer = this.#clock.setTimeout(() => {
      const silentMs = this.#options.endSilenceMs;
      this.#step({ type: 'voice', speaking: false, voicedMs: 0, silentMs, turnMs: 0 }, this.#clock.now());
    }, waitMs);
  }

  #step(event: FloorEvent, atMs: number): void {
    const { state, actions } = transition(this.#floor, event, this.#options);
    this.#floor = state;
    for (const action of actions) this.#act(action, atMs);
    this.#show();
  }

  #act(action: FloorAction, atMs: number): void {
    switch (action) {
      case 'interrupt':
        this.#abort('interrupted');
        return;
      case 'continue':
        this.#abort('continued');
        return;
      case 'begin-call':
        this.#begin('call', null, atMs);
        this.#end(null);
        return;
      case 'begin-text':
        this.#begin('text', null, atMs);
        this.#end(this.#turnText);
        this.#turnText = null;
        return;
      case 'begin-speech':
        this.#turnStart = this.#voice?.segmentStart ?? 0;
        this.#turnVoicedMs = this.#voice?.voicedMs ?? 0;
        this.#begin('speech', this.#turnStart, atMs);
        return;
      case 'end-turn':
        if (this.#voice?.speaking) this.#spentSegment = this.#voice.segment;
        this.#end(null);
        return;
    }
  }

  #abort(reason: TurnAbortReason): void {
    const turn = this.#turn;
    if (turn === null) return;
    if (turn.marks.audibleAtMs !== null) {
      const atMs = this.#clock.now();
      const soundAtMs = this.#voice?.receivedAtMs ?? atMs;
      this.#options.call.observe({ type: 'interruption', turn: turn.number, outcome: 'confirmed', soundAtMs, atMs });
    }
    turn.abort(reason);
  }

  #begin(cause: TurnCause, position: number | null, atMs: number): void {
    const before = this.#turn;
    const continues = cause === 'speech' && before?.signal.reason === 'continued' ? before : null;
    const turn = new Turn(this.#nextNumber++, cause, continues);
    turn.marks.lastSoundAtMs = atMs;
    turn.onAudible(() => this.#ifCurrent(turn, { type: 'audible' }));
    turn.onSettled(() => this.#ifCurrent(turn, { type: 'settled' }));
    this.#turn = turn;
    this.#emit({ kind: 'turn-started', turn, position });
  }

  #end(text: string | null): void {
    const turn = this.#turn;
    if (turn === null) return;
    turn.marks.endedAtMs = this.#clock.now();
    this.#emit({ kind: 'turn-ended', turn, text, voicedMs: turn.cause === 'speech' ? this.#turnVoicedMs : 0 });
  }

  /** What a turn reports of itself counts only while it is the current one and was not aborted by us. */
  #ifCurrent(turn: Turn, event: FloorEvent): void {
    if (this.#turn !== turn || this.#interrupting(turn)) return;
    this.#step(event, this.#clock.now());
  }

  #interrupting(turn: Turn): boolean {
    const reason: TurnAbortReason | undefined = turn.signal.reason;
    return reason === 'interrupted' || reason === 'continued' || reason === 'closed';
  }

  #show(): void {
    const state: AgentState =
      this.#floor.floor !== 'agent' ? 'listening' : this.#floor.audible ? 'speaking' : 'thinking';
    if (state === this.#shown) return;
    this.#shown = state;
    this.#options.call.send({ type: 'agent-state', state });
  }

  close(): void {
    this.#stallTimer?.cancel();
    this.#stallTimer = null;
    this.#turn?.abort('closed');
  }
}
