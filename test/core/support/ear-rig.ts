/** An ear on a fake clock, with a decoder that can be read: it "decodes" a packet to samples of the value it carries. */
import type { EarFrame } from '../../../src/agent/types.ts';
import { buildRtp } from '../../../src/backbone/index.ts';
import { type CoreTotals, zeroTotals } from '../../../src/core/core-metrics.ts';
import { CallEar } from '../../../src/core/ear.ts';
import { NodeClock } from '../../../src/core/node-clock.ts';
import type { OpusDecoder } from '../../../src/core/opus-codec.ts';
import { opusPacketSamples } from '../../../src/core/opus-packet.ts';
import { silentLogger } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** What concealed samples read as. */
export const CONCEALED = -1;

/** First bytes of packets (RFC 6716, section 3.1): wideband SILK mono of one frame. */
const TOC = { 10: 0x40, 20: 0x48, 40: 0x50, 60: 0x58 } as const;
export type PacketMs = keyof typeof TOC;

export interface PacketOptions {
  /** Carries a copy of the packet before, which decodes to `value - 1`. */
  fec?: boolean;
  ms?: PacketMs;
  ssrc?: number;
}

export class ReadableDecoder implements OpusDecoder {
  damagedPackets = 0;
  closed = 0;
  decode(packet: Uint8Array): Int16Array | null {
    if (packet[2] === 255) return null;
    return new Int16Array(opusPacketSamples(packet) / 3).fill(packet[2] as number);
  }
  decodeFec(packet: Uint8Array, samples: number): Int16Array {
    return new Int16Array(samples).fill((packet[2] as number) - 1);
  }
  conceal(samples: number): Int16Array {
    return new Int16Array(samples).fill(CONCEALED);
  }
  close(): void {
    this.closed += 1;
  }
}

export class EarRig {
  readonly clock = new FakeClock(0);
  readonly nodeClock = new NodeClock({ clock: this.clock, log: silentLogger });
  readonly totals: CoreTotals = zeroTotals();
  readonly faults: unknown[] = [];
  readonly frames: EarFrame[] = [];
  readonly ear: CallEar;

  constructor(options: { decoder?: OpusDecoder; reorderWaitMs?: number; keepFrames?: boolean } = {}) {
    this.ear = new CallEar({
      clock: this.clock,
      nodeClock: this.nodeClock,
      decoder: options.decoder ?? new ReadableDecoder(),
      totals: this.totals,
      reorderWaitMs: options.reorderWaitMs ?? 40,
      onFault: (error) => this.faults.push(error),
    });
    if (options.keepFrames !== false) this.ear.onFrame((frame) => this.frames.push(frame));
  }

  /** A packet that decodes to samples of `value` (0 to 254; 255 cannot be decoded). */
  packet(sequenceNumber: number, timestamp: number, value: number, options: PacketOptions = {}): void {
    const toc = TOC[options.ms ?? 20];
    // The copy's flag follows one voice activity bit for each 20 ms (RFC 6716, section 4.2.3).
    const flag = options.fec ? 0x80 >> Math.max(1, (options.ms ?? 20) / 20) : 0;
    this.payload(sequenceNumber, timestamp, Uint8Array.of(toc, flag, value), options.ssrc);
  }

  payload(sequenceNumber: number, timestamp: number, payload: Uint8Array, ssrc = 7): void {
    this.ear.receive(buildRtp({ payloadType: 100, marker: false, sequenceNumber, timestamp, ssrc, payload }));
  }

  /** A second of a caller's life goes by in one line: value (or origin) and count of equal frames in a row. */
  get story(): string {
    const words: string[] = [];
    let count = 0;
    for (let index = 0; index < this.frames.length; index++) {
      const word = this.#word(this.frames[index] as EarFrame);
      count += 1;
      const next = this.frames[index + 1];
      if (next && this.#word(next) === word) continue;
      words.push(count > 1 ? `${word}*${count}` : word);
      count = 0;
    }
    return words.join(' ');
  }

  #word(frame: EarFrame): string {
    return frame.origin === 'received'
      ? `${frame.pcm[0]}`
      : frame.origin === 'fec'
        ? `fec${frame.pcm[0]}`
        : frame.origin;
  }
}
