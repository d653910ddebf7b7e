/**
 * The room that a caller shares with others: who is there, what is heard and seen of each, and how that changes. Pure;
 * what is done in a room is room-presence.ts's, its streams are room-media.ts's.
 */
import {
  createSessionRequestSchema,
  type Grant,
  type JoinAnswer,
  type Participant,
} from '../../../src/signaling/protocol.ts';
import type { Failure } from './failure.ts';

/** What a caller asks for who wants to be in a room. */
export interface Seat {
  readonly room: string;
  /** What the others and the agent call this caller. */
  readonly name: string;
}

export interface RoomView {
  readonly room: string;
  /** This caller. */
  readonly participantId: string;
  /** Everybody who is there, this caller first. */
  readonly participants: readonly Participant[];
  /** Whether this caller may silence and remove others. */
  readonly moderates: boolean;
  readonly maySendVideo: boolean;
  /** What is received now: producerId -> stream. */
  readonly streams: ReadonlyMap<string, MediaStream>;
  /** What should be received and can't be: producerId -> why. */
  readonly unheard: ReadonlyMap<string, Failure>;
  /** Why the newest wish in this room was not done; null when it was. */
  readonly problem: Failure | null;
}

/** Fields that a caller fills in. */
export interface SeatFields {
  readonly room: string;
  readonly name: string;
}

export interface SeatProblem {
  readonly field: keyof SeatFields;
  readonly words: string;
}

/** The seat that the fields ask for; null when no room is named; else what is wrong with them. */
export function seatOf(fields: SeatFields): Seat | SeatProblem | null {
  const room = fields.room.trim();
  const name = fields.name.trim();
  if (room === '') return null;
  if (!createSessionRequestSchema.shape.room.safeParse(room).success) {
    return { field: 'room', words: 'A room’s name has letters, digits and _ . : - only, up to 128 of them.' };
  }
  if (name === '') return { field: 'name', words: 'Say how the others should call you.' };
  if (!createSessionRequestSchema.shape.name.safeParse(name).success) {
    return { field: 'name', words: 'A name has up to 64 characters.' };
  }
  return { room, name };
}

/** The room of a join or resume answer; null when the caller has no seat in one. `former`: before a resume. */
export function roomOf(answer: JoinAnswer, grants: readonly Grant[], former: RoomView | null): RoomView | null {
  if (!answer.participant) return null;
  const { participantId } = answer.participant;
  return {
    room: answer.room,
    participantId,
    participants: ordered(answer.participants ?? [], participantId),
    moderates: grants.includes('moderate'),
    maySendVideo: grants.includes('video'),
    streams: former?.streams ?? new Map(),
    unheard: former?.unheard ?? new Map(),
    problem: null,
  };
}

/** The room after somebody came or changed; a newcomer stands last. */
export function withParticipant(room: RoomView, participant: Participant): RoomView {
  const at = room.participants.findIndex(({ participantId }) => participantId === participant.participantId);
  const participants = at === -1 ? [...room.participants, participant] : room.participants.with(at, participant);
  return { ...room, participants: ordered(participants, room.participantId) };
}

export function withoutParticipant(room: RoomView, participantId: string): RoomView {
  return { ...room, participants: room.participants.filter((one) => one.participantId !== participantId) };
}

export function participantOf(room: RoomView, participantId: string): Participant | undefined {
  return room.participants.find((one) => one.participantId === participantId);
}

/** Everybody but this caller. */
export function othersIn(room: RoomView): Participant[] {
  return room.participants.filter(({ participantId }) => participantId !== room.participantId);
}

/** Ids of the streams of the others, to be consumed. */
export function wantedStreams(room: RoomView): string[] {
  return othersIn(room).flatMap(({ audio, video }) => [audio, video].filter((producerId) => producerId !== null));
}

function ordered(participants: readonly Participant[], first: string): Participant[] {
  const own = (one: Participant) => Number(one.participantId !== first);
  return participants.toSorted((a, b) => own(a) - own(b));
}

/** The room with what is received of it now. */
export function withStreams(room: RoomView, streams: RoomView['streams']): RoomView {
  const wanted = new Set(wantedStreams(room));
  const unheard = [...room.unheard].filter(([producerId]) => wanted.has(producerId) && !streams.has(producerId));
  return { ...room, streams, unheard: new Map(unheard) };
}

export function withMissed(room: RoomView, producerId: string, failure: Failure): RoomView {
  return { ...room, unheard: new Map(room.unheard).set(producerId, failure) };
}
