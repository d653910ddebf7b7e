/** What a core does with what POPs say: the interface that the control server calls. Owns no behavior. */
import type {
  CoreEventData,
  CoreEventName,
  PopEventData,
  PopEventName,
  PopRequestAnswer,
  PopRequestData,
  PopRequestMethod,
} from './protocol.ts';

/** Requests that reach the handlers; `hello` is answered by the control server itself. */
export type HandledPopRequestMethod = Exclude<PopRequestMethod, 'hello'>;

/** One POP that is connected, as the core sees it. One object per connection: a POP that comes back is a new one. */
export interface PopPeer {
  readonly nodeId: string;
  readonly region: string;
  /** Smoothed round trip on the control channel, or null before the first heartbeat came back. */
  rttMs(): number | null;
  /** Dropped and counted when the connection is gone: `peerClosed` tells. */
  send<E extends CoreEventName>(event: E, data: CoreEventData<E>): void;
  /** Ends the connection; the POP may dial again. */
  close(reason: string): void;
}

/**
 * Calls come in the order in which the POP sent its frames: a request's handler is started before a later frame's, and
 * may finish after it. Nothing comes before `peerOpened` or after `peerClosed`.
 */
export interface CoreHandlers {
  /** What it throws goes to the POP: an AntipodeError with its code, anything else as ERR_INTERNAL. */
  request<M extends HandledPopRequestMethod>(
    peer: PopPeer,
    method: M,
    data: PopRequestData<M>,
  ): Promise<PopRequestAnswer<M>>;
  event<E extends PopEventName>(peer: PopPeer, event: E, data: PopEventData<E>): void;
  peerOpened(peer: PopPeer): void;
  peerClosed(peer: PopPeer, reason: Error): void;
  /** The POP has been silent for so long that it may be gone; `peerHeard` or `peerClosed` follows. */
  peerSuspected?(peer: PopPeer): void;
  peerHeard?(peer: PopPeer): void;
}
