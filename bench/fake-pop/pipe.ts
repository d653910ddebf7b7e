/**
 * The fake POP's end of a backbone pipe: one UDP socket, SRTP both ways, without a media worker behind it. Sends what it
 * is given and hands RTP that arrives to the stream's listener with its time of arrival. Of what arrives only the header
 * is read, which SRTP leaves in the clear; the first packet of each stream is authenticated, to know the way is real.
 */
import { randomUUID } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import type { ControlClient } from '../../src/backbone/index.ts';
import { parseRtp, type RtpView } from '../../src/backbone/index.ts';
import { makePipeKey, PIPE_SUITE, PipeSrtp, type PipeSrtpKey } from './pipe-srtp.ts';

const IP = '127.0.0.1';
/** The kernel caps it at net.core.rmem_max. */
const SOCKET_BUFFER_BYTES = 8 * 2 ** 20;
/** RFC 5761: packet types 192 to 223 are RTCP. */
const isRtcp = (packet: Buffer) => packet[1]! >= 192 && packet[1]! <= 223;

/** The view's buffer is the listener's; its payload is encrypted. */
export type PipeListener = (view: RtpView, atMs: number) => void;

export class FakePipe {
  readonly pipeId: string;
  readonly #socket: Socket;
  readonly #out: PipeSrtp;
  readonly #in: PipeSrtp;
  readonly #listeners = new Map<number, { listener: PipeListener; authentic: boolean }>();
  /** RTP of streams that nobody listens to (any more), or that failed to authenticate. */
  strays = 0;

  private constructor(pipeId: string, socket: Socket, out: PipeSrtp, incoming: PipeSrtp) {
    this.pipeId = pipeId;
    this.#socket = socket;
    this.#out = out;
    this.#in = incoming;
    socket.on('message', (packet) => this.#receive(packet));
    // A core that is gone answers with ICMP; the reports then show that nothing came.
    socket.on('error', () => {});
  }

  /** @throws what the core says */
  static async open(client: ControlClient): Promise<FakePipe> {
    const socket = createSocket({
      type: 'udp4',
      recvBufferSize: SOCKET_BUFFER_BYTES,
      sendBufferSize: SOCKET_BUFFER_BYTES,
    });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind(0, IP, () => {
          socket.off('error', reject);
          resolve();
        });
      });
      const key = makePipeKey();
      const { port } = socket.address() as AddressInfo;
      const pipeId = randomUUID();
      const remote = await client.request('pipe.open', { pipeId, tuple: { ip: IP, port }, srtpParameters: key });
      if (remote.srtpParameters.cryptoSuite !== PIPE_SUITE) {
        throw new Error(`the core wants ${remote.srtpParameters.cryptoSuite} on its pipes`);
      }
      await new Promise<void>((resolve) => socket.connect(remote.tuple.port, remote.tuple.ip, resolve));
      return new FakePipe(pipeId, socket, new PipeSrtp(key), new PipeSrtp(remote.srtpParameters as PipeSrtpKey));
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** @param headerBytes fixed header and extension */
  send(packet: Buffer, headerBytes: number, number: number): void {
    this.#socket.send(this.#out.protect(packet, headerBytes, number));
  }

  listen(ssrc: number, listener: PipeListener): () => void {
    this.#listeners.set(ssrc, { listener, authentic: false });
    return () => this.#listeners.delete(ssrc);
  }

  close(): void {
    this.#socket.close();
  }

  #receive(packet: Buffer): void {
    const atMs = performance.now();
    if (packet.length < 12 || isRtcp(packet)) return;
    const view = parseRtp(packet);
    const entry = view && this.#listeners.get(view.ssrc);
    if (view && entry && !entry.authentic) entry.authentic = this.#isAuthentic(view);
    if (view && entry?.authentic) entry.listener(view, atMs);
    else this.strays += 1;
  }

  #isAuthentic(view: RtpView): boolean {
    try {
      // The first packet of a stream, so its roll-over counter is 0 (RFC 3711, section 3.3.1).
      this.#in.unprotect(view.packet, view.payloadOffset, view.wireSequenceNumber);
      return true;
    } catch {
      return false;
    }
  }
}
