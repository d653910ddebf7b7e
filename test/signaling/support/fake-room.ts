/** A room of no media: who is in it is what the test says, and what is asked of it is noted. */
import { AntipodeError } from '../../../src/errors.ts';
import type { Participant, RoomCall, RoomHere } from '../../../src/signaling/index.ts';
import type { FakeEdge } from './fake-edge.ts';

export function participant(change: Partial<Participant> = {}): Participant {
  return {
    ...{ participantId: 'p-1', name: 'Ann', muted: false, speaking: false },
    ...{ audio: null, video: null, pop: 'pop-1' },
    ...change,
  };
}

export class FakeRoom implements RoomHere {
  participants: Participant[] = [];
  readonly asked: string[] = [];

  /** Every call of `room` that `edge` opens with a seat is in it. */
  static at(edge: FakeEdge, room: string): FakeRoom {
    const fake = new FakeRoom();
    edge.rooms.set(room, fake);
    edge.prepare = (call) => {
      const { seat } = call.request;
      if (!seat || call.request.room !== room) return;
      fake.participants.push(participant(seat));
      call.room = fake.#callOf(seat.participantId);
    };
    return fake;
  }

  async order(participantId: string, order: 'mute' | 'remove'): Promise<void> {
    if (!this.participants.some((one) => one.participantId === participantId)) {
      throw new AntipodeError('ERR_NOT_FOUND', 'Nobody in this room has this id.');
    }
    this.asked.push(`${order} ${participantId}`);
  }

  #callOf(participantId: string): RoomCall {
    const room = this;
    return {
      participantId,
      get participants() {
        return room.participants;
      },
      mute: async (muted) => void room.asked.push(`${participantId} ${muted ? 'mutes' : 'unmutes'} itself`),
      muteOther: (other) => room.order(other, 'mute'),
      remove: (other) => room.order(other, 'remove'),
    };
  }
}
