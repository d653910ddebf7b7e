/**
 * The media of one chaos caller at one POP: two transports, the packets that it sends, the packets that come. Owns both
 * transports; what is said and what is heard is its user's.
 */
import { RtpHeader } from 'werift-rtp';
import type { SignalingClient } from '../../../src/call/signaling-client.ts';
import type { JoinAnswer } from '../../../src/signaling/protocol.ts';
import type { CallerIdentity } from '../web-rtc/caller-identity.ts';
import { LightTransport } from '../web-rtc/light-transport.ts';

const OPUS = { mimeType: 'audio/opus', clockRate: 48_000, channels: 2, parameters: {} };
const FRAME_TIMESTAMPS = 960;

export interface ChaosMediaOptions {
  answer: JoinAnswer;
  signaling: Pick<SignalingClient, 'request'>;
  identity: CallerIdentity;
  ssrc: number;
  /** A frame of the agent's voice. */
  onFrame(payload: Buffer, timestamp: number): void;
  /** The POP's media is gone. */
  onLost(): void;
}

export class ChaosMedia {
  readonly #options: ChaosMediaOptions;
  readonly #send: LightTransport;
  readonly #receive: LightTransport;
  readonly #payloadType: number;
  #sent = 0;

  /** @throws Error when the answer offers no transports */
  constructor(options: ChaosMediaOptions) {
    this.#options = options;
    const { sendTransport, recvTransport, routerRtpCapabilities } = options.answer;
    if (sendTransport === null || recvTransport === null) throw new Error('the POP offers no transports');
    const { identity } = options;
    const opus = routerRtpCapabilities.codecs.find(({ mimeType }) => mimeType.toLowerCase() === 'audio/opus');
    this.#payloadType = opus?.preferredPayloadType ?? 100;
    const onRefused = () => options.onLost();
    this.#send = new LightTransport({ offer: sendTransport, identity, onRtp: () => {}, onRefused });
    this.#receive = new LightTransport({ offer: recvTransport, identity, onRtp: (packet) => this.#took(packet) });
  }

  /** Resolves when both ways are open. @throws what the POP answers */
  async connect(): Promise<void> {
    const { signaling, ssrc } = this.#options;
    const payloadType = this.#payloadType;
    const consumed = signaling.request('consume', {
      transportId: this.#receive.transportId,
      rtpCapabilities: { codecs: [{ kind: 'audio', ...OPUS, preferredPayloadType: payloadType }] },
    });
    const produced = signaling.request('produce', {
      transportId: this.#send.transportId,
      kind: 'audio',
      rtpParameters: { codecs: [{ ...OPUS, payloadType }], encodings: [{ ssrc }] },
    });
    await Promise.all([consumed, produced, this.#open(this.#send), this.#open(this.#receive)]);
  }

  /** The next 20 ms of the caller; nothing before the way is open. */
  send(payload: Buffer): void {
    if (!this.#send.isOpen) return;
    const header = new RtpHeader({
      payloadType: this.#payloadType,
      sequenceNumber: this.#sent & 0xffff,
      timestamp: (this.#sent * FRAME_TIMESTAMPS) >>> 0,
      ssrc: this.#options.ssrc,
      marker: this.#sent === 0,
    });
    this.#sent += 1;
    this.#send.sendRtp(payload, header);
  }

  /** Idempotent. */
  close(): void {
    this.#send.close();
    this.#receive.close();
  }

  async #open(transport: LightTransport): Promise<void> {
    const { fingerprints } = transport.dtlsParameters;
    const dtlsParameters = { role: 'client' as const, fingerprints: [...fingerprints] };
    const told = this.#options.signaling.request('connectTransport', {
      transportId: transport.transportId,
      dtlsParameters,
    });
    await Promise.all([told, transport.connect()]);
  }

  #took(packet: Buffer): void {
    const payload = this.#receive.payloadOf(packet);
    if (payload !== null) this.#options.onFrame(payload, packet.readUInt32BE(4));
  }
}
