/**
 * The life of one signaling socket as a pure state machine: what may be asked when, and what a wrong word costs. Owns
 * no socket, no timer and no session; socket.ts carries out the effects in their order.
 */
import type { ErrorCode } from '../errors.ts';
import { CLOSE_CODES, type SignalingMethod } from './protocol.ts';

/** Wrong words that a joined socket survives within STRIKE_WINDOW_MS of each other. */
export const MAX_STRIKES = 10;
/** A socket that behaved for this long has its strikes forgotten. */
export const STRIKE_WINDOW_MS = 30_000;

export interface Strikes {
  readonly count: number;
  readonly lastAtMs: number;
}

export type SocketState =
  /** Nothing but join or resume is taken. */
  | { readonly phase: 'fresh' }
  /** A join or resume is under way. */
  | { readonly phase: 'entering' }
  /** The socket speaks for its session. */
  | { readonly phase: 'open'; readonly strikes: Strikes }
  | { readonly phase: 'closed' };

export type SocketInput =
  | { readonly type: 'request'; readonly method: SignalingMethod; readonly atMs: number }
  /** A frame that is no valid request. */
  | { readonly type: 'bad-frame'; readonly code: ErrorCode; readonly atMs: number }
  | { readonly type: 'entered' }
  /** The join or resume failed; `final` when trying again with the same token can't help. */
  | { readonly type: 'refused'; readonly code: ErrorCode; readonly final: boolean }
  | { readonly type: 'join-timeout' }
  | { readonly type: 'flood' }
  | { readonly type: 'superseded' }
  | { readonly type: 'ended'; readonly shuttingDown: boolean }
  | { readonly type: 'closed' };

export type SocketEffect =
  /** Begin the join or resume that came in. */
  | { readonly type: 'enter' }
  /** Carry out the request that came in. */
  | { readonly type: 'handle' }
  /** Answer what came in with an error: this code, or its own when null. */
  | { readonly type: 'refuse'; readonly code: ErrorCode | null }
  /** Give the client the time to join once more. */
  | { readonly type: 'await-join' }
  | { readonly type: 'close'; readonly closeCode: number };

export interface Step {
  readonly state: SocketState;
  readonly effects: readonly SocketEffect[];
}

export const FRESH_SOCKET: SocketState = { phase: 'fresh' };

export function transition(state: SocketState, input: SocketInput): Step {
  if (state.phase === 'closed') return { state, effects: [] };
  switch (input.type) {
    case 'closed':
      return { state: { phase: 'closed' }, effects: [] };
    case 'flood':
      return closing(CLOSE_CODES.flood, { type: 'refuse', code: 'ERR_PROTOCOL_FLOOD' });
    case 'superseded':
      return closing(CLOSE_CODES.superseded);
    case 'ended':
      return closing(input.shuttingDown ? CLOSE_CODES.shuttingDown : CLOSE_CODES.sessionEnded);
    case 'join-timeout':
      if (state.phase !== 'fresh') return { state, effects: [] };
      return closing(CLOSE_CODES.joinTimeout, { type: 'refuse', code: 'ERR_PROTOCOL_JOIN_TIMEOUT' });
    case 'request':
      return onRequest(state, input.method, input.atMs);
    case 'bad-frame':
      if (state.phase !== 'open') return closing(CLOSE_CODES.protocolError, { type: 'refuse', code: null });
      return strike(state.strikes, input.atMs, { type: 'refuse', code: null });
    case 'entered':
      if (state.phase !== 'entering') return { state, effects: [] };
      return { state: { phase: 'open', strikes: { count: 0, lastAtMs: 0 } }, effects: [] };
    case 'refused':
      if (state.phase !== 'entering') return { state, effects: [] };
      if (!input.final) {
        return { state: FRESH_SOCKET, effects: [{ type: 'refuse', code: null }, { type: 'await-join' }] };
      }
      return closing(refusalCloseCode(input.code), { type: 'refuse', code: null });
  }
}

function onRequest(state: Exclude<SocketState, { phase: 'closed' }>, method: SignalingMethod, atMs: number): Step {
  const enters = method === 'join' || method === 'resume';
  if (state.phase === 'fresh' && enters) return { state: { phase: 'entering' }, effects: [{ type: 'enter' }] };
  if (state.phase !== 'open') {
    return closing(CLOSE_CODES.protocolError, { type: 'refuse', code: 'ERR_PROTOCOL_ORDER' });
  }
  if (enters) return strike(state.strikes, atMs, { type: 'refuse', code: 'ERR_PROTOCOL_ORDER' });
  return { state, effects: [{ type: 'handle' }] };
}

function strike(strikes: Strikes, atMs: number, effect: SocketEffect): Step {
  const count = (atMs - strikes.lastAtMs > STRIKE_WINDOW_MS ? 0 : strikes.count) + 1;
  if (count > MAX_STRIKES) return closing(CLOSE_CODES.protocolError, effect);
  return { state: { phase: 'open', strikes: { count, lastAtMs: atMs } }, effects: [effect] };
}

function closing(closeCode: number, ...before: SocketEffect[]): Step {
  return { state: { phase: 'closed' }, effects: [...before, { type: 'close', closeCode }] };
}

function refusalCloseCode(code: ErrorCode): number {
  if (code.startsWith('ERR_TOKEN_')) return CLOSE_CODES.unauthorized;
  if (code.startsWith('ERR_PROTOCOL_')) return CLOSE_CODES.protocolError;
  return CLOSE_CODES.sessionEnded;
}
