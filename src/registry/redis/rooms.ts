/**
 * The rooms in Redis: each a hash of its home and its POPs' leases, each step a script, leases by Redis's clock. Owns
 * what this process knows of its rooms, by which it goes on while Redis is out of reach.
 */
import type { Clock } from '../../clock.ts';
import { AntipodeError } from '../../errors.ts';
import type { Logger } from '../../telemetry/index.ts';
import type { RegistryMetrics } from '../registry-metrics.ts';
import { RoomLedger, roomFull } from '../room-ledger.ts';
import { type HeldRoom, type RoomClaim, type RoomDirectory, roomHomeSchema } from '../rooms.ts';
import { RECORD_VERSION, type RecordReader } from './envelope.ts';
import type { RegistryKeys } from './keys.ts';
import type { RedisLink } from './link.ts';

export interface RedisRoomsOptions {
  link: RedisLink;
  keys: RegistryKeys;
  reader: RecordReader;
  clock: Clock;
  log: Logger;
  metrics: RegistryMetrics;
}

type Mode = 'hold' | 'renew' | 'move';

export class RedisRooms implements RoomDirectory {
  readonly #options: RedisRoomsOptions;
  readonly #known: RoomLedger;

  constructor(options: RedisRoomsOptions) {
    this.#options = options;
    this.#known = new RoomLedger(options.clock);
  }

  hold(room: string, claim: RoomClaim, maxSeats: number, leaseMs: number): Promise<HeldRoom> {
    return this.#orAlone(
      room,
      () => this.#write('hold', room, claim, { maxSeats, leaseMs }),
      () => this.#known.hold(room, claim, maxSeats, leaseMs),
    );
  }

  renew(room: string, claim: RoomClaim, leaseMs: number): Promise<HeldRoom> {
    return this.#orAlone(
      room,
      () => this.#write('renew', room, claim, { leaseMs }),
      () => {
        this.#options.metrics.renewalsFailed.inc({ kind: 'room' });
        return this.#known.renew(room, claim, leaseMs);
      },
    );
  }

  move(room: string, fromCore: string, claim: RoomClaim, leaseMs: number): Promise<HeldRoom> {
    return this.#orAlone(
      room,
      () => this.#write('move', room, claim, { fromCore, leaseMs }),
      () => this.#known.move(room, fromCore, claim, leaseMs),
    );
  }

  async drop(room: string, pop: string): Promise<void> {
    const { link, keys } = this.#options;
    this.#known.forget(room);
    await this.#orAlone(
      room,
      async () => void (await link.script('antipodeDropRoom', [keys.room(room)], ['', pop])),
      async () => undefined, // its lease ends by itself
    );
  }

  get(room: string): Promise<HeldRoom | null> {
    const { link, keys } = this.#options;
    return this.#orAlone(
      room,
      async () => this.#read(room, await link.script('antipodeGetRoom', [keys.room(room)], [])),
      () => this.#known.get(room),
    );
  }

  async #write(
    mode: Mode,
    room: string,
    { pop, seats, home }: RoomClaim,
    { fromCore = '', maxSeats = 0, leaseMs }: { fromCore?: string; maxSeats?: number; leaseMs: number },
  ): Promise<HeldRoom> {
    const { link, keys } = this.#options;
    const { core, agent, residency } = home;
    const args = [mode, pop, seats, core, agent, residency ?? '', fromCore, maxSeats, leaseMs].map(String);
    const answer = await link.script('antipodeHoldRoom', [keys.room(room)], args);
    if ((answer as unknown[])[0] === 'full') throw roomFull(room, maxSeats);
    const held = this.#read(room, answer);
    if (held === null) {
      throw new AntipodeError('ERR_REGISTRY_UNSUPPORTED', `The record of room ${room} cannot be read here.`);
    }
    const ours = held.pops.some((one) => one.pop === pop);
    if (ours) this.#known.learn(room, held);
    return held;
  }

  /** `answer`: 'held', version, core, agent, residency or '', then pop and seats of each; or nothing. */
  #read(room: string, answer: unknown): HeldRoom | null {
    const { reader } = this.#options;
    const [kind, version, core, agent, residency, ...rest] = (answer as unknown[]).map(String);
    if (kind !== 'held') return null;
    if (Number(version) > RECORD_VERSION) return reader.skip('room', room, 'future', `version ${version}`);
    const home = roomHomeSchema.safeParse({ core, agent, residency: residency === '' ? null : residency });
    if (!home.success) return reader.skip('room', room, 'invalid', 'not a room');
    const pops: { pop: string; seats: number }[] = [];
    for (let at = 0; at + 1 < rest.length; at += 2) pops.push({ pop: rest[at]!, seats: Number(rest[at + 1]) });
    return { ...home.data, pops: pops.sort((a, b) => (a.pop < b.pop ? -1 : 1)) };
  }

  async #orAlone<T>(room: string, work: () => Promise<T>, alone: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AntipodeError) || error.code !== 'ERR_REGISTRY_UNAVAILABLE') throw error;
      this.#options.metrics.deferred.inc({ kind: 'room' });
      this.#options.log.warn({ room }, 'a room is answered for without the registry');
      return alone();
    }
  }
}
