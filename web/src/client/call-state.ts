/**
 * The state of a call as a discriminated union, and how events change it. Pure: who causes the events and what
 * follows from a state is call.ts's work.
 */
import type { SessionEnd } from '../../../src/agent/client-events.ts';
import type { Failure } from './failure.ts';

/** What a join waits for, in the order in which it becomes visible. */
export type JoinStep = 'microphone' | 'session' | 'media';

export type Link = 'up' | 'down';

export type CallState =
  | { name: 'idle' }
  | { name: 'joining'; agent: string; step: JoinStep }
  | { name: 'connected'; agent: string }
  | {
      name: 'reconnecting';
      agent: string;
      signaling: Link;
      media: Link;
      /** Clock milliseconds of the first loss. */
      lostAtMs: number;
      /** Clock milliseconds after which the server holds the call no longer. */
      deadlineMs: number;
      /** Attempts begun since the loss. */
      attempt: number;
    }
  | { name: 'ended'; agent: string; end: SessionEnd }
  | { name: 'failed'; agent: string | null; failure: Failure };

export type CallStateName = CallState['name'];

export type CallStateEvent =
  | { type: 'join-requested'; agent: string }
  | { type: 'join-advanced'; step: JoinStep }
  | { type: 'connected' }
  | { type: 'link-lost'; link: 'signaling' | 'media'; atMs: number; deadlineMs: number }
  | { type: 'link-restored'; link: 'signaling' | 'media' }
  | { type: 'attempt-begun'; attempt: number }
  | { type: 'session-ended'; end: SessionEnd }
  | { type: 'failed'; failure: Failure }
  /** The caller gave up a join that was under way. */
  | { type: 'cancelled' }
  /** The caller has read how the last call ended. */
  | { type: 'dismissed' };

/** The state after `event`; the same object when the event means nothing in this state. */
export function transition(state: CallState, event: CallStateEvent): CallState {
  switch (event.type) {
    case 'join-requested':
      return isLive(state) ? state : { name: 'joining', agent: event.agent, step: 'microphone' };
    case 'join-advanced':
      return state.name === 'joining' && state.step !== event.step ? { ...state, step: event.step } : state;
    case 'connected':
      return state.name === 'joining' ? { name: 'connected', agent: state.agent } : state;
    case 'link-lost':
      return loseLink(state, event);
    case 'link-restored':
      return restoreLink(state, event.link);
    case 'attempt-begun':
      return state.name === 'reconnecting' ? { ...state, attempt: event.attempt } : state;
    case 'session-ended':
      return isLive(state) ? { name: 'ended', agent: state.agent, end: event.end } : state;
    case 'failed':
      if (state.name === 'ended') return state;
      return { name: 'failed', agent: 'agent' in state ? state.agent : null, failure: event.failure };
    case 'cancelled':
      return state.name === 'joining' ? { name: 'idle' } : state;
    case 'dismissed':
      return isLive(state) || state.name === 'idle' ? state : { name: 'idle' };
  }
}

export type LiveCallState = Extract<CallState, { name: 'joining' | 'connected' | 'reconnecting' }>;

/** Whether there is, or is about to be, a session behind the state. */
export function isLive(state: CallState): state is LiveCallState {
  return state.name === 'joining' || state.name === 'connected' || state.name === 'reconnecting';
}

function loseLink(state: CallState, event: Extract<CallStateEvent, { type: 'link-lost' }>): CallState {
  if (state.name === 'reconnecting') return state[event.link] === 'down' ? state : { ...state, [event.link]: 'down' };
  if (state.name !== 'connected') return state;
  return {
    name: 'reconnecting',
    agent: state.agent,
    signaling: event.link === 'signaling' ? 'down' : 'up',
    media: event.link === 'media' ? 'down' : 'up',
    lostAtMs: event.atMs,
    deadlineMs: event.deadlineMs,
    attempt: 0,
  };
}

function restoreLink(state: CallState, link: 'signaling' | 'media'): CallState {
  if (state.name !== 'reconnecting' || state[link] === 'up') return state;
  const next = { ...state, [link]: 'up' as const };
  return next.signaling === 'up' && next.media === 'up' ? { name: 'connected', agent: state.agent } : next;
}
