/** The rooms of a core by name: who may take a seat in which. Owns which rooms there are; each room ends by itself. */
import { AntipodeError } from '../errors.ts';
import { Room, type RoomOptions, type RoomSeatOptions } from './room.ts';
import type { RoomMember } from './room-member.ts';

export type RoomBookOptions = Pick<RoomOptions, 'agents' | 'maxSessionMs'>;

export class RoomBook {
  readonly #options: RoomBookOptions;
  readonly #rooms = new Map<string, Room>();

  constructor(options: RoomBookOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#rooms.size;
  }

  /**
   * A seat in the room that is asked for; the first one's opens it.
   * @throws ERR_ROOM_AGENT, ERR_ROOM_RESIDENCY when the room has others than the session wants, ERR_MEDIA_STATE when the
   * participant has a seat by another session
   */
  seat(options: RoomSeatOptions): RoomMember {
    const { attach } = options;
    this.assertMayEnter(attach);
    const known = this.#rooms.get(attach.room);
    if (known) return known.seat(options);
    const { clock, nodeClock, totals, log } = options;
    const room = new Room({
      ...{ ...this.#options, attach, clock, nodeClock, totals, log },
      onClosed: (closed) => {
        if (this.#rooms.get(closed.name) === closed) this.#rooms.delete(closed.name);
      },
    });
    this.#rooms.set(room.name, room);
    return room.seat(options);
  }

  /** @throws as `seat` */
  assertMayEnter({ room: name, agent, residency, seat, sessionId }: RoomSeatOptions['attach']): void {
    if (name === '') throw new AntipodeError('ERR_REQUEST_MALFORMED', 'A seat needs a room.', { path: 'room' });
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    if (room.agent !== agent) {
      throw new AntipodeError('ERR_ROOM_AGENT', `Room "${name}" has the agent "${room.agent}", not "${agent}".`);
    }
    if (room.residency !== residency) {
      const words = room.residency === null ? 'is pinned to no place' : `is pinned to "${room.residency}"`;
      throw new AntipodeError('ERR_ROOM_RESIDENCY', `Room "${name}" ${words}.`);
    }
    if (room.hasOther(seat, sessionId)) {
      throw new AntipodeError('ERR_MEDIA_STATE', `Participant ${seat.participantId} is in room "${name}" already.`);
    }
  }
}
