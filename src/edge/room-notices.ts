/**
 * What those in a room are told of each other: who came, who left, and what changed, each no more often than 5 times a
 * second. Owns what was told last; what is true now it is told by its room.
 */
import type { Clock, Timer } from '../clock.ts';

/** One who is in a room, as its clients see it. */
export interface Participant {
  participantId: string;
  name: string;
  muted: boolean;
  speaking: boolean;
  /** Id to consume its voice by at this POP; null when none is heard. */
  audio: string | null;
  /** And its video. */
  video: string | null;
  /** Node id of its POP. */
  pop: string;
}

export type RoomNotice = 'participant-joined' | 'participant-left' | 'participant-changed';

export interface RoomNoticesOptions {
  clock: Clock;
  tell: (notice: RoomNotice, participant: Participant) => void;
}

const CHANGES_APART_MS = 200;

interface Told {
  participant: Participant;
  atMs: number;
  timer: Timer | null;
}

export class RoomNotices {
  readonly #options: RoomNoticesOptions;
  readonly #told = new Map<string, Told>();
  readonly #now = new Map<string, Participant>();

  constructor(options: RoomNoticesOptions) {
    this.#options = options;
  }

  /** Everybody, as it is now. */
  get all(): Participant[] {
    return [...this.#now.values()];
  }

  get(participantId: string): Participant | undefined {
    return this.#now.get(participantId);
  }

  /** How a participant is now, told when it differs from what was. */
  put(participant: Participant): void {
    const { clock, tell } = this.#options;
    const { participantId } = participant;
    this.#now.set(participantId, participant);
    const told = this.#told.get(participantId);
    if (told === undefined) {
      this.#told.set(participantId, { participant, atMs: clock.now(), timer: null });
      tell('participant-joined', participant);
      return;
    }
    if (told.timer !== null) return;
    const waitMs = told.atMs + CHANGES_APART_MS - clock.now();
    if (waitMs <= 0) this.#tellChange(told);
    else told.timer = clock.setTimeout(() => this.#tellChange(told), waitMs);
  }

  /** It has left. Idempotent. */
  remove(participantId: string): void {
    const last = this.#now.get(participantId);
    if (last === undefined) return;
    this.#now.delete(participantId);
    this.#told.get(participantId)?.timer?.cancel();
    this.#told.delete(participantId);
    this.#options.tell('participant-left', { ...last, speaking: false, audio: null, video: null });
  }

  close(): void {
    for (const { timer } of this.#told.values()) timer?.cancel();
    this.#told.clear();
    this.#now.clear();
  }

  #tellChange(told: Told): void {
    told.timer = null;
    const participant = this.#now.get(told.participant.participantId);
    if (participant === undefined || isSame(participant, told.participant)) return;
    told.participant = participant;
    told.atMs = this.#options.clock.now();
    this.#options.tell('participant-changed', participant);
  }
}

function isSame(one: Participant, other: Participant): boolean {
  return (Object.keys(one) as (keyof Participant)[]).every((key) => one[key] === other[key]);
}
