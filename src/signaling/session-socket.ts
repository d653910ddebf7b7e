/** The socket that speaks for a session, as the session sees it; socket.ts implements it on a WebSocket. */
import type { SessionEnd } from '../agent/client-events.ts';
import type { JoinAnswer, SignalingEventData, SignalingEventName } from './protocol.ts';

export interface SessionSocket {
  /** Of the client, as limits count it. */
  readonly addressKey: string;
  /** Sends the answer to its join or resume; false when the socket has gone meanwhile. */
  enter(answer: JoinAnswer): boolean;
  sendEvent<E extends SignalingEventName>(event: E, data: SignalingEventData<E>): void;
  /** Sends a frame of the backlog. */
  sendEntry(seq: number, text: string): void;
  /** Another socket took the session over. */
  supersede(): void;
  /** The session is over: says so and closes. */
  finish(end: SessionEnd, shuttingDown: boolean): void;
}
