/** What signaling needs of the rooms that have callers at this POP: the part of the edge's that is used here. */
import type { Participant } from './protocol.ts';

/** A caller's seat in a room. */
export interface Seat {
  participantId: string;
  name: string;
}

/** A call's part in its room. */
export interface RoomCall {
  readonly participantId: string;
  /** Everybody who is there, this one too. */
  readonly participants: Participant[];
  mute(muted: boolean): Promise<void>;
  /** @throws ERR_NOT_FOUND */
  muteOther(participantId: string): Promise<void>;
  /** @throws ERR_NOT_FOUND */
  remove(participantId: string): Promise<void>;
}

/** A room with callers at this POP. */
export interface RoomHere {
  readonly participants: Participant[];
  /** @throws ERR_NOT_FOUND */
  order(participantId: string, order: 'mute' | 'remove'): Promise<void>;
}
