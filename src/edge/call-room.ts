/**
 * A call's part in its room: what its client may ask there, and what its media brings and takes. Owns nothing: the seat
 * is the room's, the streams are the media's.
 */
import type { Producer } from 'mediasoup/types';
import type { MediaRoom } from './caller-media.ts';
import type { EdgeRoom } from './room.ts';
import type { Participant } from './room-notices.ts';
import type { RoomTeller } from './room-remote.ts';
import type { RoomSeat, SeatedCall } from './room-seat.ts';
import type { AudioLevel } from './uplink-tap.ts';

export class CallRoom implements MediaRoom {
  readonly #room: EdgeRoom;
  readonly #seat: RoomSeat;

  constructor(room: EdgeRoom, seat: RoomSeat) {
    this.#room = room;
    this.#seat = seat;
  }

  get participantId(): string {
    return this.#seat.participantId;
  }

  /** Everybody in the room, this one too. */
  get participants(): Participant[] {
    return this.#room.participants;
  }

  get muted(): boolean {
    return this.#seat.muted;
  }

  /** @throws ERR_MEDIA_WORKER_DIED, ERR_RATE_LIMITED */
  mute(muted: boolean): Promise<void> {
    return this.#seat.muteItself(muted);
  }

  /** As a moderator. @throws ERR_NOT_FOUND */
  muteOther(participantId: string): Promise<void> {
    return this.#room.order(participantId, 'mute');
  }

  /** As a moderator. @throws ERR_NOT_FOUND */
  remove(participantId: string): Promise<void> {
    return this.#room.order(participantId, 'remove');
  }

  produces(producer: Producer): void {
    this.#seat.produces(producer);
  }

  producer(producerId: string): Producer {
    return this.#room.producerFor(this.#seat, producerId);
  }

  heard(level: Readonly<AudioLevel>): void {
    this.#seat.heard(level);
  }

  /** The call is at this core now. */
  arrived(teller: RoomTeller): void {
    this.#seat.arrived(teller);
  }

  /** The call is open: the others see its caller. */
  open(call: SeatedCall): void {
    this.#seat.open(call);
  }

  /** Idempotent. */
  leave(): void {
    this.#seat.leave();
  }
}
