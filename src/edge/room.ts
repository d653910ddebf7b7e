/**
 * One room at this POP: the seats of its callers here, all on one media worker, and the participants elsewhere. Owns
 * who is told of whom, and which streams a caller of the room may consume. Knows no signaling; media goes from producer
 * to consumer inside the worker.
 */
import type { Producer } from 'mediasoup/types';
import type { CoreEventData, MediaWorker } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { RoomMetrics } from './room-metrics.ts';
import { type Participant, type RoomNotice, RoomNotices } from './room-notices.ts';
import { RoomOrders } from './room-orders.ts';
import { RemoteParticipants, type RoomTeller } from './room-remote.ts';
import { type RoomOrder, RoomSeat } from './room-seat.ts';

export interface EdgeRoomOptions {
  name: string;
  /** This POP. */
  nodeId: string;
  /** All callers of the room are on it, so that they hear each other inside it. */
  worker: MediaWorker;
  clock: Clock;
  log: Logger;
  metrics: RoomMetrics;
  /** The last seat was left. */
  onEmpty: (room: EdgeRoom) => void;
}

export class EdgeRoom {
  readonly name: string;
  readonly worker: MediaWorker;
  readonly #options: EdgeRoomOptions;
  readonly #log: Logger;
  readonly #seats = new Map<string, RoomSeat>();
  readonly #remote: RemoteParticipants;
  readonly #notices: RoomNotices;
  readonly #orders: RoomOrders;

  constructor(options: EdgeRoomOptions) {
    this.#options = options;
    this.name = options.name;
    this.worker = options.worker;
    this.#log = options.log.child({ room: options.name });
    this.#remote = new RemoteParticipants({ ...options, log: this.#log, onChange: () => this.#remoteChanged() });
    this.#notices = new RoomNotices({ clock: options.clock, tell: (...notice) => this.#tell(...notice) });
    this.#orders = new RoomOrders({
      clock: options.clock,
      participant: (participantId) => this.#notices.get(participantId),
      // Any seat will do: the core knows the room by it.
      say: (...order) => [...this.#seats.values()].find(({ call }) => call !== null)?.call?.order(...order),
    });
  }

  get seatCount(): number {
    return this.#seats.size;
  }

  /** Everybody whose call is open, here and elsewhere. */
  get participants(): Participant[] {
    return this.#notices.all;
  }

  /** Whether somebody is at another POP. */
  get reachesOut(): boolean {
    return this.#remote.participants(new Set(this.#seats.keys())).length > 0;
  }

  /** A seat that nobody sees before its call is open. @throws ERR_MEDIA_STATE when the participant has one here */
  enter(seat: { sessionId: string; participantId: string; name: string }): RoomSeat {
    if (this.#seats.has(seat.participantId)) {
      throw new AntipodeError('ERR_MEDIA_STATE', 'This participant is in the room already.');
    }
    const { clock, nodeId, metrics } = this.#options;
    const made = new RoomSeat({
      ...seat,
      ...{ pop: nodeId, clock },
      onChange: (changed) => {
        this.#notices.put(changed.participant);
        this.#shareVideo();
      },
      onArrived: () => this.#believe(),
      onLeft: (left) => this.#left(left),
    });
    this.#seats.set(seat.participantId, made);
    metrics.seats.inc();
    return made;
  }

  /**
   * Another's stream, for who sits on `by`.
   * @throws ERR_MEDIA_STATE for one that is not of this room, or one's own
   */
  producerFor(by: RoomSeat, producerId: string): Producer {
    for (const { participantId } of this.#notices.all) {
      if (participantId === by.participantId) continue;
      for (const kind of ['audio', 'video'] as const) {
        const producer = this.#seats.get(participantId)?.producer(kind) ?? this.#remote.producer(participantId, kind);
        if (producer?.id === producerId) return producer;
      }
    }
    throw new AntipodeError('ERR_MEDIA_STATE', 'Nobody else in this room has such a stream.', {
      path: 'data.producerId',
    });
  }

  /** Resolves when it is done, or can't be for now. @throws ERR_NOT_FOUND when nobody in the room is called so */
  async order(participantId: string, order: RoomOrder): Promise<void> {
    if (this.#notices.get(participantId) === undefined) {
      throw new AntipodeError('ERR_NOT_FOUND', 'Nobody in this room has this id.', { path: 'data.participantId' });
    }
    if (this.#seats.has(participantId)) await this.ordered(participantId, order);
    else await this.#orders.want(participantId, order);
  }

  /** As `order`, for a participant here; of another nothing happens. */
  async ordered(participantId: string, order: RoomOrder): Promise<void> {
    const seat = this.#seats.get(participantId);
    if (order === 'mute') await seat?.mute(true);
    else seat?.call?.removed();
  }

  /** What a core tells. Never throws. */
  told(teller: RoomTeller, ...[name, data]: RoomEventTuple): void {
    if (name === 'room.members') this.#remote.members(teller, data.members);
    else if (name === 'room.stream') this.#remote.stream(teller, data);
    else if (name === 'room.stream-closed') this.#remote.streamClosed(data);
    else {
      this.ordered(data.participantId, data.order).catch((error: unknown) =>
        this.#log.warn({ code: asAntipodeError(error).code, order: data.order }, 'an order of a moderator failed'),
      );
    }
  }

  /** Idempotent. */
  close(): void {
    this.#remote.close();
    this.#orders.close();
    this.#notices.close();
  }

  /** A room that moves is at two cores for a moment. */
  #believe(): void {
    const tellers = [...this.#seats.values()].flatMap(({ teller }) => (teller === null ? [] : [teller]));
    this.#remote.believe(new Set(tellers));
  }

  #remoteChanged(): void {
    const own = new Set(this.#seats.keys());
    const remote = this.#remote.participants(own);
    const there = new Set(remote.map(({ participantId }) => participantId));
    for (const { participantId } of this.#notices.all) {
      if (!own.has(participantId) && !there.has(participantId)) this.#notices.remove(participantId);
    }
    for (const participant of remote) this.#notices.put(participant);
    this.#orders.look();
    this.#shareVideo();
  }

  /** Video goes to the core only while somebody is there to see it. */
  #shareVideo(): void {
    const wanted = this.reachesOut;
    for (const seat of this.#seats.values()) seat.call?.shareVideo(wanted ? seat.producer('video') : null);
  }

  #left(seat: RoomSeat): void {
    if (this.#seats.get(seat.participantId) !== seat) return;
    this.#seats.delete(seat.participantId);
    this.#options.metrics.seats.dec();
    this.#notices.remove(seat.participantId);
    if (this.#seats.size === 0) this.#options.onEmpty(this);
    else this.#believe();
  }

  /** Everybody here but the one that it is about, who is told what others did to it. */
  #tell(notice: RoomNotice, participant: Participant): void {
    const { metrics } = this.#options;
    for (const [participantId, { call }] of this.#seats) {
      if (call === null || (participantId === participant.participantId && notice !== 'participant-changed')) continue;
      metrics.notices.inc({ notice });
      call.notice(notice, participant);
    }
  }
}

/** What a core tells of a room. */
export type RoomEventTuple = {
  [E in 'room.members' | 'room.stream' | 'room.stream-closed' | 'room.ordered']: [E, CoreEventData<E>];
}['room.members' | 'room.stream' | 'room.stream-closed' | 'room.ordered'];
