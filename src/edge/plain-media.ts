/**
 * A caller's media without WebRTC: SRTP on one UDP port, keys exchanged by whoever opened the call, the peer latched by
 * its first packet. The door for gateways and for load; tap and writer are those of every call. Owns the transport.
 */
import type { Consumer, PlainTransport, Producer } from 'mediasoup/types';
import { type MediaWorker, opusProducerParameters, PIPE_OPUS_PAYLOAD_TYPE } from '../backbone/index.ts';
import type { MediaRoom } from './caller-media.ts';
import { directCapabilities } from './direct-capabilities.ts';
import { mediaFailure } from './media-failure.ts';

/** Key of one direction, as mediasoup's SrtpParameters: a secret. */
export interface PlainSrtpParameters {
  cryptoSuite: 'AEAD_AES_128_GCM' | 'AES_CM_128_HMAC_SHA1_80';
  keyBase64: string;
}

/** What the caller's side brings: the key and the SSRC of what it sends, Opus in payload type 100 at 48 kHz. */
export interface PlainCaller {
  srtpParameters: PlainSrtpParameters;
  ssrc: number;
}

/** Where the caller sends to, and how what it receives is protected. */
export interface PlainDoor {
  ip: string;
  port: number;
  srtpParameters: PlainSrtpParameters;
  payloadType: number;
}

export interface PlainMediaOptions {
  worker: MediaWorker;
  listenIp: string;
  announcedAddress: string | null;
  caller: PlainCaller;
  downlinkProducerId: string;
  /** Takes each RTP packet of the caller; the buffer is its own. */
  onUplink: (packet: Buffer) => void;
  /** In a room: what the others hear of the caller. */
  room?: Pick<MediaRoom, 'muted' | 'produces'> | undefined;
  /** Called whenever one of the getters may say something else. */
  onChange: () => void;
}

export class PlainMedia {
  readonly door: PlainDoor;
  readonly #transport: PlainTransport;
  #latched = false;

  private constructor(transport: PlainTransport, door: PlainDoor, onChange: () => void) {
    this.#transport = transport;
    this.door = door;
    transport.on('tuple', () => {
      this.#latched = true;
      onChange();
    });
    transport.observer.once('close', onChange);
  }

  /** @throws ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED */
  static async create(options: PlainMediaOptions): Promise<PlainMedia> {
    const { worker, caller, listenIp, announcedAddress, onUplink, onChange } = options;
    const { router, direct } = worker;
    let transport: PlainTransport | undefined;
    try {
      transport = await router.createPlainTransport({
        listenInfo: { protocol: 'udp', ip: listenIp, announcedAddress: announcedAddress ?? undefined },
        rtcpMux: true,
        comedia: true,
        enableSrtp: true,
        srtpCryptoSuite: caller.srtpParameters.cryptoSuite,
      });
      await transport.connect({ srtpParameters: caller.srtpParameters });
      const producer: Producer = await transport.produce({
        kind: 'audio',
        rtpParameters: opusProducerParameters(caller.ssrc),
        paused: options.room?.muted ?? false,
      });
      const listener: Consumer = await direct.consume({
        producerId: producer.id,
        rtpCapabilities: directCapabilities(router),
      });
      listener.on('rtp', onUplink);
      await transport.consume({
        producerId: options.downlinkProducerId,
        rtpCapabilities: directCapabilities(router),
      });
      const srtpParameters = transport.srtpParameters as PlainSrtpParameters;
      const door: PlainDoor = {
        ip: announcedAddress ?? listenIp,
        port: transport.tuple.localPort,
        srtpParameters,
        payloadType: PIPE_OPUS_PAYLOAD_TYPE,
      };
      options.room?.produces(producer);
      return new PlainMedia(transport, door, onChange);
    } catch (error) {
      transport?.close();
      throw mediaFailure(error, router, 'The plain transport could not be made from these parameters.');
    }
  }

  /** The caller has sent something, so there is a place to send to. */
  get ready(): boolean {
    return this.#latched && !this.#transport.closed;
  }

  get connected(): boolean {
    return this.ready;
  }

  get lost(): boolean {
    return this.#transport.closed;
  }

  get alive(): boolean {
    return !this.#transport.closed;
  }

  /** Plain transports have no handshake that could fail. */
  get dead(): boolean {
    return false;
  }

  /** Idempotent. */
  close(): void {
    this.#transport.close();
  }
}
