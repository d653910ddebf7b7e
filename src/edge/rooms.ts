/** The rooms that have callers at this POP, each on one media worker. Owns which room is where, and its end. */
import type { MediaWorker } from '../backbone/index.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';
import { EdgeRoom, type RoomEventTuple } from './room.ts';
import type { RoomMetrics } from './room-metrics.ts';
import type { RoomTeller } from './room-remote.ts';

export interface EdgeRoomsOptions {
  nodeId: string;
  clock: Clock;
  log: Logger;
  metrics: RoomMetrics;
}

export interface EdgeRoomStats {
  name: string;
  worker: string;
  /** Callers of this POP. */
  seats: number;
  /** At all POPs. */
  participants: number;
}

export class EdgeRooms {
  readonly #options: EdgeRoomsOptions;
  readonly #rooms = new Map<string, EdgeRoom>();

  constructor(options: EdgeRoomsOptions) {
    this.#options = options;
  }

  /** Those that there are, with their callers here and everybody in them. */
  stats(): EdgeRoomStats[] {
    return [...this.#rooms.values()].map(({ name, worker, seatCount, participants }) => ({
      ...{ name, worker: worker.name, seats: seatCount, participants: participants.length },
    }));
  }

  get(name: string): EdgeRoom | undefined {
    return this.#rooms.get(name);
  }

  /** The room, made on the worker that `choose` says when nobody of ours is in it yet. */
  open(name: string, choose: () => MediaWorker): EdgeRoom {
    const known = this.#rooms.get(name);
    if (known) return known;
    const room = new EdgeRoom({ ...this.#options, name, worker: choose(), onEmpty: (empty) => this.#empty(empty) });
    this.#rooms.set(name, room);
    this.#options.metrics.rooms.set(this.#rooms.size);
    return room;
  }

  /** What a core tells of a room. */
  told(teller: RoomTeller, ...event: RoomEventTuple): void {
    const room = this.#rooms.get(event[1].room);
    // The core may speak of a room that our last caller has left a moment ago.
    if (room) room.told(teller, ...event);
    else this.#options.metrics.ignored.inc({ what: 'room' });
  }

  /** Idempotent. */
  close(): void {
    for (const room of this.#rooms.values()) room.close();
    this.#rooms.clear();
  }

  #empty(room: EdgeRoom): void {
    if (this.#rooms.get(room.name) !== room) return;
    this.#rooms.delete(room.name);
    room.close();
    this.#options.metrics.rooms.set(this.#rooms.size);
  }
}
