/**
 * What the host of a core asks of each session, whoever else shares its agent. Owns the shape alone: a session with an
 * agent of its own is core-session.ts.
 */
import type { ClientMessage, SessionEnd } from '../agent/client-events.ts';
import type { PipeStream, PopEventData, VideoStream } from '../backbone/index.ts';
import type { OpenPipe, PopLink } from './pop-link.ts';
import type { Seat } from './seat.ts';
import type { Yielding } from './yielding.ts';

export interface HostedSession {
  /** Whose POP and epoch hold the session. */
  readonly seat: Seat;
  /** How it is given to another core; one that shares its agent can't be. */
  readonly yielding?: Yielding;
  /** See Seat. */
  bind(open: OpenPipe, uplink: PipeStream): Promise<PipeStream>;
  /** The caller hears from now on. @throws ERR_SESSION_ENDED */
  ready(): void;
  /** An agent that goes on listens from the first packet: what the caller said meanwhile comes at once. */
  startResumed(): void;
  /** Its POP is out of reach: it waits for that one, or for another by which the caller comes back. */
  popAway(): void;
  /**
   * The caller is at another POP: it goes on there, with a later epoch. Answers as `bind`; absent where that cannot be.
   * @throws ERR_SESSION_ENDED, ERR_HANDOVER_REFUSED, as `bind`
   */
  adopt?(at: { link: PopLink; epoch: number }, open: OpenPipe, uplink: PipeStream): Promise<PipeStream>;
  /** What the caller's client tells the agent. */
  message(message: ClientMessage): void;
  /** The POP's writer has played all of the agent's voice before this RTP timestamp (32 bits). */
  played(timestamp: number): void;
  /** The POP holds the agent's voice for a sound of the caller, and asks what it meant. */
  ducked(data: PopEventData<'reflex.ducked'>): void;
  /** The caller is muted, or not any more: the agent does not hear a muted one. */
  mute(muted: boolean): void;
  /** A moderator at its POP wants this of a participant at another one; absent where there are none. */
  order?(participantId: string, order: PopEventData<'room.order'>['order']): void;
  /** What the caller shows, to the others of a room. @throws ERR_MEDIA_STATE where there are none, what the pipe throws */
  publish(open: OpenPipe, stream: VideoStream): Promise<void>;
  unpublish(): void;
  /** The POP has the journal up to note `to`. */
  journaled(to: number): void;
  /**
   * End the session; later ends do nothing. Resolves when its agent has closed, where that ends with it.
   * @param tell whether the POP must hear of it
   */
  end(end: SessionEnd, tell: boolean): Promise<void>;
}
