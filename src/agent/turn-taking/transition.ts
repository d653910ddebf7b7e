/**
 * Whose turn it is, as a pure state machine: events from voice activity, typing and the mouth go in, the next state
 * and what is to be done come out. No clock, no audio, no effects; those are in take-turns.ts.
 */

export type FloorState =
  /** Nobody speaks and nothing is owed. */
  | { readonly floor: 'open' }
  /** The caller's turn: speaking, or in a pause that has not ended it. */
  | { readonly floor: 'caller' }
  /** The agent's turn: the answer is made, or heard. */
  | { readonly floor: 'agent'; readonly audible: boolean };

export type FloorEvent =
  | { readonly type: 'call-started' }
  /** After each window of voice activity. */
  | {
      readonly type: 'voice';
      readonly speaking: boolean;
      /** Voiced milliseconds of the current stretch of speech. */
      readonly voicedMs: number;
      /** Milliseconds since the last voiced sound. */
      readonly silentMs: number;
      /** Milliseconds since the caller's turn began. */
      readonly turnMs: number;
    }
  /** The caller typed a message. */
  | { readonly type: 'text' }
  /** The agent's turn: its first sound left the mouth. */
  | { readonly type: 'audible' }
  /** The turn is over: its answer has been played, or there was none, or it failed. */
  | { readonly type: 'settled' };

export type FloorAction =
  /** Abort the turn under way: its answer is cut off. */
  | 'interrupt'
  /** Abort the turn under way, of which nothing was heard; the next turn holds its words too. */
  | 'continue'
  /** The caller begins a turn by voice. */
  | 'begin-speech'
  /** A typed message begins a turn that is the agent's at once. */
  | 'begin-text'
  /** The agent begins a turn by itself: the greeting. */
  | 'begin-call'
  /** The caller's turn is over; the agent's begins. */
  | 'end-turn';

export interface TurnTakingOptions {
  /** Silence that ends the caller's turn. */
  endSilenceMs: number;
  /** Voice of the caller over the agent that silences the agent. */
  bargeInMs: number;
  /** A caller's turn is ended after this, speech or not. */
  maxTurnMs: number;
}

export const TURN_TAKING_DEFAULTS = {
  endSilenceMs: 500,
  bargeInMs: 190, // six windows of 32 ms
  maxTurnMs: 30_000,
} as const satisfies TurnTakingOptions;

export interface Transition {
  readonly state: FloorState;
  readonly actions: readonly FloorAction[];
}

const OPEN: FloorState = { floor: 'open' };
const CALLER: FloorState = { floor: 'caller' };
const AGENT_THINKS: FloorState = { floor: 'agent', audible: false };
const AGENT_SPEAKS: FloorState = { floor: 'agent', audible: true };

export const INITIAL_FLOOR: FloorState = OPEN;

export function transition(state: FloorState, event: FloorEvent, options: TurnTakingOptions): Transition {
  switch (event.type) {
    case 'call-started':
      return state.floor === 'open' ? to(AGENT_THINKS, 'begin-call') : to(state);
    case 'text':
      return state.floor === 'open' ? to(AGENT_THINKS, 'begin-text') : to(AGENT_THINKS, 'interrupt', 'begin-text');
    case 'audible':
      return to(state.floor === 'agent' ? AGENT_SPEAKS : state);
    case 'settled':
      return to(OPEN);
    case 'voice':
      return onVoice(state, event, options);
  }
}

function onVoice(
  state: FloorState,
  event: Extract<FloorEvent, { type: 'voice' }>,
  options: TurnTakingOptions,
): Transition {
  switch (state.floor) {
    case 'open':
      return event.speaking ? to(CALLER, 'begin-speech') : to(state);
    case 'caller': {
      const over = event.silentMs >= options.endSilenceMs || event.turnMs >= options.maxTurnMs;
      return over ? to(AGENT_THINKS, 'end-turn') : to(state);
    }
    case 'agent':
      if (!event.speaking || event.voicedMs < options.bargeInMs) return to(state);
      return to(CALLER, state.audible ? 'interrupt' : 'continue', 'begin-speech');
  }
}

function to(state: FloorState, ...actions: FloorAction[]): Transition {
  return { state, actions };
}
