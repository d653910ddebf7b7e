/**
 * The participants of a room who are at other POPs, as the room's core tells of them: who they are, and their streams
 * over the pipe as producers on our worker. Owns these producers and who of them speaks; what the core tells late or of
 * a pipe that is gone is ignored and counted.
 */
import type { AudioLevelObserver, Producer } from 'mediasoup/types';
import type { CoreEventData, MediaPipe, MediaWorker } from '../backbone/index.ts';
import { asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import type { RoomMetrics } from './room-metrics.ts';
import type { Participant } from './room-notices.ts';
import type { MediaKind } from './room-seat.ts';
import { SPEAKING_DBOV } from './room-speaking.ts';

export type RoomMember = CoreEventData<'room.members'>['members'][number];

/** A core that tells of a room. */
export interface RoomTeller {
  readonly coreNodeId: string;
  pipeOf(pipeId: string): MediaPipe | null;
}

export interface RemoteParticipantsOptions {
  /** This POP: whom the core knows here is not elsewhere, also one who has just left. */
  nodeId: string;
  worker: MediaWorker;
  log: Logger;
  metrics: RoomMetrics;
  /** Somebody is other than before, or gone. */
  onChange: () => void;
}

interface RemoteStream {
  readonly pipeId: string;
  readonly ssrc: number;
  readonly producer: Producer;
}

const OBSERVER_INTERVAL_MS = 250;

export class RemoteParticipants {
  readonly #options: RemoteParticipantsOptions;
  /** By core: while a room moves, two cores tell of it, and the next one may before our calls have come to it. */
  readonly #members = new Map<RoomTeller, readonly RoomMember[]>();
  /** The cores that calls of ours are at. */
  #believed: ReadonlySet<RoomTeller> = new Set();
  readonly #streams = new Map<string, RemoteStream>();
  #speaking: ReadonlySet<string> = new Set();
  #observer: AudioLevelObserver | null = null;
  /** What cores tell of streams is done in order. */
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: RemoteParticipantsOptions) {
    this.#options = options;
  }

  /** Those that the cores of our calls tell of, but for `own`. */
  participants(own: ReadonlySet<string>): Participant[] {
    const all = new Map<string, Participant>();
    for (const members of this.#told) {
      for (const { participantId, name, pop, muted } of members) {
        if (own.has(participantId) || pop === this.#options.nodeId) continue;
        const id = (kind: MediaKind) => this.producer(participantId, kind)?.id ?? null;
        const audio = id('audio');
        const speaking = audio !== null && !muted && this.#speaking.has(audio);
        all.set(participantId, { participantId, name, pop, muted, speaking, audio, video: id('video') });
      }
    }
    return [...all.values()];
  }

  producer(participantId: string, kind: MediaKind): Producer | null {
    const producer = this.#streams.get(keyOf(participantId, kind))?.producer;
    return producer === undefined || producer.closed ? null : producer;
  }

  /** Our calls are at these cores now; what another one says, or said, of the room is not believed any more. */
  believe(tellers: ReadonlySet<RoomTeller>): void {
    this.#believed = tellers;
    this.#options.onChange();
  }

  members(teller: RoomTeller, members: readonly RoomMember[]): void {
    this.#members.set(teller, members);
    for (const [key, { producer }] of this.#streams) {
      const isThere = [...this.#members.values()]
        .flat()
        .some(({ participantId }) => key.startsWith(`${participantId} `));
      if (!isThere) producer.close();
    }
    this.#options.onChange();
  }

  stream(teller: RoomTeller, data: CoreEventData<'room.stream'>): void {
    this.#inOrder(async () => {
      const { participantId, kind, pipeId } = data;
      const pipe = teller.pipeOf(pipeId);
      if (pipe === null || this.#closed) {
        this.#options.metrics.ignored.inc({ what: 'stream' });
        return;
      }
      const key = keyOf(participantId, kind);
      const ssrc = data.kind === 'audio' ? data.stream.ssrc : data.stream.encodings[0]!.ssrc;
      const former = this.#streams.get(key);
      // The same stream may be told again.
      if (former?.pipeId === pipeId && former.ssrc === ssrc && !former.producer.closed) return;
      former?.producer.close();
      const producer = data.kind === 'audio' ? await pipe.receive(data.stream) : await pipe.receiveVideo(data.stream);
      if (this.#closed) {
        producer.close();
        return;
      }
      this.#streams.set(key, { pipeId, ssrc, producer });
      producer.observer.once('close', () => {
        if (this.#streams.get(key)?.producer !== producer) return;
        this.#streams.delete(key);
        if (!this.#closed) this.#options.onChange();
      });
      if (kind === 'audio') await this.#observe(producer);
      this.#options.onChange();
    });
  }

  streamClosed({ participantId, kind, pipeId }: CoreEventData<'room.stream-closed'>): void {
    this.#inOrder(async () => {
      const stream = this.#streams.get(keyOf(participantId, kind));
      if (stream?.pipeId === pipeId) stream.producer.close();
    });
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { producer } of this.#streams.values()) producer.close();
    this.#streams.clear();
    this.#members.clear();
    this.#observer?.close();
  }

  /** What counts: before a call of ours has come to any of them, what there is. */
  get #told(): (readonly RoomMember[])[] {
    const believed = [...this.#believed].flatMap((teller) => {
      const members = this.#members.get(teller);
      return members ? [members] : [];
    });
    return believed.length > 0 ? believed : [...this.#members.values()];
  }

  #inOrder(work: () => Promise<void>): void {
    const { log, metrics } = this.#options;
    this.#work = this.#work.then(work).catch((error: unknown) => {
      metrics.ignored.inc({ what: 'stream' });
      const { code, message } = asAntipodeError(error);
      log.warn({ code, reason: message }, 'a stream of a participant at another POP is not received');
    });
  }

  /** One observer for all of them: their packets tell how loud they are. */
  async #observe(producer: Producer): Promise<void> {
    const { router } = this.#options.worker;
    if (this.#observer === null || this.#observer.closed) {
      const observer = await router.createAudioLevelObserver({
        maxEntries: 100,
        threshold: SPEAKING_DBOV,
        interval: OBSERVER_INTERVAL_MS,
      });
      if (this.#closed) {
        observer.close();
        return;
      }
      observer.on('volumes', (volumes) => this.#speak(new Set(volumes.map((volume) => volume.producer.id))));
      observer.on('silence', () => this.#speak(new Set()));
      this.#observer = observer;
    }
    if (!producer.closed) await this.#observer.addProducer({ producerId: producer.id });
  }

  #speak(speaking: ReadonlySet<string>): void {
    this.#speaking = speaking;
    if (!this.#closed) this.#options.onChange();
  }
}

function keyOf(participantId: string, kind: MediaKind): string {
  return `${participantId} ${kind}`;
}
