/**
 * Where a call gets its session from: asked for with what was measured of POPs, and asked again without that when it led
 * astray. One request is rest.ts's; what a session is used for is call.ts's.
 */
import type { CreateSessionAnswer, CreateSessionRequest } from '../../../src/signaling/protocol.ts';
import { asFailure } from './failure.ts';
import type { Probe } from './ping-pops.ts';
import { createSession, type RestOptions } from './rest.ts';

/** A session that somebody else has created for this caller, such as a backend with an API key. */
export interface Invitation {
  signalingUrl: string;
  /** Good once. */
  token: string;
}

export interface SessionSource {
  rest: RestOptions;
  /** Round trips to POPs, as far as they are known; never rejects, never takes long. */
  probesForJoin(): Promise<readonly Probe[]>;
}

/** A request that may be sent on to another POP is asked for again without that after so long. */
const SENT_ON_TIMEOUT_MS = 4_000;
/** Refusals that may be another POP's, to which the request was sent on, or its wires'. */
const SPOILED_BY_PROBES: ReadonlySet<string> = new Set([
  ...['SERVER_UNREACHABLE', 'SERVER_ANSWER', 'ERR_REQUEST_MALFORMED', 'ERR_FORBIDDEN', 'ERR_NOT_FOUND'],
  ...['ERR_SESSION_LIMIT', 'ERR_SHUTTING_DOWN', 'ERR_AGENT_UNKNOWN', 'ERR_UNAUTHORIZED'],
]);

/** A session, by the POP that the server chooses with what was measured; by this page's own POP when that fails. */
export async function requestSession(
  { rest, probesForJoin }: SessionSource,
  wish: CreateSessionRequest,
  signal: AbortSignal,
): Promise<CreateSessionAnswer> {
  const probes = await probesForJoin();
  signal.throwIfAborted();
  if (probes.length === 0) return createSession(rest, wish, signal);
  try {
    const timeoutMs = Math.min(rest.timeoutMs, SENT_ON_TIMEOUT_MS);
    return await createSession({ ...rest, timeoutMs }, { ...wish, probes: [...probes] }, signal);
  } catch (error) {
    if (signal.aborted || !SPOILED_BY_PROBES.has(asFailure(error).code)) throw error;
    return createSession(rest, wish, signal);
  }
}
