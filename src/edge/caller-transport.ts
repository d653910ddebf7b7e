/**
 * One direction of a caller's WebRTC at the worker's WebRtcServer: its ICE and DTLS, and the streams on it, each once. Owns
 * the mediasoup transport; where a stream comes from or goes to is caller-media's.
 */
import type { Consumer, DtlsParameters, IceCandidate, IceParameters, Producer, WebRtcTransport } from 'mediasoup/types';
import type { MediaWorker } from '../backbone/index.ts';
import { AntipodeError } from '../errors.ts';
import { callerDtlsParameters, callerRtpCapabilities, callerRtpParameters } from './caller-parameters.ts';
import { mediaFailure } from './media-failure.ts';
import type { MediaKind } from './room-seat.ts';
import { callerVideoCapabilities, callerVideoParameters } from './room-video.ts';

/** What a client needs to set up its end, as mediasoup-client's `createSendTransport` options. */
export interface OfferedTransport {
  transportId: string;
  iceParameters: IceParameters;
  iceCandidates: IceCandidate[];
  dtlsParameters: DtlsParameters;
}

/** From the caller to us, or from us to the caller. */
export type CallerDirection = 'send' | 'recv';

/**
 * `lost`: was or may be connected and is not now; a caller whose ICE comes back is connected again. `dead`: its DTLS
 * failed or was closed by the client, nothing brings it back. `closed`: by us, or with its worker.
 */
export type CallerTransportState = 'new' | 'connected' | 'lost' | 'dead' | 'closed';

/** What a caller may send us, bit/s: Opus at its best with headers. */
const MAX_INCOMING_BITRATE_BPS = 160_000;
/** And more when it sends video: a good picture in one quality. */
const MAX_INCOMING_VIDEO_BPS = 1_500_000;
const INITIAL_OUTGOING_BITRATE_BPS = 100_000;
/** A browser's consent checks come every few seconds (RFC 7675); without one for this long its ICE is lost. */
const ICE_CONSENT_TIMEOUT_SECONDS = 15;

export class CallerTransport {
  readonly transportId: string;
  readonly direction: CallerDirection;
  readonly #transport: WebRtcTransport;
  readonly #onState: (state: CallerTransportState) => void;
  #state: CallerTransportState = 'new';
  #connecting = false;
  /** Kinds that are sent, or producers that are received. */
  readonly #streams = new Set<string>();

  private constructor(
    transport: WebRtcTransport,
    direction: CallerDirection,
    onState: (state: CallerTransportState) => void,
  ) {
    this.transportId = transport.id;
    this.direction = direction;
    this.#transport = transport;
    this.#onState = onState;
    transport.on('icestatechange', () => this.#update());
    transport.on('dtlsstatechange', () => this.#update());
    transport.observer.once('close', () => this.#update());
  }

  /**
   * @param onState called at each change of state
   * @throws ERR_MEDIA_WORKER_DIED
   */
  static async create(
    worker: MediaWorker,
    direction: CallerDirection,
    onState: (state: CallerTransportState) => void,
  ): Promise<CallerTransport> {
    const { router, webRtcServer } = worker;
    if (!webRtcServer) throw new AntipodeError('ERR_INTERNAL', `Media worker ${worker.name} takes no callers.`);
    let transport: WebRtcTransport | undefined;
    try {
      transport = await router.createWebRtcTransport({
        webRtcServer,
        enableUdp: true,
        enableTcp: true,
        preferUdp: true,
        iceConsentTimeout: ICE_CONSENT_TIMEOUT_SECONDS,
        initialAvailableOutgoingBitrate: INITIAL_OUTGOING_BITRATE_BPS,
      });
      if (direction === 'send') await transport.setMaxIncomingBitrate(MAX_INCOMING_BITRATE_BPS);
    } catch (error) {
      transport?.close();
      throw mediaFailure(error, router, 'The transport could not be made.');
    }
    return new CallerTransport(transport, direction, onState);
  }

  get state(): CallerTransportState {
    return this.#state;
  }

  offer(): OfferedTransport {
    const { id, iceParameters, iceCandidates, dtlsParameters } = this.#transport;
    return { transportId: id, iceParameters, iceCandidates, dtlsParameters };
  }

  /** @throws ERR_MEDIA_STATE at a second call, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED */
  async connect(dtlsParameters: unknown): Promise<void> {
    if (this.#connecting) throw new AntipodeError('ERR_MEDIA_STATE', 'This transport is connected already.');
    const checked = callerDtlsParameters(dtlsParameters);
    this.#connecting = true;
    try {
      await this.#transport.connect({ dtlsParameters: checked });
    } catch (error) {
      this.#connecting = false;
      throw mediaFailure(error, this.#transport, 'These DTLS parameters do not work.');
    }
  }

  /** New ICE credentials for a caller whose network changed. @throws ERR_MEDIA_WORKER_DIED */
  async restartIce(): Promise<IceParameters> {
    try {
      return await this.#transport.restartIce();
    } catch (error) {
      throw mediaFailure(error, this.#transport, 'ICE can not be restarted on this transport.');
    }
  }

  /**
   * The caller's one stream of this kind.
   * @param how.paused true for one that nobody is to hear yet
   * @throws ERR_MEDIA_STATE on the wrong transport and at a second call, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED
   */
  async produce(rtpParameters: unknown, kind: MediaKind = 'audio', how: { paused?: boolean } = {}): Promise<Producer> {
    return this.#once('send', kind, async () => {
      const checked = kind === 'audio' ? callerRtpParameters(rtpParameters) : callerVideoParameters(rtpParameters);
      if (kind === 'video') {
        await this.#transport.setMaxIncomingBitrate(MAX_INCOMING_BITRATE_BPS + MAX_INCOMING_VIDEO_BPS);
      }
      return this.#transport.produce({ kind, rtpParameters: checked, paused: how.paused ?? false });
    });
  }

  /**
   * A stream to the caller; a producer once, as long as it lives.
   * @throws ERR_MEDIA_STATE on the wrong transport and at a second call, ERR_MEDIA_PARAMETERS, ERR_MEDIA_WORKER_DIED
   */
  async consume(producerId: string, rtpCapabilities: unknown, kind: MediaKind = 'audio'): Promise<Consumer> {
    return this.#once('recv', producerId, async () => {
      const checked =
        kind === 'audio' ? callerRtpCapabilities(rtpCapabilities) : callerVideoCapabilities(rtpCapabilities);
      const consumer = await this.#transport.consume({ producerId, rtpCapabilities: checked });
      consumer.observer.once('close', () => this.#streams.delete(producerId));
      return consumer;
    });
  }

  /** Idempotent. */
  close(): void {
    this.#transport.close();
  }

  /** Each stream once; a failed attempt may be made again. */
  async #once<T>(direction: CallerDirection, stream: string, start: () => Promise<T>): Promise<T> {
    if (this.direction !== direction) {
      throw new AntipodeError('ERR_MEDIA_STATE', `That needs the ${direction} transport; this is the other one.`);
    }
    if (this.#streams.has(stream))
      throw new AntipodeError('ERR_MEDIA_STATE', 'This transport carries that stream already.');
    this.#streams.add(stream);
    try {
      return await start();
    } catch (error) {
      this.#streams.delete(stream);
      throw mediaFailure(error, this.#transport, 'These RTP parameters do not work.');
    }
  }

  #update(): void {
    const state = this.#read();
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }

  #read(): CallerTransportState {
    const { closed, dtlsState, iceState } = this.#transport;
    if (closed) return 'closed';
    if (dtlsState === 'failed' || dtlsState === 'closed') return 'dead';
    if (iceState === 'disconnected') return 'lost';
    if (dtlsState === 'connected') return 'connected';
    return this.#state === 'lost' ? 'lost' : 'new';
  }
}
