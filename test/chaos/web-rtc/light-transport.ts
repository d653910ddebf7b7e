/**
 * One WebRTC transport of a cheap caller: ICE towards an ICE-lite server, DTLS, SRTP, on one UDP socket. Owns the socket.
 * What is in the RTP is its user's.
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { RtpHeader, type SrtpSession } from 'werift-rtp';
import { LIGHT_CALLER_SUITE, srtpSession } from '../../../bench/light-caller/srtp-key.ts';
import type { OfferedTransport } from '../../../src/signaling/protocol.ts';
import type { CallerIdentity } from './caller-identity.ts';
import { DtlsClient } from './dtls-client.ts';
import { bindingRequest, isBindingSuccess } from './stun.ts';

/** Before a check or a flight that had no answer is sent again. */
const AGAIN_MS = 250;
/** A server forgets a caller that checks less often than it likes (RFC 7675). */
const CONSENT_MS = 2_000;

export interface LightTransportOptions {
  offer: OfferedTransport;
  identity: CallerIdentity;
  /** An RTP packet of the POP's, still protected; RTCP is not told. */
  onRtp(packet: Buffer): void;
  /** Nobody listens there any more, as ICMP tells: once. */
  onRefused?(): void;
}

export class LightTransport {
  readonly transportId: string;
  readonly #options: LightTransportOptions;
  readonly #socket: Socket = createSocket('udp4');
  readonly #fragment = randomBytes(4).toString('hex');
  readonly #tieBreaker = randomBytes(8);
  readonly #dtls: DtlsClient;
  readonly #bound = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | null = null;
  #srtp: SrtpSession | null = null;
  #isRefused = false;
  #closed = false;

  constructor(options: LightTransportOptions) {
    this.#options = options;
    this.transportId = options.offer.transportId;
    const announced = options.offer.dtlsParameters.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
    this.#dtls = new DtlsClient({
      identity: options.identity,
      serverFingerprint: announced?.value ?? '',
      send: (packet) => this.#send(packet),
    });
    this.#bound.promise.catch(() => {});
  }

  /** Of `connectTransport`. */
  get dtlsParameters() {
    const { fingerprint } = this.#options.identity;
    return { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] } as const;
  }

  /**
   * Resolves when packets can be sent. The POP must have been told `dtlsParameters` soon after.
   * @throws Error when it is closed before
   */
  async connect(): Promise<void> {
    const { iceCandidates, iceParameters } = this.#options.offer;
    const candidate = iceCandidates.find(({ protocol }) => protocol === 'udp');
    if (candidate === undefined) throw new Error('the POP offers no UDP');
    this.#socket.on('message', (packet) => this.#receive(packet));
    this.#socket.connect(candidate.port, candidate.address);
    await once(this.#socket, 'connect');
    this.#socket.on('error', () => this.#refused());
    let isBound = false;
    const check = () => {
      if (this.#closed) return;
      this.#send(bindingRequest(iceParameters, this.#fragment, this.#tieBreaker));
      if (isBound && this.#srtp === null) this.#dtls.again();
      this.#timer = setTimeout(check, this.#srtp === null ? AGAIN_MS : CONSENT_MS);
    };
    check();
    await this.#bound.promise;
    isBound = true;
    this.#dtls.start();
    const keys = await this.#dtls.keys;
    const key = (keyBase64: string) => ({ cryptoSuite: LIGHT_CALLER_SUITE, keyBase64 }) as const;
    this.#srtp = srtpSession(key(keys.client), key(keys.server));
  }

  /** Whether `sendRtp` does anything. */
  get isOpen(): boolean {
    return this.#srtp !== null && !this.#closed;
  }

  sendRtp(payload: Buffer, header: RtpHeader): void {
    if (this.#srtp !== null) this.#send(this.#srtp.encrypt(payload, header));
  }

  /** Payload of a packet that `onRtp` was told of; null when it is not the POP's. */
  payloadOf(packet: Buffer): Buffer | null {
    try {
      const clear = this.#srtp?.decrypt(packet);
      return clear === undefined ? null : clear.subarray(RtpHeader.deSerialize(clear).payloadOffset);
    } catch {
      return null;
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#bound.reject(new Error('the transport was closed'));
    this.#dtls.close();
    this.#socket.close();
  }

  #send(packet: Buffer): void {
    if (this.#closed) return;
    this.#socket.send(packet, (error) => {
      if (error) this.#refused();
    });
  }

  #refused(): void {
    if (this.#closed || this.#srtp === null || this.#isRefused) return;
    this.#isRefused = true;
    this.#options.onRefused?.();
  }

  #receive(packet: Buffer): void {
    const first = packet[0] ?? 0;
    if (first < 2) {
      if (isBindingSuccess(packet)) this.#bound.resolve();
    } else if (first >= 20 && first < 64) this.#dtls.receive(packet);
    else if (packet.length >= 12 && (packet[1]! < 192 || packet[1]! > 223)) this.#options.onRtp(packet);
  }
}
