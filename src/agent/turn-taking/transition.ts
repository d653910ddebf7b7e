/**
 * Whose turn it is, as a pure state machine: events from voice activity, words, typing, the judges of turn ends and the
 * mouth go in, the next state and what is to be done come out. No clock, no audio, no effects; those are in
 * take-turns.ts.
 */

export type FloorState =
  /** Nobody speaks and nothing is owed. */
  | { readonly floor: 'open' }
  /** The caller's turn: speaking, or in a pause that has not ended it. */
  | { readonly floor: 'caller' }
  /** The agent's turn. */
  | {
      readonly floor: 'agent';
      /** The answer is heard. */
      readonly audible: boolean;
      /** False: the caller has probably finished; the answer is made and held back. */
      readonly certain: boolean;
      /** A sound over the answer that may be an interruption. */
      readonly sound: Sound | null;
    };

export interface Sound {
  /** The agent is paused for it; false once it went on and only the words are awaited. */
  readonly paused: boolean;
  /** Its words were asked for: it has fallen silent. */
  readonly asked: boolean;
}

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
      /** As that, counted from where the voice began to fade; 0 when it is there or back. */
      readonly quietMs: number;
      /** Milliseconds since the caller's turn began. */
      readonly turnMs: number;
    }
  /** What a judge of turn ends says of the caller's turn. */
  | { readonly type: 'verdict'; readonly verdict: EndVerdict }
  /** What was understood of a sound over the answer. */
  | { readonly type: 'words'; readonly meant: boolean; readonly final: boolean }
  /** The answer was prepared from words that the caller did not say. */
  | { readonly type: 'misheard' }
  /** Speech to text has words where voice activity heard no turn begin. */
  | { readonly type: 'unheard-words' }
  /** The caller typed a message. */
  | { readonly type: 'text' }
  /** The agent's turn: its first sound left the mouth. */
  | { readonly type: 'audible' }
  /** The turn is over: its answer has been played, or there was none, or it failed. */
  | { readonly type: 'settled' }
  /** Nobody said anything for long. */
  | { readonly type: 'idle' }
  /** Another core was in the middle of an answer. */
  | { readonly type: 'resumed' }
  /** In a room, somebody else is heard from now on. */
  | { readonly type: 'passed' };

/** `probable`: an answer may be prepared; `certain`: it may be spoken; `going-on`: a probable end was none. */
export type EndVerdict = 'probable' | 'certain' | 'going-on';

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
  /** The agent begins a turn by itself: the caller is asked whether they are there. */
  | 'begin-idle'
  /** The agent goes on with the answer of another core. */
  | 'begin-resumed'
  /** The caller's turn is over; the agent's begins. */
  | 'end-turn'
  /** As `end-turn`, held back until `confirm`. */
  | 'speculate'
  /** The turn that was probably over is. */
  | 'confirm'
  /** Abort the turn under way, of which nothing was heard; its answer is made anew for the same sound. */
  | 'redo'
  /** Fall silent for a sound, and hear it as what may become a turn. */
  | 'pause'
  /** Fall silent for it again. */
  | 'pause-again'
  /** What was said over the answer? */
  | 'ask-words'
  /** It was meant: the tentative turn is the caller's. Comes after `interrupt`, or alone when the answer is over. */
  | 'adopt'
  /** It was not meant: forget the tentative turn. */
  | 'reject'
  /** Go on where the pause began. */
  | 'resume';

export interface TurnTakingOptions {
  /** A caller's turn is ended after this, speech or not. */
  maxTurnMs: number;
  /** Silence that ends the caller's turn whatever its judge says. */
  backstopMs: number;
  /** Prepare the answer on a probable end. */
  speculates: boolean;
  /** Voice of the caller while the answer is made that makes it a part of the turn. */
  continueAfterMs: number;
  /** Whether a caller's voice can cut off the agent; a typed message always can. */
  interruptible: boolean;
  /** Voice over the agent that pauses it. */
  pauseAfterMs: number;
  /** Voice over the agent that is an interruption, words or not; null: only words make one. */
  confirmAfterMs: number | null;
  /** Silence after which the words of a short sound are asked for. */
  askAfterMs: number;
  /** Silence after which the agent goes on, unless words have made the sound an interruption. */
  resumeAfterMs: number;
}

export const TURN_TAKING_DEFAULTS = {
  maxTurnMs: 30_000,
  backstopMs: 3_000,
  speculates: true,
  continueAfterMs: 190, // six windows of 32 ms
  interruptible: true,
  pauseAfterMs: 128,
  confirmAfterMs: 640,
  askAfterMs: 64,
  resumeAfterMs: 160,
} as const satisfies TurnTakingOptions;

export interface Transition {
  readonly state: FloorState;
  readonly actions: readonly FloorAction[];
}

type VoiceEvent = Extract<FloorEvent, { type: 'voice' }>;
type AgentFloor = Extract<FloorState, { floor: 'agent' }>;

const OPEN: FloorState = { floor: 'open' };
const CALLER: FloorState = { floor: 'caller' };
const THINKS: AgentFloor = { floor: 'agent', audible: false, certain: true, sound: null };
const GUESSES: AgentFloor = { floor: 'agent', audible: false, certain: false, sound: null };
const SPEAKS: AgentFloor = { floor: 'agent', audible: true, certain: true, sound: null };

export const INITIAL_FLOOR: FloorState = OPEN;

export function transition(state: FloorState, event: FloorEvent, options: TurnTakingOptions): Transition {
  switch (event.type) {
    case 'call-started':
      return state.floor === 'open' ? to(THINKS, 'begin-call') : to(state);
    case 'idle':
      return state.floor === 'open' ? to(THINKS, 'begin-idle') : to(state);
    case 'resumed':
      return state.floor === 'open' ? to(THINKS, 'begin-resumed') : to(state);
    case 'text':
      if (state.floor === 'open') return to(THINKS, 'begin-text');
      return to(THINKS, ...(soundOf(state) ? (['reject'] as const) : []), 'interrupt', 'begin-text');
    case 'audible':
      return to(state.floor === 'agent' ? { ...state, audible: true, certain: true } : state);
    case 'settled':
      return onSettled(state);
    case 'misheard':
      return state.floor === 'agent' && !state.audible ? to(state, 'redo') : to(state);
    case 'unheard-words':
      return state.floor === 'open' ? to(CALLER, 'begin-speech') : to(state);
    case 'words':
      return onWords(state, event);
    case 'verdict':
      return onVerdict(state, event.verdict, options);
    case 'passed':
      return onPassed(state, options);
    case 'voice':
      return onVoice(state, event, options);
  }
}

/** Whoever spoke is probably done: they lost the floor by their silence, or spoke for very long. */
function onPassed(state: FloorState, options: TurnTakingOptions): Transition {
  if (state.floor === 'caller') return onVerdict(state, options.speculates ? 'probable' : 'certain', options);
  const sound = soundOf(state);
  if (state.floor !== 'agent' || sound === null || sound.asked) return to(state);
  return to({ ...state, sound: { ...sound, asked: true } }, 'ask-words');
}

function onSettled(state: FloorState): Transition {
  const sound = soundOf(state);
  if (sound === null) return to(OPEN);
  // The answer is over anyway: who still speaks has the floor, who has long been silent said nothing to it.
  return sound.paused ? to(CALLER, 'resume', 'adopt') : to(OPEN, 'reject');
}

function onWords(state: FloorState, event: Extract<FloorEvent, { type: 'words' }>): Transition {
  const sound = soundOf(state);
  if (sound === null) return to(state);
  if (event.meant) return to(CALLER, 'interrupt', 'adopt');
  // Words that were asked for before the voice came back are not all of them.
  if (!event.final || !sound.asked) return to(state);
  return to(SPEAKS, 'reject', ...(sound.paused ? (['resume'] as const) : []));
}

function onVerdict(state: FloorState, verdict: EndVerdict, options: TurnTakingOptions): Transition {
  if (state.floor === 'caller') {
    if (verdict === 'certain') return to(THINKS, 'end-turn');
    return verdict === 'probable' && options.speculates ? to(GUESSES, 'speculate') : to(state);
  }
  if (state.floor !== 'agent' || state.certain) return to(state);
  if (verdict === 'certain') return to({ ...state, certain: true }, 'confirm');
  return verdict === 'going-on' ? to(CALLER, 'continue', 'begin-speech') : to(state);
}

function onVoice(state: FloorState, event: VoiceEvent, options: TurnTakingOptions): Transition {
  const voiced = event.speaking && event.silentMs === 0;
  switch (state.floor) {
    case 'open':
      return event.speaking ? to(CALLER, 'begin-speech') : to(state);
    case 'caller': {
      const over = event.silentMs >= options.backstopMs || event.turnMs >= options.maxTurnMs;
      return over ? to(THINKS, 'end-turn') : to(state);
    }
    case 'agent':
      if (!state.certain) {
        // A voice that only fades is the end of what was probably the end.
        if (event.speaking && event.quietMs === 0) return to(CALLER, 'continue', 'begin-speech');
        return event.silentMs >= options.backstopMs ? to({ ...state, certain: true }, 'confirm') : to(state);
      }
      if (!state.audible) {
        return voiced && event.voicedMs >= options.continueAfterMs ? to(CALLER, 'continue', 'begin-speech') : to(state);
      }
      return options.interruptible ? onVoiceOver(state, event, voiced, options) : to(state);
  }
}

/** Voice while the agent is heard. */
function onVoiceOver(state: AgentFloor, event: VoiceEvent, voiced: boolean, options: TurnTakingOptions): Transition {
  const { sound } = state;
  if (voiced && event.voicedMs >= options.pauseAfterMs) {
    const meant = options.confirmAfterMs !== null && event.voicedMs >= options.confirmAfterMs;
    if (sound === null) {
      return meant
        ? to(CALLER, 'interrupt', 'begin-speech')
        : to({ ...state, sound: { paused: true, asked: false } }, 'pause');
    }
    if (meant) return to(CALLER, 'interrupt', 'adopt');
    return to({ ...state, sound: { paused: true, asked: false } }, ...(sound.paused ? [] : (['pause-again'] as const)));
  }
  if (sound === null || voiced) return to(state);
  const asks = !sound.asked && event.silentMs >= options.askAfterMs;
  const resumes = sound.paused && event.silentMs >= options.resumeAfterMs;
  return to(
    { ...state, sound: { paused: sound.paused && !resumes, asked: sound.asked || asks } },
    ...(asks ? (['ask-words'] as const) : []),
    ...(resumes ? (['resume'] as const) : []),
  );
}

function soundOf(state: FloorState): Sound | null {
  return state.floor === 'agent' ? state.sound : null;
}

function to(state: FloorState, ...actions: FloorAction[]): Transition {
  return { state, actions };
}
