import { describe, expect, test } from 'vitest';
import { buildRtp, parseRtp, type RtpView, tsDelta } from '../../src/backbone/index.ts';
import { type DownlinkInput, DownlinkWriter } from '../../src/edge/downlink-writer.ts';
import type { Played } from '../../src/edge/played-position.ts';
import { FakeClock } from '../support/fake-clock.ts';

const SILENCE = 'f8fffe';

/** A writer whose mouth says its frames' numbers, one each 20 ms. */
class Rig {
  readonly clock = new FakeClock(0);
  readonly out: { atMs: number; view: RtpView }[] = [];
  readonly played: Played[] = [];
  readonly writer: DownlinkWriter;
  #next = 1;

  constructor() {
    this.writer = new DownlinkWriter({
      ssrc: 5,
      clock: this.clock,
      write: (packet) => this.out.push({ atMs: this.clock.now(), view: parseRtp(packet) as RtpView }),
      onPlayed: (position) => this.played.push(position),
    });
  }

  /** @param gap frames that the mouth is silent for before it begins */
  speak(input: DownlinkInput, count: number, gap = 0): void {
    this.#gapFrames += gap;
    for (let frame = 0; frame < count; frame++) {
      input.push(this.frame(this.#next++));
      this.clock.advance(20);
    }
  }

  #gapFrames = 0;

  frame(number: number): Buffer {
    const timestamp = (number + this.#gapFrames) * 960;
    const payload = Buffer.from(String(number));
    return buildRtp({ payloadType: 100, marker: false, sequenceNumber: number, timestamp, ssrc: 7, payload });
  }

  /** What the caller was sent: numbers of the mouth's frames, `-` for silence. */
  said(): string {
    return this.out.map(({ view }) => (view.payload.toString('hex') === SILENCE ? '-' : view.payload)).join(' ');
  }

  /** Times at which voice left. */
  voiceAtMs(): number[] {
    return this.out.flatMap(({ atMs, view }) => (view.payload.toString('hex') === SILENCE ? [] : [atMs]));
  }

  /** Sequence numbers have no hole and timestamps follow the clock to within a frame and a half. */
  assertContinuous(): void {
    for (const [index, { atMs, view }] of this.out.entries()) {
      expect(view.wireSequenceNumber).toBe(index);
      const first = this.out[0]!;
      expect(Math.abs(tsDelta(view.timestamp, first.view.timestamp) / 48 - (atMs - first.atMs))).toBeLessThanOrEqual(
        30,
      );
    }
    const steps = this.out.slice(1).map(({ view }, index) => tsDelta(view.timestamp, this.out[index]!.view.timestamp));
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(960);
  }
}

describe('a writer that holds the agent', () => {
  test('sends silence in the place of what is held, and goes on with the first frame that was', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 3);
    rig.writer.hold();
    rig.speak(input, 4);
    rig.writer.release();
    rig.speak(input, 3);
    rig.clock.advance(200);
    expect(rig.said()).toBe('1 2 3 - - - - 4 5 6 7 8 9 10');
    rig.assertContinuous();
  });

  test('plays what was held in the rhythm of its frames, as much later as the hold was long', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 2);
    rig.writer.hold();
    rig.speak(input, 10);
    rig.writer.release();
    rig.speak(input, 20);
    rig.clock.advance(400);
    expect(rig.voiceAtMs()).toEqual([0, 20, ...Array.from({ length: 30 }, (_, index) => 240 + index * 20)]);
    rig.assertContinuous();
    expect(rig.writer.stats()).toMatchObject({ written: 32, flushed: 0, late: 0 });
    expect(rig.clock.pendingCount).toBe(0);
  });

  test('reports as played what was, and nothing of what is held', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 5);
    rig.writer.hold();
    rig.speak(input, 20);
    expect(rig.writer.audible).toBe(false);
    expect(rig.writer.played).toMatchObject({ timestamp: 6 * 960, frames: 5 });
    expect(rig.played.at(-1)).toEqual({ epoch: 1, timestamp: 6 * 960, frames: 5 });
    expect(rig.writer.heldMs).toBe(400);
  });

  test('a flush takes what was held with it, and what comes next is played at once', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 2);
    rig.writer.hold();
    rig.speak(input, 5);
    rig.writer.flush(8 * 960);
    rig.writer.release();
    rig.speak(input, 2);
    expect(rig.said()).toBe('1 2 - - - - - 8 9');
    expect(rig.writer.stats()).toMatchObject({ written: 4, flushed: 5 });
    rig.assertContinuous();
  });

  test('a flush after the release takes what still waits', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 1);
    rig.writer.hold();
    rig.speak(input, 5);
    rig.writer.release();
    rig.clock.advance(20);
    rig.writer.flush(7 * 960);
    rig.clock.advance(500);
    expect(rig.said()).toBe('1 - - - - - 2 3');
    expect(rig.writer.stats()).toMatchObject({ written: 3, flushed: 3 });
  });

  test('catches up in the mouth’s next silence, which is left out', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 1);
    rig.writer.hold();
    rig.speak(input, 9);
    rig.writer.release();
    rig.speak(input, 2);
    // The mouth is silent from 240 to 540; all that it said before is played by 420.
    rig.clock.advance(300);
    rig.speak(input, 3, 15);
    expect(rig.voiceAtMs().slice(-4)).toEqual([400, 540, 560, 580]);
    rig.assertContinuous();
    expect(rig.writer.heldMs).toBe(0);
  });

  test('leaves out a silence within what was held', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 1);
    rig.writer.hold();
    rig.speak(input, 2);
    rig.clock.advance(400);
    rig.speak(input, 2, 20);
    rig.writer.release();
    rig.clock.advance(200);
    expect(rig.voiceAtMs()).toEqual([0, 500, 520, 540, 560]);
    rig.assertContinuous();
  });

  test('a frame that was lost on the way leaves its place empty', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 1);
    rig.writer.hold();
    for (const number of [2, 4, 5]) {
      rig.clock.advance(number === 4 ? 20 : 0);
      input.push(rig.frame(number));
      rig.clock.advance(20);
    }
    rig.clock.advance(20);
    rig.writer.release();
    rig.clock.advance(200);
    expect(rig.voiceAtMs()).toEqual([0, 120, 160, 180]);
    rig.assertContinuous();
  });

  test('holds a second time before all of the first was played', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 1);
    rig.writer.hold();
    rig.speak(input, 5);
    rig.writer.release();
    rig.speak(input, 2);
    rig.writer.hold();
    rig.speak(input, 3);
    rig.writer.release();
    rig.clock.advance(400);
    expect(rig.said()).toBe('1 - - - - - 2 3 4 - - - 5 6 7 8 9 10 11');
    rig.assertContinuous();
  });

  test('a newer core speaks at once, and nothing of the former one is heard again', () => {
    const rig = new Rig();
    const former = rig.writer.bind(1);
    rig.speak(former, 1);
    rig.writer.hold();
    rig.speak(former, 4);
    const next = rig.writer.bind(2);
    rig.writer.release();
    rig.speak(next, 2);
    expect(rig.said()).toBe('1 - - - - 6 7');
    expect(rig.writer.stats()).toMatchObject({ written: 3, stale_epoch: 4 });
  });

  test('keeps ten seconds, and counts what is more', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 1);
    rig.writer.hold();
    rig.speak(input, 510);
    expect(rig.writer.heldMs).toBe(10_000);
    expect(rig.writer.stats()).toMatchObject({ written: 1, overflow: 10 });
  });

  test('closed, it plays nothing more and leaves no timer', () => {
    const rig = new Rig();
    const input = rig.writer.bind(1);
    rig.speak(input, 1);
    rig.writer.hold();
    rig.speak(input, 4);
    rig.writer.release();
    rig.writer.close();
    rig.writer.hold();
    rig.clock.advance(1_000);
    expect(rig.said()).toBe('1 - - - - 2');
    expect(rig.clock.pendingCount).toBe(0);
  });
});
