import { describe, expect, test } from 'vitest';
import { AUDIO_LEVEL_EXTENSION_ID, parseRtp, type RtpView } from '../../src/backbone/index.ts';
import { UplinkTap, type UplinkTapOptions } from '../../src/edge/uplink-tap.ts';
import { FakeClock } from '../support/fake-clock.ts';

const SSRC = 0xa11ce;

interface CallerPacket {
  seq: number;
  ts: number;
  ssrc?: number;
  marker?: boolean;
  payload?: Buffer;
  level?: number;
}

/** A packet as a browser's would reach the tap: with the audio level extension and none of ours. */
function callerPacket({
  seq,
  ts,
  ssrc = 1_111,
  marker = false,
  payload = Buffer.from([1, 2, 3]),
  level,
}: CallerPacket) {
  const header = Buffer.alloc(level === undefined ? 12 : 20);
  header[0] = level === undefined ? 0x80 : 0x90;
  header[1] = (marker ? 0x80 : 0) | 100;
  header.writeUInt16BE(seq & 0xffff, 2);
  header.writeUInt32BE(ts >>> 0, 4);
  header.writeUInt32BE(ssrc, 8);
  if (level !== undefined) {
    header.writeUInt16BE(0xbede, 12);
    header.writeUInt16BE(1, 14);
    header[16] = AUDIO_LEVEL_EXTENSION_ID << 4;
    header[17] = level;
  }
  return Buffer.concat([header, payload]);
}

function setUp(options: Partial<UplinkTapOptions> = {}) {
  const clock = new FakeClock();
  const tap = new UplinkTap({ ssrc: SSRC, ringSeconds: 30, clock, ...options });
  const sent: RtpView[] = [];
  const send = (packet: Buffer) => {
    sent.push(parseRtp(Buffer.from(packet)) as RtpView);
  };
  /** One packet each 20 ms. */
  const speak = (from: number, count: number, ssrc?: number, tsOffset = 0) => {
    for (let seq = from; seq < from + count; seq++) {
      tap.push(callerPacket({ seq, ts: (seq * 960 + tsOffset) >>> 0, ssrc }));
      clock.advance(20);
    }
  };
  const numbers = () => sent.map((view) => view.packetNumber);
  return { clock, tap, sent, send, speak, numbers };
}

describe('UplinkTap', () => {
  test('numbers packets from one, with its own SSRC and the payload as it came', () => {
    const { tap, send, sent, numbers } = setUp();
    tap.attach(send);
    tap.push(callerPacket({ seq: 500, ts: 9_600, marker: true, payload: Buffer.from('hello') }));
    tap.push(callerPacket({ seq: 501, ts: 10_560 }));
    expect(numbers()).toEqual([1, 2]);
    expect(sent.map((view) => view.ssrc)).toEqual([SSRC, SSRC]);
    expect(sent.map((view) => view.payloadType)).toEqual([100, 100]);
    expect(sent.map((view) => view.marker)).toEqual([true, false]);
    expect(sent[0]?.payload.toString()).toBe('hello');
    expect((sent[1] as RtpView).timestamp - (sent[0] as RtpView).timestamp).toBe(960);
  });

  test('leaves a hole for a packet that was lost, and none for DTX', () => {
    const { tap, send, sent, numbers } = setUp();
    tap.attach(send);
    tap.push(callerPacket({ seq: 10, ts: 0 }));
    tap.push(callerPacket({ seq: 12, ts: 1_920 }));
    tap.push(callerPacket({ seq: 13, ts: 1_920 + 19_200 }));
    expect(numbers()).toEqual([1, 3, 4]);
    expect(sent.map((view) => view.timestamp)).toEqual([0, 1_920, 21_120]);
    expect(tap.stats()).toMatchObject({ missing: 1, forwarded: 3 });
  });

  test('gives a reordered packet the number of its hole and drops a duplicate', () => {
    const { tap, send, sent, numbers } = setUp();
    tap.attach(send);
    for (const seq of [1, 3, 2, 2, 4, 3]) tap.push(callerPacket({ seq, ts: seq * 960 }));
    expect(numbers()).toEqual([1, 3, 2, 4]);
    expect(sent.map((view) => view.timestamp)).toEqual([0, 1_920, 960, 2_880]);
    expect(tap.stats()).toMatchObject({ duplicate: 2, missing: 0, forwarded: 4 });
  });

  test('counts on over the wrap of the caller’s sequence numbers and timestamps', () => {
    const { tap, send, sent, numbers } = setUp({ firstTimestamp: 0xffff_ffff - 959 });
    tap.attach(send);
    for (let n = 0; n < 4; n++) tap.push(callerPacket({ seq: 65_534 + n, ts: 0xffff_ffff - 1_000 + n * 960 }));
    expect(numbers()).toEqual([1, 2, 3, 4]);
    expect(sent.map((view) => view.timestamp)).toEqual([0xffff_fc40, 0, 960, 1_920]);
  });

  test('carries numbers beyond 16 bits', () => {
    const { tap, send, sent, numbers } = setUp({ firstPacketNumber: 65_535 });
    tap.attach(send);
    for (const seq of [1, 2, 3]) tap.push(callerPacket({ seq, ts: seq * 960 }));
    expect(numbers()).toEqual([65_535, 65_536, 65_537]);
    expect(sent[2]?.sequenceNumber).toBe(1);
  });

  test('goes on after a change of SSRC: numbers by one, timestamps by the time that passed', () => {
    const { tap, send, sent, numbers, speak, clock } = setUp();
    tap.attach(send);
    speak(100, 3);
    clock.advance(980);
    speak(40_000, 2, 2_222, 123_456);
    expect(numbers()).toEqual([1, 2, 3, 4, 5]);
    const [, , third, fourth, fifth] = sent.map((view) => view.timestamp) as number[];
    expect((fourth as number) - (third as number)).toBe(48_000);
    expect((fifth as number) - (fourth as number)).toBe(960);
    expect(tap.stats().segments).toBe(2);
  });

  test('takes a jump that no network makes for a restart, not for thousands of lost packets', () => {
    const { tap, send, numbers, speak } = setUp();
    tap.attach(send);
    speak(100, 2);
    speak(5_000, 2);
    speak(50, 2);
    expect(numbers()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(tap.stats()).toMatchObject({ missing: 0, segments: 3 });
  });

  test('a packet of the line before a restart has no place any more', () => {
    const { tap, send, numbers, speak } = setUp();
    tap.attach(send);
    speak(100, 3);
    speak(9_000, 2);
    tap.push(callerPacket({ seq: 8_998, ts: 8_998 * 960 }));
    expect(numbers()).toEqual([1, 2, 3, 4, 5]);
    expect(tap.stats().late).toBe(1);
  });

  test('timestamps never go back, whatever a caller sends', () => {
    const { tap, send, sent, clock } = setUp();
    tap.attach(send);
    [5_000, 5_960, 100, 0xf000_0000, 7, 967].forEach((ts, index) => {
      tap.push(callerPacket({ seq: index, ts }));
      clock.advance(20);
    });
    const timestamps = sent.map((view) => view.timestamp);
    expect(timestamps).toEqual([0, 960, 1_920, 2_880, 3_840, 4_800]);
  });

  test('what is said before a core is attached waits and goes first, in order', () => {
    const { tap, send, numbers, clock } = setUp();
    for (const seq of [1, 3, 2, 5]) tap.push(callerPacket({ seq, ts: seq * 960 }));
    expect(numbers()).toEqual([]);
    tap.attach(send);
    expect(numbers()).toEqual([1, 2, 3, 5]);
    tap.push(callerPacket({ seq: 6, ts: 6 * 960 }));
    tap.push(callerPacket({ seq: 4, ts: 4 * 960 }));
    clock.advance(100);
    expect(numbers()).toEqual([1, 2, 3, 5, 6, 4]);
  });

  test('sends again what another core is to hear, ten times as fast as it was said, and newer packets behind it', () => {
    const { clock, tap, send, speak, numbers, sent } = setUp();
    tap.attach(send);
    speak(1, 40);
    tap.detach();
    speak(41, 10);
    sent.length = 0;
    tap.rewind(21);
    tap.attach(send);
    expect(numbers()).toEqual([21, 22, 23, 24, 25]);
    speak(51, 1);
    clock.advance(40);
    expect(numbers()).toEqual(Array.from({ length: 31 }, (_, index) => 21 + index));
    tap.detach();
    tap.rewind(1_000);
    sent.length = 0;
    speak(52, 1);
    tap.attach(send);
    expect(numbers()).toEqual([52]);
  });

  test('sends a long backlog in portions and keeps newer packets behind it', () => {
    const { tap, send, numbers, speak, clock } = setUp();
    speak(1, 200);
    tap.attach(send);
    const atOnce = numbers().length;
    expect(atOnce).toBeLessThan(50);
    tap.push(callerPacket({ seq: 201, ts: 201 * 960 }));
    expect(numbers().length).toBe(atOnce);
    clock.advance(40);
    expect(numbers()).toEqual(Array.from({ length: 201 }, (_, index) => index + 1));
    expect(clock.pendingCount).toBe(0);
  });

  test('after a change of pipe it goes on with the first packet that was not forwarded', () => {
    const { tap, send, numbers, speak } = setUp();
    tap.attach(send);
    speak(1, 3);
    tap.detach();
    speak(4, 2);
    expect(numbers()).toEqual([1, 2, 3]);
    tap.attach(send);
    expect(numbers()).toEqual([1, 2, 3, 4, 5]);
  });

  test('counts what left the ring before anyone took it', () => {
    const { tap, send, numbers, speak } = setUp({ ringSeconds: 1 });
    speak(1, 120);
    tap.attach(send);
    speak(121, 10);
    expect(numbers()[0]).toBe(71);
    expect(tap.stats().overwritten).toBe(70);
    expect(numbers()).toHaveLength(60);
  });

  test('replays from a packet number, holes left out, and no further back than the ring', () => {
    const { tap, speak } = setUp({ ringSeconds: 1 });
    speak(1, 100);
    speak(103, 20);
    const replayed = [...tap.replay(99)].map((held) => held.number);
    expect(replayed).toEqual([99, 100, ...Array.from({ length: 20 }, (_, index) => 103 + index)]);
    const all = [...tap.replay(0)];
    expect(all[0]?.number).toBe(71);
    expect(parseRtp(all[0]?.packet as Buffer)?.packetNumber).toBe(71);
    expect([...tap.replay(123)]).toEqual([]);
  });

  test('reads the loudness of each packet and keeps the last', () => {
    const levels: number[] = [];
    const { tap, clock } = setUp({ onLevel: (level) => levels.push(level.dbov) });
    expect(tap.level).toBeNull();
    tap.push(callerPacket({ seq: 1, ts: 960, level: 127 }));
    clock.advance(20);
    tap.push(callerPacket({ seq: 2, ts: 1_920, level: 0x80 | 31 }));
    tap.push(callerPacket({ seq: 3, ts: 2_880 }));
    expect(levels).toEqual([-127, -31]);
    expect(tap.level).toEqual({ dbov: -31, voice: true, atMs: 1_020, durationMs: 20 });
  });

  test('tells of packets without a loudness', () => {
    let without = 0;
    const { tap } = setUp({ onNoLevel: () => without++ });
    tap.push(callerPacket({ seq: 1, ts: 960 }));
    tap.push(callerPacket({ seq: 2, ts: 1_920, level: 0x80 | 31 }));
    tap.push(callerPacket({ seq: 3, ts: 2_880 }));
    expect(without).toBe(2);
  });

  test('knows how long the packets are, and takes no pause of the sender for a long packet', () => {
    const lengths: number[] = [];
    const { tap } = setUp({ onLevel: ({ durationMs }) => lengths.push(durationMs) });
    const steps = [0, 60, 60, 60, 400, 60, 100, 20, 20, 20];
    let ms = 0;
    for (const [index, step] of steps.entries()) {
      ms += step;
      tap.push(callerPacket({ seq: 1 + index, ts: ms * 48, level: 40 }));
    }
    expect(lengths).toEqual([20, 20, 60, 60, 60, 60, 60, 20, 20, 20]);
  });

  test('a caller who floods loses the surplus, and a caller who does not loses nothing', () => {
    const { tap, send, clock } = setUp({ maxPacketsPerSecond: 100 });
    tap.attach(send);
    for (let seq = 1; seq <= 1_000; seq++) tap.push(callerPacket({ seq, ts: seq * 960 }));
    expect(tap.stats()).toMatchObject({ forwarded: 200, flood: 800 });
    clock.advance(1_000);
    for (let seq = 1_001; seq <= 1_100; seq++) tap.push(callerPacket({ seq, ts: seq * 960 }));
    expect(tap.stats()).toMatchObject({ forwarded: 300, flood: 800 });
  });

  test('drops and counts what is no RTP or carries nothing', () => {
    const results: string[] = [];
    const { tap, send, numbers } = setUp({ onResult: (result) => results.push(result) });
    tap.attach(send);
    tap.push(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    tap.push(Buffer.alloc(0));
    tap.push(callerPacket({ seq: 1, ts: 960, payload: Buffer.alloc(0) }));
    tap.push(callerPacket({ seq: 2, ts: 1_920 }));
    expect(numbers()).toEqual([1]);
    expect(results).toEqual(['malformed', 'malformed', 'malformed', 'forwarded']);
  });

  test('closed, it takes and sends nothing and leaves no timer', () => {
    const { tap, send, speak, numbers, clock } = setUp();
    speak(1, 100);
    tap.attach(send);
    const before = numbers().length;
    tap.close();
    tap.close();
    speak(101, 5);
    tap.attach(send);
    expect(numbers().length).toBe(before);
    expect(clock.pendingCount).toBe(0);
  });
});
