/**
 * The WebRTC side of a session: one mediasoup-client device, a transport to send the caller's voice and one to receive
 * the agent's, and their upkeep by ICE restarts. What a room has beside that is room-media.ts's. One set of transports, one life: when it is lost, the call makes
 * another Media from the next answer of the server.
 */
import { Device } from 'mediasoup-client';
import type {
  ConnectionState,
  DtlsParameters,
  Producer,
  RtpCapabilities,
  RtpParameters,
  Transport,
} from 'mediasoup-client/types';
import type { Clock, Timer } from '../../../src/clock.ts';
import {
  dtlsParametersSchema,
  type JoinAnswer,
  type OfferedTransport,
  rtpCapabilitiesSchema,
  rtpParametersSchema,
  type SignalingAnswer,
  type SignalingData,
  type SignalingMethod,
} from '../../../src/signaling/protocol.ts';
import { asFailure, CallFailure, type Failure, failureOf } from './failure.ts';
import { type NetworkSample, readNetwork } from './network-sample.ts';
import { RoomMedia, type RoomMediaHandlers } from './room-media.ts';

export interface MediaHandlers extends RoomMediaHandlers {
  /** The agent's voice; play it. */
  heard(stream: MediaStream): void;
  /** Both directions flow, for the first time or again. */
  flowing(): void;
  /** A direction does not flow just now; ICE restarts are under way. */
  disrupted(): void;
  /** These transports are of no more use. Once. */
  lost(failure: Failure): void;
}

export interface MediaOptions {
  clock: Clock;
  request<M extends SignalingMethod>(method: M, data: SignalingData<M>): Promise<SignalingAnswer<M>>;
  /** Both directions must flow by then. */
  connectTimeoutMs?: number;
  /** An ICE restart that brought nothing by then is tried again. */
  iceRestartTimeoutMs?: number;
  iceRestarts?: number;
}

export const MEDIA_DEFAULTS = { connectTimeoutMs: 12_000, iceRestartTimeoutMs: 4_000, iceRestarts: 2 } as const;

/** What the call needs of media; Media is the one for browsers. */
export interface MediaPath {
  setUp(answer: JoinAnswer, track: Promise<MediaStreamTrack>): Promise<void>;
  /** Both directions have flowed at some time. */
  readonly established: boolean;
  replaceTrack(track: MediaStreamTrack): Promise<void>;
  heal(): void;
  /** In a room: receive these streams of others and no more, from when the transports are there. */
  follow(producerIds: readonly string[]): void;
  /** In a room: send this picture; null: none. @throws CallFailure */
  show(track: MediaStreamTrack | null): Promise<void>;
  sample(): Promise<NetworkSample>;
  close(): void;
}

/** FEC because loss on the way in is what costs recognition most; DTX because a caller listens most of the time. */
const CODEC_OPTIONS = { opusStereo: false, opusFec: true, opusDtx: true, opusMaxPlaybackRate: 48_000 } as const;

interface Line {
  transport: Transport;
  state: ConnectionState;
  restarts: number;
  timer: Timer | null;
}

export class Media implements MediaPath {
  readonly #options: Required<MediaOptions>;
  readonly #handlers: MediaHandlers;
  #lines: Line[] = [];
  #producer: Producer | null = null;
  /** Once both transports are there. */
  readonly #room = Promise.withResolvers<RoomMedia | null>();
  #connectTimer: Timer | null = null;
  #established = false;
  #flowing = false;
  #closed = false;

  constructor(options: MediaOptions, handlers: MediaHandlers) {
    this.#options = { ...MEDIA_DEFAULTS, ...options };
    this.#handlers = handlers;
  }

  get established(): boolean {
    return this.#established;
  }

  /**
   * Set both directions up at once. Requests go out without waiting for one another: the server takes them in any
   * order. Failures are reported by handlers.lost.
   */
  async setUp(answer: JoinAnswer, track: Promise<MediaStreamTrack>): Promise<void> {
    this.#connectTimer = this.#options.clock.setTimeout(
      () => this.#lose(failureOf('MEDIA_UNREACHABLE', 'WebRTC did not connect in time.')),
      this.#options.connectTimeoutMs,
    );
    try {
      if (!answer.sendTransport || !answer.recvTransport) {
        throw CallFailure.of('SERVER_ANSWER', 'The server offers no transports.');
      }
      const device = newDevice();
      // mediasoup-client checks and completes it itself; its type wants it complete already.
      await device.load({ routerRtpCapabilities: answer.routerRtpCapabilities as unknown as RtpCapabilities });
      if (this.#closed) return;
      const [recv, send] = await Promise.all([
        this.#receive(device, answer.recvTransport, answer.iceServers),
        this.#send(device, answer.sendTransport, answer.iceServers, track),
      ]);
      const { request } = this.#options;
      this.#room.resolve(this.#closed ? null : new RoomMedia({ device, recv, send, request }, this.#handlers));
    } catch (error) {
      this.#lose(asFailure(error));
    }
  }

  /** Another microphone for the same call. */
  async replaceTrack(track: MediaStreamTrack): Promise<void> {
    await this.#producer?.replaceTrack({ track });
  }

  /** The signaling is back: restart ICE on whatever does not flow. */
  heal(): void {
    for (const line of this.#lines) {
      if (line.state !== 'disconnected' && line.state !== 'failed') continue;
      line.restarts = 0;
      void this.#restartIce(line);
    }
  }

  follow(producerIds: readonly string[]): void {
    void this.#room.promise.then((room) => room?.follow(producerIds));
  }

  async show(track: MediaStreamTrack | null): Promise<void> {
    await (await this.#room.promise)?.show(track);
  }

  /** What WebRTC measured itself. */
  async sample(): Promise<NetworkSample> {
    const reports = await Promise.all(this.#lines.map((line) => line.transport.getStats()));
    const entries: Record<string, unknown>[] = [];
    for (const report of reports) {
      report.forEach((entry) => {
        entries.push(entry);
      });
    }
    return readNetwork(entries);
  }

  /** Idempotent. The microphone's track lives on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connectTimer?.cancel();
    this.#room.resolve(null);
    void this.#room.promise.then((room) => room?.close());
    for (const line of this.#lines) {
      line.timer?.cancel();
      line.transport.close();
    }
    this.#lines = [];
  }

  async #receive(device: Device, offer: OfferedTransport, iceServers: RTCIceServer[]): Promise<Transport> {
    // Asked before the transport is even made: the server's answer is what takes longest.
    const asked = this.#options.request('consume', {
      transportId: offer.transportId,
      rtpCapabilities: rtpCapabilitiesSchema.parse(device.recvRtpCapabilities),
    });
    const [answer, transport] = await Promise.all([asked, this.#watch(device, 'recv', offer, iceServers)]);
    if (this.#closed) return transport;
    const consumer = await transport.consume({
      id: answer.consumerId,
      producerId: answer.producerId,
      kind: answer.kind,
      rtpParameters: answer.rtpParameters as unknown as RtpParameters,
    });
    if (!this.#closed) this.#handlers.heard(new MediaStream([consumer.track]));
    return transport;
  }

  async #send(
    device: Device,
    offer: OfferedTransport,
    iceServers: RTCIceServer[],
    track: Promise<MediaStreamTrack>,
  ): Promise<Transport> {
    const transport = this.#watch(device, 'send', offer, iceServers);
    transport.on('produce', ({ kind, rtpParameters }, done, failed) => {
      this.#announceProducer(offer.transportId, kind, rtpParameters).then((id) => done({ id }), failed);
    });
    const microphone = await track;
    if (this.#closed) return transport;
    // Muting is the microphone's: mediasoup-client must not enable a muted track that takes another one's place.
    const keep = { disableTrackOnPause: false, stopTracks: false };
    this.#producer = await transport.produce({ track: microphone, codecOptions: CODEC_OPTIONS, ...keep });
    return transport;
  }

  async #announceProducer(transportId: string, kind: 'audio' | 'video', rtpParameters: RtpParameters): Promise<string> {
    const checked = rtpParametersSchema.parse(rtpParameters);
    const answer = await this.#options.request('produce', { transportId, kind, rtpParameters: checked });
    return answer.producerId;
  }

  async #announceDtls(transportId: string, dtlsParameters: DtlsParameters): Promise<void> {
    const checked = dtlsParametersSchema.parse(dtlsParameters);
    await this.#options.request('connectTransport', { transportId, dtlsParameters: checked });
  }

  #watch(device: Device, direction: 'send' | 'recv', offer: OfferedTransport, iceServers: RTCIceServer[]): Transport {
    const { transportId: id, iceParameters, iceCandidates, dtlsParameters } = offer;
    const options = { id, iceParameters, iceCandidates, dtlsParameters, iceServers };
    const transport = direction === 'send' ? device.createSendTransport(options) : device.createRecvTransport(options);
    const line: Line = { transport, state: 'new', restarts: 0, timer: null };
    this.#lines.push(line);
    transport.on('connect', ({ dtlsParameters: ours }, done) => {
      this.#announceDtls(id, ours).catch((error) => this.#lose(asFailure(error)));
      // Not waited for: what follows on the socket arrives after it, and DTLS repeats its hello until we are known.
      done();
    });
    transport.on('connectionstatechange', (state) => this.#changed(line, state));
    return transport;
  }

  #changed(line: Line, state: ConnectionState): void {
    if (this.#closed) return;
    line.state = state;
    if (state === 'connected') {
      line.timer?.cancel();
      line.timer = null;
      line.restarts = 0;
      if (this.#lines.length === 2 && this.#lines.every((other) => other.state === 'connected')) this.#flow();
      return;
    }
    if (state !== 'disconnected' && state !== 'failed') return;
    if (!this.#established) {
      if (state === 'failed') this.#lose(failureOf('MEDIA_UNREACHABLE', 'ICE failed.'));
      return;
    }
    if (this.#flowing) {
      this.#flowing = false;
      this.#handlers.disrupted();
    }
    if (this.#lines.every((other) => other.state === 'failed')) {
      this.#lose(failureOf('MEDIA_UNREACHABLE', 'ICE failed in both directions.'));
      return;
    }
    void this.#restartIce(line);
  }

  #flow(): void {
    this.#connectTimer?.cancel();
    this.#established = true;
    if (this.#flowing) return;
    this.#flowing = true;
    this.#handlers.flowing();
  }

  async #restartIce(line: Line): Promise<void> {
    if (line.timer !== null || this.#closed) return;
    if (line.restarts >= this.#options.iceRestarts) {
      this.#lose(failureOf('MEDIA_UNREACHABLE', 'ICE restarts brought nothing.'));
      return;
    }
    line.restarts += 1;
    line.timer = this.#options.clock.setTimeout(() => {
      line.timer = null;
      void this.#restartIce(line);
    }, this.#options.iceRestartTimeoutMs);
    try {
      const { iceParameters } = await this.#options.request('restartIce', { transportId: line.transport.id });
      if (!this.#closed) await line.transport.restartIce({ iceParameters });
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code !== 'CONNECTION_LOST' && failure.code !== 'SERVER_UNREACHABLE') {
        this.#lose(failure);
        return;
      }
      // Nothing to be had while the signaling is down; heal() comes when it is back.
      line.timer?.cancel();
      line.timer = null;
    }
  }

  #lose(failure: Failure): void {
    if (this.#closed) return;
    this.close();
    this.#handlers.lost(failure);
  }
}

function newDevice(): Device {
  try {
    return new Device();
  } catch (error) {
    throw CallFailure.of('BROWSER_UNSUPPORTED', 'mediasoup-client does not know this browser.', error);
  }
}
