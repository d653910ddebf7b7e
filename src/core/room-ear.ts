/**
 * The one ear of a room's agent: participants are heard one after the other. Whoever begins first has the floor; who
 * speaks meanwhile is kept and comes right after, faster than real time, in the order in which each began, so that no
 * words are lost and none are mixed. Owns the floor and the room's stream clock; decoding is each seat's own ear's.
 */
import { EAR_FRAME_SAMPLES, EAR_SAMPLE_RATE, type Ear, type EarFrame, type Speaker } from '../agent/types.ts';
import type { CoreTotals } from './core-metrics.ts';
import type { CallEar } from './ear.ts';
import type { NodeClock } from './node-clock.ts';
import { RoomLane } from './room-lane.ts';

export interface RoomEarOptions {
  nodeClock: Pick<NodeClock, 'subscribe'>;
  totals: Pick<CoreTotals, 'roomFramesDropped'>;
  /** A listener threw: the agent cannot go on. */
  onFault: (error: unknown) => void;
  /** Who has the floor loses it to one who waits after so much silence. */
  passAfterMs?: number;
  /** One who waits gets the floor, whoever speaks, before more than this is kept. */
  maxKeptMs?: number;
}

export const ROOM_EAR_DEFAULTS = { passAfterMs: 400, maxKeptMs: 15_000 } as const satisfies Partial<RoomEarOptions>;

const FRAME_MS = 20;
/** What was kept is given on this much faster than real time. */
const CATCH_UP_FRAMES_PER_TICK = 4;
/** So little is given on at once: somebody who began when nobody else spoke waits for nothing. */
const AT_ONCE_FRAMES = 25;
/** Even then nobody is cut off before so much of theirs was heard. */
const LEAST_TURN_MS = 5_000;
/** Kept at the most, as a multiple of `maxKeptMs`: more participants speak at once than can be caught up with. */
const HARD_LIMIT = 2;

/** A seat's ear, as far as it is needed here. */
export type SeatEar = Pick<CallEar, 'onFrame' | 'packetBefore'>;

interface Joined {
  readonly lane: RoomLane;
  readonly ear: SeatEar;
  readonly stop: () => void;
}

export class RoomEar implements Ear {
  readonly sampleRate = EAR_SAMPLE_RATE;
  readonly #options: RoomEarOptions & Required<Pick<RoomEarOptions, 'passAfterMs' | 'maxKeptMs'>>;
  readonly #joined = new Map<string, Joined>();
  /** All that are heard, those that left with words unheard included. */
  readonly #lanes = new Set<RoomLane>();
  #floor: RoomLane | null = null;
  #position = 0;
  /** Frames that were given on since the floor was passed. */
  #held = 0;
  #listeners: ((frame: EarFrame) => void)[] = [];
  #endTicks: (() => void) | null = null;
  #closed = false;

  constructor(options: RoomEarOptions) {
    this.#options = { ...ROOM_EAR_DEFAULTS, ...options };
  }

  /** Samples heard since the room began. */
  get position(): number {
    return this.#position;
  }

  /** Who is listened to; null in an empty room. */
  get floor(): Speaker | null {
    return this.#floor?.speaker ?? null;
  }

  onFrame(listener: (frame: EarFrame) => void): () => void {
    const entry = (frame: EarFrame) => listener(frame);
    this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  /** From now on `speaker` is heard by `ear`. @param seat names the seat here */
  join(seat: string, speaker: Speaker, ear: SeatEar): void {
    this.leave(seat);
    const lane = new RoomLane(speaker);
    this.#lanes.add(lane);
    this.#floor ??= lane;
    this.#joined.set(seat, { lane, ear, stop: ear.onFrame((frame) => this.#receive(lane, frame)) });
  }

  /** What was said up to now is still heard. */
  leave(seat: string): void {
    const joined = this.#joined.get(seat);
    if (joined === undefined) return;
    const { lane, stop } = joined;
    stop();
    this.#joined.delete(seat);
    lane.gone = true;
    // Nothing follows that could be waited for.
    if (lane.waitsSinceMs === null) while (lane.kept > 0) lane.forget(this.#position);
    this.#dropIfDone(lane);
    this.#look();
  }

  mute(seat: string, muted: boolean): void {
    const lane = this.#joined.get(seat)?.lane;
    if (lane) lane.muted = muted;
  }

  /** The POP of a seat is out of reach, or back: until then nothing comes, and others are listened to. */
  rest(seat: string, resting: boolean): void {
    const lane = this.#joined.get(seat)?.lane;
    if (!lane) return;
    lane.resting = resting;
    this.#look();
  }

  /** Number of the newest packet of a seat all of whose sound was heard before `position`; null when none is known. */
  packetBefore(seat: string, position: number): number | null {
    const joined = this.#joined.get(seat);
    const heardTo = joined?.lane.positionBefore(position) ?? null;
    return joined === undefined || heardTo === null ? null : joined.ear.packetBefore(heardTo);
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#endTicks?.();
    this.#endTicks = null;
    for (const { stop } of this.#joined.values()) stop();
    this.#joined.clear();
    this.#lanes.clear();
    this.#floor = null;
    this.#listeners = [];
  }

  #receive(lane: RoomLane, given: EarFrame): void {
    if (this.#closed) return;
    const frame = lane.hear(given);
    if (lane === this.#floor && lane.kept === 0) this.#hear(lane, frame);
    else {
      lane.keep(frame, this.#position);
      if (lane.kept * FRAME_MS > this.#options.maxKeptMs * HARD_LIMIT) {
        this.#options.totals.roomFramesDropped += 1;
        lane.forget(this.#position);
      }
    }
    this.#look();
  }

  /** Whose turn it is now. */
  #look(): void {
    const floor = this.#floor;
    if (floor === null) return;
    const next = this.#next();
    if (next !== null && this.#mayPass(floor, next)) this.#pass(floor, next);
    else if (floor.kept > 0) this.#catchUp();
    else if (floor.resting) this.#sitIn();
  }

  #mayPass(from: RoomLane, to: RoomLane): boolean {
    const { passAfterMs, maxKeptMs } = this.#options;
    if (from.kept === 0 && (from.resting || from.silentMs >= passAfterMs)) return true;
    return to.kept * FRAME_MS >= maxKeptMs && this.#held * FRAME_MS >= LEAST_TURN_MS;
  }

  /** Who has waited longest. */
  #next(): RoomLane | null {
    let first: RoomLane | null = null;
    for (const lane of this.#lanes) {
      if (lane === this.#floor || lane.waitsSinceMs === null) continue;
      if (first === null || lane.waitsSinceMs < (first.waitsSinceMs as number)) first = lane;
    }
    return first;
  }

  #pass(from: RoomLane, to: RoomLane): void {
    // A voice that is cut off here must not run into the next one's.
    const missingMs = this.#options.passAfterMs - from.silentMs;
    const atMs = to.waitsSinceMs as number;
    for (let ms = 0; ms < missingMs; ms += FRAME_MS) this.#give(from.speaker, silence(atMs));
    this.#floor = to;
    this.#held = 0;
    if (to.kept <= AT_ONCE_FRAMES) while (to.kept > 0 && this.#floor === to) this.#giveKept(to);
    else this.#catchUp();
    this.#dropIfDone(to);
  }

  #catchUp(): void {
    this.#endTicks ??= this.#options.nodeClock.subscribe(() => this.#tick());
  }

  #tick(): void {
    const floor = this.#floor;
    for (let frames = 0; frames < CATCH_UP_FRAMES_PER_TICK && this.#floor === floor; frames++) {
      if (floor === null || floor.kept === 0) break;
      this.#giveKept(floor);
    }
    if (this.#closed || (floor !== null && floor.kept > 0 && this.#floor === floor)) return;
    this.#endTicks?.();
    this.#endTicks = null;
    if (floor !== null) this.#dropIfDone(floor);
    this.#look();
  }

  #giveKept(lane: RoomLane): void {
    const frame = lane.take();
    if (frame !== null) this.#hear(lane, frame);
  }

  /** One who has left and of whom nothing is to be heard any more. */
  #dropIfDone(lane: RoomLane): void {
    if (!lane.gone || lane.kept > 0) return;
    this.#lanes.delete(lane);
    if (this.#floor !== lane) return;
    const next = this.#next();
    if (next !== null) {
      this.#pass(lane, next);
      return;
    }
    this.#floor = null;
    this.#sitIn();
  }

  /** Somebody has to be listened to, though nobody speaks: time goes on by their silence. */
  #sitIn(): void {
    let other: RoomLane | null = null;
    for (const lane of this.#lanes) if (lane !== this.#floor && (other === null || other.resting)) other = lane;
    if (other === null || (other.resting && this.#floor !== null)) return;
    this.#floor = other;
    this.#held = 0;
    while (other.kept > 0) other.forget(this.#position);
  }

  #hear(lane: RoomLane, frame: EarFrame): void {
    this.#give(lane.speaker, frame);
    lane.passed(frame, this.#position);
  }

  #give(speaker: Speaker, { pcm, receivedAtMs, origin }: Omit<EarFrame, 'position'>): void {
    const position = this.#position;
    const othersWait = this.#lanes.size > 1 && this.#next() !== null;
    this.#position += EAR_FRAME_SAMPLES;
    this.#held += 1;
    for (const [index, listener] of this.#listeners.entries()) {
      try {
        listener({ pcm: index === 0 ? pcm : pcm.slice(), position, receivedAtMs, origin, speaker, othersWait });
      } catch (error) {
        this.#options.onFault(error);
      }
    }
  }
}

function silence(receivedAtMs: number): Omit<EarFrame, 'position'> {
  return { pcm: new Int16Array(EAR_FRAME_SAMPLES), receivedAtMs, origin: 'silence' };
}
