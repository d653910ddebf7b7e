import { describe, expect, test } from 'vitest';
import { buildRtp, parseRtp, type RtpView, tsDelta } from '../../src/backbone/index.ts';
import { type DownlinkInput, DownlinkWriter, type DownlinkWriterOptions } from '../../src/edge/downlink-writer.ts';
import type { Played } from '../../src/edge/played-position.ts';
import { FakeClock } from '../support/fake-clock.ts';

const SSRC = 0xbea7;

function mouthPacket(seq: number, timestamp = seq * 960, payload = 'x') {
  return buildRtp({
    payloadType: 100,
    marker: false,
    sequenceNumber: seq,
    timestamp: timestamp >>> 0,
    ssrc: 77,
    payload: Buffer.from(payload),
  });
}

function setUp(options: Partial<DownlinkWriterOptions> = {}) {
  const clock = new FakeClock();
  const out: RtpView[] = [];
  const played: Played[] = [];
  const writer = new DownlinkWriter({
    ssrc: SSRC,
    clock,
    write: (packet) => out.push(parseRtp(packet) as RtpView),
    onPlayed: (position) => played.push(position),
    ...options,
  });
  return {
    clock,
    out,
    played,
    writer,
    /** One packet each 20 ms from `seq` on. */
    speak(input: DownlinkInput, seq: number, count: number, tsOffset = 0) {
      for (let n = 0; n < count; n++) {
        input.push(mouthPacket(seq + n, (seq + n) * 960 + tsOffset));
        clock.advance(20);
      }
    },
    sequence: () => out.map((view) => view.wireSequenceNumber),
    timestamps: () => out.map((view) => view.timestamp),
    markers: () => out.map((view) => view.marker),
    /** Step of each timestamp from the one before. */
    steps: () => out.slice(1).map((view, index) => tsDelta(view.timestamp, (out[index] as RtpView).timestamp)),
  };
}

describe('DownlinkWriter', () => {
  test('writes one stream: its SSRC, its numbers, the mouth’s payload, a marker first and no extension', () => {
    const { writer, out, speak, sequence, markers, steps } = setUp({ firstSequenceNumber: 7, firstTimestamp: 5_000 });
    speak(writer.bind(1), 900, 3, 777);
    expect(sequence()).toEqual([7, 8, 9]);
    expect(out[0]?.timestamp).toBe(5_000);
    expect(steps()).toEqual([960, 960]);
    expect(markers()).toEqual([true, false, false]);
    expect(out.every((view) => view.ssrc === SSRC && view.payload.toString() === 'x')).toBe(true);
    expect(out[0]?.packetNumber).toBeNull();
    expect(out[0]?.payloadOffset).toBe(12);
  });

  test('a frame lost on the backbone: numbers without a hole, the timestamp over it', () => {
    const { writer, clock, speak, sequence, steps, markers } = setUp();
    const input = writer.bind(1);
    speak(input, 1, 2);
    clock.advance(20);
    speak(input, 4, 2);
    expect(sequence()).toEqual([0, 1, 2, 3]);
    expect(steps()).toEqual([960, 1_920, 960]);
    expect(markers()).toEqual([true, false, false, false]);
  });

  test('waits half a frame for a missing packet, and puts it in its place when it comes', () => {
    const { writer, clock, out, speak, steps } = setUp({ reorderWaitMs: 10 });
    const input = writer.bind(1);
    speak(input, 1, 1);
    input.push(mouthPacket(3, 3 * 960, 'three'));
    clock.advance(9);
    expect(out).toHaveLength(1);
    input.push(mouthPacket(2, 2 * 960, 'two'));
    expect(out.map((view) => view.payload.toString())).toEqual(['x', 'two', 'three']);
    expect(steps()).toEqual([960, 960]);
  });

  test('writes what waits when the wait is over; the missing one is late when it comes after all', () => {
    const { writer, clock, out, speak } = setUp({ reorderWaitMs: 10 });
    const input = writer.bind(1);
    speak(input, 1, 1);
    input.push(mouthPacket(3));
    clock.advance(10);
    expect(out).toHaveLength(2);
    input.push(mouthPacket(2));
    input.push(mouthPacket(3));
    expect(out).toHaveLength(2);
    expect(writer.stats()).toMatchObject({ written: 2, late: 1, duplicate: 1 });
  });

  test('does not wait on when many are there', () => {
    const { writer, out } = setUp();
    const input = writer.bind(1);
    for (const seq of [1, 3, 4, 5, 6]) input.push(mouthPacket(seq));
    expect(out).toHaveLength(1);
    input.push(mouthPacket(7));
    expect(out).toHaveLength(6);
  });

  test('drops duplicates, of what was written and of what waits', () => {
    const { writer, clock, out } = setUp();
    const input = writer.bind(1);
    for (const seq of [1, 1, 2, 1, 4, 4]) input.push(mouthPacket(seq));
    clock.advance(10);
    input.push(mouthPacket(4));
    expect(out).toHaveLength(3);
    expect(writer.stats()).toMatchObject({ written: 3, duplicate: 4, late: 0 });
  });

  test('a pause that the mouth counts and one that it does not: both advance by the time that passed', () => {
    for (const mouthCounts of [true, false]) {
      const { writer, clock, speak, steps, markers, sequence } = setUp();
      const input = writer.bind(1);
      speak(input, 1, 2);
      clock.advance(980);
      speak(input, 3, 2, mouthCounts ? 49 * 960 : 0);
      expect(steps()).toEqual([960, 48_000, 960]);
      expect(markers()).toEqual([true, false, true, false]);
      expect(sequence()).toEqual([0, 1, 2, 3]);
    }
  });

  test('keeps the mouth’s spacing within a spurt, however the packets are delayed', () => {
    const { writer, clock, steps, markers } = setUp();
    const input = writer.bind(1);
    [0, 35, 1, 40, 5, 19, 50, 0].forEach((waitMs, index) => {
      clock.advance(waitMs);
      input.push(mouthPacket(index, index * 960));
    });
    expect(steps()).toEqual([960, 960, 960, 960, 960, 960, 960]);
    expect(markers().filter(Boolean)).toHaveLength(1);
  });

  test('a new epoch never jumps back: numbers go on, the timestamp goes on by the time that passed', () => {
    const { writer, clock, speak, sequence, steps, markers, out } = setUp();
    speak(writer.bind(1), 1, 3);
    clock.advance(180);
    speak(writer.bind(2), 60_000, 2, 0x7fff_0000);
    expect(sequence()).toEqual([0, 1, 2, 3, 4]);
    expect(steps()).toEqual([960, 960, 9_600, 960]);
    expect(markers()).toEqual([true, false, false, true, false]);
    expect(out).toHaveLength(5);
  });

  test('a new epoch without a pause still advances by a frame at least', () => {
    const { writer, steps } = setUp();
    writer.bind(1).push(mouthPacket(1));
    writer.bind(2).push(mouthPacket(1, 40));
    expect(steps()).toEqual([960]);
  });

  test('fences off the older epoch: its packets are dropped and counted, those that wait too', () => {
    const { writer, clock, out } = setUp();
    const slow = writer.bind(1);
    slow.push(mouthPacket(1));
    slow.push(mouthPacket(3));
    const successor = writer.bind(2);
    slow.push(mouthPacket(2));
    successor.push(mouthPacket(1, 960, 'new'));
    clock.advance(50);
    expect(out.map((view) => view.payload.toString())).toEqual(['x', 'new']);
    expect(writer.stats()).toMatchObject({ written: 2, stale_epoch: 2, epoch: 2 });
    expect(() => writer.bind(1)).toThrow(expect.objectContaining({ code: 'ERR_BACKBONE_EPOCH' }));
  });

  test('the same epoch by a new pipe goes on where it was', () => {
    const { writer, speak, steps, markers } = setUp();
    const before = writer.bind(3);
    speak(before, 10, 2);
    const after = writer.bind(3);
    before.push(mouthPacket(12));
    after.push(mouthPacket(11));
    speak(after, 12, 2);
    expect(steps()).toEqual([960, 960, 960]);
    expect(markers()).toEqual([true, false, false, false]);
    expect(writer.stats()).toMatchObject({ written: 4, stale_epoch: 1, duplicate: 1 });
  });

  test('survives the wrap of the mouth’s numbers and of its own', () => {
    const { writer, clock, out, sequence, steps } = setUp({
      firstSequenceNumber: 65_534,
      firstTimestamp: 0xffff_ffff - 1_500,
    });
    const input = writer.bind(1);
    for (let n = 0; n < 5; n++) {
      input.push(mouthPacket(65_533 + n, 0xffff_ffff - 2_000 + n * 960));
      clock.advance(20);
    }
    expect(sequence()).toEqual([65_534, 65_535, 0, 1, 2]);
    expect(steps()).toEqual([960, 960, 960, 960]);
    expect(out.every((view) => view.timestamp >= 0 && view.timestamp <= 0xffff_ffff)).toBe(true);
    expect(writer.stats().written).toBe(5);
  });

  test('a numbering that jumps is taken as new, not as late for ever', () => {
    const { writer, speak, steps } = setUp();
    const input = writer.bind(1);
    speak(input, 20_000, 2);
    speak(input, 5, 2);
    expect(steps()).toEqual([960, 960, 960]);
    expect(writer.stats()).toMatchObject({ written: 4, late: 0 });
  });

  test('a timestamp that runs far ahead of time is not followed', () => {
    const { writer, clock, steps } = setUp();
    const input = writer.bind(1);
    input.push(mouthPacket(1, 0));
    clock.advance(20);
    input.push(mouthPacket(2, 500_000));
    expect(steps()).toEqual([960]);
  });

  test('drops and counts what is no RTP or carries nothing', () => {
    const { writer, out } = setUp();
    const input = writer.bind(1);
    input.push(Buffer.from('nonsense'));
    input.push(mouthPacket(1, 960, ''));
    input.push(mouthPacket(1));
    expect(out).toHaveLength(1);
    expect(writer.stats()).toMatchObject({ malformed: 2, written: 1 });
  });
});

describe('DownlinkWriter over an hour of talk', () => {
  /** Spurts of 8 s and pauses of 4 s by a core whose clock is `ppm` fast; returns the line's stray from the POP's clock. */
  function strayAfterAnHour(ppm: number, mouthCounts: boolean): { atEndMs: number; worstMs: number } {
    const { writer, clock, out } = setUp();
    const input = writer.bind(1);
    const frameMs = 20 / (1 + ppm / 1e6);
    const startMs = clock.now();
    let seq = 0;
    let timestamp = 0;
    let worstMs = 0;
    let atEndMs = 0;
    let line = 0;
    let lastTimestamp: number | null = null;
    while (clock.now() - startMs < 3_600_000) {
      for (let n = 0; n < 400; n++) {
        input.push(mouthPacket(seq++, timestamp));
        const written = out.pop() as RtpView;
        if (lastTimestamp !== null) line += tsDelta(written.timestamp, lastTimestamp);
        lastTimestamp = written.timestamp;
        atEndMs = line / 48 - (clock.now() - startMs);
        worstMs = Math.max(worstMs, Math.abs(atEndMs));
        timestamp += 960;
        clock.advance(frameMs);
      }
      if (mouthCounts) timestamp += 200 * 960;
      clock.advance(200 * frameMs);
    }
    return { atEndMs, worstMs };
  }

  for (const ppm of [200, -200]) {
    for (const mouthCounts of [true, false]) {
      const name = `a core ${ppm > 0 ? 'fast' : 'slow'} by 200 ppm, pauses ${mouthCounts ? '' : 'not '}counted by the mouth`;
      test(`${name}: the line stays with the POP’s clock`, () => {
        // Unchecked, 200 ppm are 720 ms in an hour.
        const { atEndMs, worstMs } = strayAfterAnHour(ppm, mouthCounts);
        expect(Math.abs(atEndMs)).toBeLessThan(45);
        expect(worstMs).toBeLessThan(45);
      });
    }
  }

  test('a spurt of an hour keeps the mouth’s spacing, and the next one is back on the POP’s clock', () => {
    const { writer, clock, out } = setUp();
    const input = writer.bind(1);
    const startMs = clock.now();
    const first = 0;
    for (let n = 0; n < 180_000; n++) {
      input.push(mouthPacket(n));
      clock.advance(20.002);
    }
    expect(tsDelta((out.at(-1) as RtpView).timestamp, first)).toBe(179_999 * 960);
    clock.advance(500);
    const elapsedMs = clock.now() - startMs;
    input.push(mouthPacket(180_000));
    expect(Math.abs((out.at(-1) as RtpView).timestamp / 48 - elapsedMs)).toBeLessThan(11);
  });
});

describe('DownlinkWriter.flush()', () => {
  test('drops what is on its way before the mark and lets through what follows, without a wait for the dropped', () => {
    const { writer, clock, out, speak } = setUp();
    const input = writer.bind(1);
    speak(input, 1, 2);
    writer.flush(5 * 960);
    speak(input, 3, 2);
    clock.advance(60);
    input.push(mouthPacket(5, 5 * 960, 'kept'));
    expect(out.at(-1)?.payload.toString()).toBe('kept');
    expect(writer.stats()).toMatchObject({ written: 3, flushed: 2 });
  });

  test('drops what waits for a missing packet', () => {
    const { writer, clock, out, speak } = setUp();
    const input = writer.bind(1);
    speak(input, 1, 1);
    input.push(mouthPacket(3));
    writer.flush(10 * 960);
    expect(writer.stats()).toMatchObject({ flushed: 1 });
    clock.advance(100);
    expect(out).toHaveLength(1);
    expect(clock.pendingCount).toBe(0);
  });

  test('an older mark does not undo a newer one, and marks work across the wrap', () => {
    const { writer, out } = setUp();
    const input = writer.bind(1);
    writer.flush(500);
    writer.flush(0xffff_ff00);
    input.push(mouthPacket(1, 0xffff_fff0));
    input.push(mouthPacket(2, 400));
    input.push(mouthPacket(3, 500));
    expect(out).toHaveLength(1);
    expect(writer.stats()).toMatchObject({ flushed: 2 });
  });

  test('a mark ends with its epoch', () => {
    const { writer, out } = setUp();
    writer.bind(1);
    writer.flush(0x1000_0000);
    writer.bind(2).push(mouthPacket(1, 5));
    expect(out).toHaveLength(1);
  });
});

describe('DownlinkWriter tells what was played', () => {
  test('at the start, every 100 ms and at the stop, just after the last frame', () => {
    const { writer, clock, played, speak } = setUp();
    speak(writer.bind(4), 100, 12);
    expect(played).toEqual([
      { epoch: 4, timestamp: 101 * 960, frames: 1 },
      { epoch: 4, timestamp: 106 * 960, frames: 6 },
      { epoch: 4, timestamp: 111 * 960, frames: 11 },
    ]);
    clock.advance(39);
    expect(played).toHaveLength(3);
    clock.advance(61);
    expect(played.at(-1)).toEqual({ epoch: 4, timestamp: 112 * 960, frames: 12 });
    expect(played).toHaveLength(4);
    expect(clock.pendingCount).toBe(0);
  });

  test('again at the next spurt', () => {
    const { writer, clock, played, speak } = setUp();
    const input = writer.bind(1);
    speak(input, 1, 1);
    clock.advance(500);
    speak(input, 2, 1);
    expect(played.map((position) => position.frames)).toEqual([1, 1, 2]);
  });

  test('the stop before the next start, even when the timer comes late', () => {
    let nowMs = 0;
    const busy = { now: () => nowMs, date: () => new Date(0), setTimeout: () => ({ cancel() {} }) };
    const { writer, played } = setUp({ clock: busy });
    const input = writer.bind(1);
    input.push(mouthPacket(1));
    nowMs = 20;
    input.push(mouthPacket(2));
    nowMs = 300;
    input.push(mouthPacket(3));
    expect(played.map((position) => position.frames)).toEqual([1, 2, 3]);
  });

  test('at once when it is flushed, and not twice', () => {
    const { writer, clock, played, speak } = setUp();
    speak(writer.bind(1), 1, 3);
    writer.flush(100 * 960);
    expect(played.at(-1)).toEqual({ epoch: 1, timestamp: 4 * 960, frames: 3 });
    const count = played.length;
    clock.advance(200);
    writer.flush(101 * 960);
    expect(played).toHaveLength(count);
  });

  test('counts only what was written', () => {
    const { writer, clock, played } = setUp();
    const input = writer.bind(1);
    for (const seq of [1, 1, 2, 2]) input.push(mouthPacket(seq));
    clock.advance(100);
    expect(played.at(-1)).toEqual({ epoch: 1, timestamp: 3 * 960, frames: 2 });
    expect(writer.played).toEqual(played.at(-1));
  });

  test('an epoch begins at nothing played, and the former one reports no more', () => {
    const { writer, clock, played, speak } = setUp();
    speak(writer.bind(1), 1, 2);
    const count = played.length;
    writer.bind(2);
    clock.advance(200);
    expect(played).toHaveLength(count);
    expect(writer.played).toBeNull();
  });

  test('closed, it writes and reports nothing and leaves no timer', () => {
    const { writer, clock, played, out, speak } = setUp();
    const input = writer.bind(1);
    speak(input, 1, 1);
    input.push(mouthPacket(3));
    writer.close();
    writer.close();
    input.push(mouthPacket(4));
    clock.advance(200);
    expect(out).toHaveLength(1);
    expect(played).toHaveLength(1);
    expect(clock.pendingCount).toBe(0);
  });
});
