/** A mouth on a fake clock, with an encoder that can be read: a packet is the first sample of its frame. */
import type { Heard, MouthEvents } from '../../../src/agent/types.ts';
import { parseRtp } from '../../../src/backbone/index.ts';
import { type CoreTotals, zeroTotals } from '../../../src/core/core-metrics.ts';
import { CallMouth, type CallMouthOptions } from '../../../src/core/mouth.ts';
import { NodeClock } from '../../../src/core/node-clock.ts';
import type { OpusEncoder, OpusEncoderOptions } from '../../../src/core/opus-codec.ts';
import { silentLogger } from '../../../src/telemetry/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

export interface SentFrame {
  atMs: number;
  sequenceNumber: number;
  timestamp: number;
  marker: boolean;
  /** First and last sample of the frame, and its length. */
  first: number;
  last: number;
  samples: number;
}

export class MouthRig {
  readonly clock = new FakeClock(0);
  readonly nodeClock = new NodeClock({ clock: this.clock, log: silentLogger });
  readonly totals: CoreTotals = zeroTotals();
  readonly sent: SentFrame[] = [];
  readonly flushes: number[] = [];
  readonly faults: unknown[] = [];
  /** `started 1`, `progressed 1 40`, `ended 1 100 complete`. */
  readonly events: string[] = [];
  readonly encoders = { made: [] as number[], closed: 0, frames: 0 };
  readonly mouth: CallMouth;

  constructor(options: Partial<CallMouthOptions> = {}) {
    this.mouth = new CallMouth({
      clock: this.clock,
      nodeClock: this.nodeClock,
      createEncoder: async (wanted) => this.#encoder(wanted),
      totals: this.totals,
      ssrc: 77,
      sendFlush: (beforeTimestamp) => this.flushes.push(beforeTimestamp),
      onFault: (error) => this.faults.push(error),
      firstTimestamp: 0,
      firstSequenceNumber: 0,
      ...options,
    });
    this.mouth.on('started', ({ utterance }) => this.events.push(`started ${utterance}`));
    this.mouth.on('progressed', (heard) => this.events.push(`progressed ${words(heard)}`));
    this.mouth.on('ended', (end) => this.events.push(`ended ${words(end)}${end.flushed ? ' flushed' : ''}`));
    this.attach();
  }

  attach(): void {
    this.mouth.attach((packet) => {
      const view = parseRtp(packet);
      if (view?.ssrc !== 77) throw new Error('not a packet of this mouth');
      const pcm = new Int16Array(new Uint8Array(view.payload).buffer);
      this.sent.push({
        atMs: this.clock.now(),
        sequenceNumber: view.packetNumber as number,
        timestamp: view.timestamp,
        marker: view.marker,
        first: pcm[0] as number,
        last: pcm.at(-1) as number,
        samples: pcm[1] as number,
      });
    });
  }

  /** Write `ms` of samples of `value`, and let a new encoder come to be. */
  async write(utterance: number, ms: number, value = 1, sampleRate = 16_000): Promise<void> {
    this.mouth.write(utterance, new Int16Array((sampleRate * ms) / 1_000).fill(value), sampleRate);
    await settled();
  }

  /** An utterance of `ms`, whole. */
  async say(ms: number, value = 1, sampleRate = 16_000): Promise<number> {
    const utterance = this.mouth.open();
    await this.write(utterance, ms, value, sampleRate);
    this.mouth.finish(utterance);
    return utterance;
  }

  times(): number[] {
    return this.sent.map((frame) => frame.atMs);
  }

  on<E extends keyof MouthEvents>(event: E, listener: (...args: MouthEvents[E]) => void): void {
    this.mouth.on(event, listener);
  }

  #encoder({ sampleRate }: OpusEncoderOptions): OpusEncoder {
    this.encoders.made.push(sampleRate);
    return {
      sampleRate,
      frameSamples: sampleRate / 50,
      encode: (pcm) => {
        this.encoders.frames += 1;
        return new Uint8Array(Int16Array.of(pcm[0] as number, pcm.length, pcm.at(-1) as number).buffer);
      },
      close: () => {
        this.encoders.closed += 1;
      },
    };
  }
}

export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function words(heard: Heard): string {
  return `${heard.utterance} ${Math.round(heard.playedMs)}/${Math.round(heard.writtenMs)}${heard.complete ? ' complete' : ''}`;
}
