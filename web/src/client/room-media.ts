/**
 * The streams of a room beside the agent's voice: receives the others' voices and pictures, sends this caller's picture.
 * On the transports of one Media, whose life it shares; knows nothing of who is behind a stream.
 */
import type { Consumer, Device, Producer, RtpParameters, Transport } from 'mediasoup-client/types';
import { rtpCapabilitiesSchema } from '../../../src/signaling/protocol.ts';
import { asFailure, type Failure } from './failure.ts';
import type { MediaOptions } from './media.ts';

export interface RoomMediaHandlers {
  /** What is received now: producerId -> stream. */
  received(streams: ReadonlyMap<string, MediaStream>): void;
  /** A stream that is wanted can't be had. */
  missed(producerId: string, failure: Failure): void;
}

export interface RoomMediaOptions {
  device: Device;
  send: Transport;
  recv: Transport;
  request: MediaOptions['request'];
}

/** What the POP lets through is 1.5 Mbit/s; a tile is small. */
const VIDEO_ENCODING = { maxBitrate: 800_000 } as const;

interface Reception {
  consumer: Consumer | null;
  stream: MediaStream | null;
}

export class RoomMedia {
  readonly #options: RoomMediaOptions;
  readonly #handlers: RoomMediaHandlers;
  readonly #receptions = new Map<string, Reception>();
  #picture: Producer | null = null;
  /** One change of the picture after the other. */
  #showing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: RoomMediaOptions, handlers: RoomMediaHandlers) {
    this.#options = options;
    this.#handlers = handlers;
  }

  /** Receive these and nothing else. */
  follow(producerIds: readonly string[]): void {
    const wanted = new Set(producerIds);
    let ended = false;
    for (const [producerId, { consumer, stream }] of this.#receptions) {
      if (wanted.has(producerId)) continue;
      this.#receptions.delete(producerId);
      consumer?.close();
      ended ||= stream !== null;
    }
    if (ended) this.#tell();
    for (const producerId of wanted) if (!this.#receptions.has(producerId)) void this.#receive(producerId);
  }

  /** Send this picture to the others; null: none. @throws CallFailure */
  show(track: MediaStreamTrack | null): Promise<void> {
    const shown = this.#showing.then(() => this.#show(track));
    this.#showing = shown.catch(() => undefined);
    return shown;
  }

  /** Idempotent. The camera's track lives on; the transports are closed by whoever made them. */
  close(): void {
    this.#closed = true;
    this.#receptions.clear();
  }

  async #receive(producerId: string): Promise<void> {
    const { device, recv, request } = this.#options;
    const reception: Reception = { consumer: null, stream: null };
    this.#receptions.set(producerId, reception);
    const wanted = () => !this.#closed && this.#receptions.get(producerId) === reception;
    try {
      const rtpCapabilities = rtpCapabilitiesSchema.parse(device.recvRtpCapabilities);
      const answer = await request('consume', { transportId: recv.id, rtpCapabilities, producerId });
      if (!wanted()) return;
      reception.consumer = await recv.consume({
        id: answer.consumerId,
        producerId: answer.producerId,
        kind: answer.kind,
        rtpParameters: answer.rtpParameters as unknown as RtpParameters,
      });
      if (!wanted()) {
        reception.consumer.close();
        return;
      }
      reception.stream = new MediaStream([reception.consumer.track]);
      this.#tell();
    } catch (error) {
      // What ended meanwhile is told of by the POP, and is wanted no more.
      if (!wanted()) return;
      this.#receptions.delete(producerId);
      this.#handlers.missed(producerId, asFailure(error));
    }
  }

  async #show(track: MediaStreamTrack | null): Promise<void> {
    if (this.#closed) return;
    // The POP takes one stream of video for as long as the transports live: without a picture it goes quiet.
    if (this.#picture) await this.#picture.replaceTrack({ track });
    else if (track) {
      this.#picture = await this.#options.send.produce({ track, encodings: [VIDEO_ENCODING], stopTracks: false });
    }
  }

  #tell(): void {
    const streams = [...this.#receptions].flatMap(([producerId, { stream }]) =>
      stream === null ? [] : [[producerId, stream] as const],
    );
    this.#handlers.received(new Map(streams));
  }
}
