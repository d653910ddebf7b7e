/**
 * When the agent is silenced at the POP and when it goes on, as a pure state machine: the caller's loudness, the core's
 * answers and time go in, the next state and what is to be done come out. No clock, no packets; those are in reflex.ts.
 */

export type ReflexState =
  /** The agent is heard, or silent by itself. `loudMs`: how much loud sound has come lately. */
  | { readonly phase: 'listening'; readonly loudMs: number }
  /** The agent is held for a sound. */
  | ({ readonly phase: 'ducked' } & OpenDuck)
  /** The sound ended soon and the agent goes on; what the core says of it is still to come. */
  | ({ readonly phase: 'resumed'; readonly loudMs: number } & OpenDuck);

interface OpenDuck {
  /** Number of the duck within the call, from 1. */
  readonly duck: number;
  readonly sinceMs: number;
  /** Last loud packet. */
  readonly lastLoudAtMs: number;
  /** Without a word of the core the agent goes on then. */
  readonly untilMs: number;
}

/**
 * What became of a duck; `superseded`: the next sound came before the core had said anything of this one; `ended`: the
 * call was over first.
 */
export type ReflexOutcome = 'confirmed' | 'rejected' | 'timed_out' | 'superseded' | 'ended';

export type ReflexEvent =
  /** A packet of the caller. `mayDuck`: the agent is heard, and may be held. `next`: number of a duck that it begins. */
  | {
      readonly type: 'packet';
      readonly loud: boolean;
      readonly durationMs: number;
      readonly nowMs: number;
      readonly mayDuck: boolean;
      readonly next: number;
      /** How long the core may take to answer, the way there and back included. */
      readonly answerWithinMs: number;
    }
  | { readonly type: 'time'; readonly nowMs: number }
  /** What the core says of duck `duck`. */
  | {
      readonly type: 'answer';
      readonly duck: number;
      readonly verdict: 'pending' | 'rejected';
      readonly nowMs: number;
    }
  /** The core flushed the agent's voice: the caller interrupts. */
  | { readonly type: 'flushed' };

export type ReflexAction =
  /** Hold the agent's voice from now on. */
  | { readonly do: 'duck' }
  /** Go on where it was held. */
  | { readonly do: 'resume' }
  /** Once for each duck. */
  | { readonly do: 'settle'; readonly outcome: ReflexOutcome };

export interface ReflexTiming {
  /** Loud sound that ducks the agent. */
  onsetMs: number;
  /** A sound at most this long is over after `resumeAfterMs` of quiet, whatever the core says later. */
  shortSoundMs: number;
  /** Null: only the core's word, or its silence, ends a duck. */
  resumeAfterMs: number | null;
}

/** Once the core has said that it heard a voice and decides, it may take this long. */
const DECISION_WITHIN_MS = 5_000;

export const LISTENING: ReflexState = { phase: 'listening', loudMs: 0 };

export interface ReflexTransition {
  readonly state: ReflexState;
  readonly actions: readonly ReflexAction[];
}

const NOTHING: readonly ReflexAction[] = [];

export function transition(state: ReflexState, event: ReflexEvent, timing: ReflexTiming): ReflexTransition {
  switch (event.type) {
    case 'packet':
      return onPacket(state, event, timing);
    case 'time':
      return onTime(state, event.nowMs, timing);
    case 'answer':
      return onAnswer(state, event);
    case 'flushed':
      return state.phase === 'listening' ? to(LISTENING) : over(state, 'confirmed');
  }
}

/** When `time` must be told next, or null. */
export function nextTime(state: ReflexState, timing: ReflexTiming): number | null {
  if (state.phase === 'listening') return null;
  return Math.min(state.untilMs, quietEnough(state, timing));
}

type PacketEvent = Extract<ReflexEvent, { type: 'packet' }>;

function onPacket(state: ReflexState, event: PacketEvent, timing: ReflexTiming): ReflexTransition {
  if (state.phase === 'ducked') {
    return onTime(event.loud ? { ...state, lastLoudAtMs: event.nowMs } : state, event.nowMs, timing);
  }
  const timed = onTime(state, event.nowMs, timing);
  const before = timed.state;
  if (before.phase === 'ducked') return timed;
  const loudMs = loudAfter(before.loudMs, event);
  if (loudMs < timing.onsetMs) {
    const rests = before.phase === 'listening' && loudMs === 0;
    return to(rests ? LISTENING : { ...before, loudMs }, ...timed.actions);
  }
  const ducked: ReflexState = {
    phase: 'ducked',
    duck: event.next,
    sinceMs: event.nowMs,
    lastLoudAtMs: event.nowMs,
    untilMs: event.nowMs + event.answerWithinMs,
  };
  const superseded: ReflexAction[] = before.phase === 'resumed' ? [{ do: 'settle', outcome: 'superseded' }] : [];
  return to(ducked, ...timed.actions, ...superseded, { do: 'duck' });
}

/** Loud sound counts up and quiet counts down, so that a gap within a word does not begin it anew. */
function loudAfter(loudMs: number, { loud, durationMs, mayDuck }: PacketEvent): number {
  if (!mayDuck) return 0;
  return loud ? loudMs + durationMs : Math.max(0, loudMs - durationMs);
}

function onTime(state: ReflexState, nowMs: number, timing: ReflexTiming): ReflexTransition {
  if (state.phase === 'listening') return to(state);
  if (nowMs >= state.untilMs) return over(state, 'timed_out');
  if (nowMs < quietEnough(state, timing)) return to(state);
  return to({ ...state, phase: 'resumed', loudMs: 0 }, { do: 'resume' });
}

function onAnswer(state: ReflexState, event: Extract<ReflexEvent, { type: 'answer' }>): ReflexTransition {
  if (state.phase === 'listening' || state.duck !== event.duck) return to(state);
  if (event.verdict === 'rejected') return over(state, 'rejected');
  return to({ ...state, untilMs: event.nowMs + DECISION_WITHIN_MS });
}

/** When a held agent goes on because the sound was short and is over; never for a longer one. */
function quietEnough(state: Exclude<ReflexState, { phase: 'listening' }>, timing: ReflexTiming): number {
  const { onsetMs, shortSoundMs, resumeAfterMs } = timing;
  const isShort = state.lastLoudAtMs - state.sinceMs + onsetMs <= shortSoundMs;
  if (state.phase === 'resumed' || resumeAfterMs === null || !isShort) return Number.POSITIVE_INFINITY;
  return state.lastLoudAtMs + resumeAfterMs;
}

function over(state: ReflexState, outcome: ReflexOutcome): ReflexTransition {
  const resume: ReflexAction[] = state.phase === 'ducked' ? [{ do: 'resume' }] : [];
  return to(LISTENING, ...resume, { do: 'settle', outcome });
}

function to(state: ReflexState, ...actions: ReflexAction[]): ReflexTransition {
  return { state, actions: actions.length === 0 ? NOTHING : actions };
}
