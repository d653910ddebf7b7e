import { describe, expect, it } from 'vitest';
import { buildRtp } from '../../src/backbone/index.ts';
import { createOpusDecoder, createOpusEncoder } from '../../src/core/opus-codec.ts';
import { CONCEALED, EarRig, ReadableDecoder } from './support/ear-rig.ts';
import { concat, snr } from './support/tone.ts';
import { voice } from './support/voice.ts';

describe('CallEar', () => {
  it('hands out each packet as a frame at once, with position, time and origin', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 10);
    rig.clock.advance(20);
    rig.packet(2, 960, 11);
    expect(rig.frames.map(({ position, receivedAtMs, origin }) => ({ position, receivedAtMs, origin }))).toEqual([
      { position: 0, receivedAtMs: 0, origin: 'received' },
      { position: 320, receivedAtMs: 20, origin: 'received' },
    ]);
    expect(rig.frames.every((frame) => frame.pcm.length === 320)).toBe(true);
    expect(rig.story).toBe('10 11');
  });

  it('cuts packets of other lengths into frames of 20 ms', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 10, { ms: 10 });
    expect(rig.frames.length).toBe(0);
    rig.packet(2, 480, 11, { ms: 10 });
    rig.packet(3, 960, 12, { ms: 60 });
    rig.packet(4, 960 + 2_880, 13, { ms: 40 });
    expect(rig.frames.map((frame) => [frame.position, frame.pcm[0], frame.pcm[319]])).toEqual([
      [0, 10, 11],
      [320, 12, 12],
      [640, 12, 12],
      [960, 12, 12],
      [1_280, 13, 13],
      [1_600, 13, 13],
    ]);
  });

  it('knows which packet lies before a position, by the number that the POP gave it', () => {
    const rig = new EarRig();
    rig.packet(70_000, 0, 10);
    rig.packet(70_001, 960, 11);
    expect([319, 320, 639, 640].map((position) => rig.ear.packetBefore(position))).toEqual([
      null,
      70_000,
      70_000,
      70_001,
    ]);
  });

  it('puts packets in order and drops doubles', () => {
    const rig = new EarRig();
    for (const number of [1, 3, 3, 2, 1, 4]) rig.packet(number, number * 960, number);
    expect(rig.story).toBe('1 2 3 4');
    expect(rig.totals).toMatchObject({ earPackets: 6, earReordered: 1, earDuplicate: 2, earLost: 0 });
  });

  it('takes a lost frame from the FEC of the next packet', () => {
    const rig = new EarRig();
    rig.packet(1, 960, 1);
    rig.clock.advance(40);
    rig.packet(3, 3 * 960, 3, { fec: true });
    expect(rig.story).toBe('1');
    rig.clock.advance(40);
    expect(rig.story).toBe('1 fec2 3');
    expect(rig.frames[1]?.pcm.every((sample) => sample === 2)).toBe(true);
    expect(rig.totals).toMatchObject({ earLost: 1, earFecFrames: 1, earConcealedFrames: 0 });
  });

  it('conceals what FEC does not bring back', () => {
    const rig = new EarRig();
    rig.packet(1, 960, 1);
    rig.clock.advance(60);
    rig.packet(4, 4 * 960, 4, { fec: true });
    rig.clock.advance(40);
    expect(rig.story).toBe('1 concealed fec3 4');
    expect(rig.frames[1]?.pcm[0]).toBe(CONCEALED);
  });

  it('conceals 60 ms in a row at the most and is silent beyond', () => {
    const rig = new EarRig({ reorderWaitMs: 0 });
    rig.packet(1, 960, 1);
    rig.clock.advance(95);
    rig.clock.advance(105);
    // 100 ms of real time were filled with silence from 100 ms on; the packet brings the rest.
    rig.packet(11, 11 * 960, 11);
    expect(rig.frames.length).toBe(11);
    expect(rig.frames.filter((frame) => frame.origin === 'concealed').length).toBeLessThanOrEqual(3);
    expect(rig.frames.at(-1)?.position).toBe(10 * 320);
  });

  it('fills a hole in a stream that goes on with concealment and silence of just its length', () => {
    const rig = new EarRig({ reorderWaitMs: 40 });
    rig.packet(1, 960, 1);
    rig.clock.advance(95);
    rig.packet(8, 8 * 960, 8);
    rig.clock.advance(45);
    expect(rig.story).toBe('1 concealed*3 silence*3 8');
    expect(rig.frames.at(-1)?.position).toBe(7 * 320);
  });

  it('tells DTX from loss: a timestamp gap without a sequence gap is silence', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 1);
    rig.clock.advance(80);
    rig.packet(2, 4 * 960, 2, { fec: true });
    expect(rig.story).toBe('1 silence*3 2');
    expect(rig.totals).toMatchObject({ earLost: 0, earConcealedFrames: 0 });
  });

  it('makes silence in real time after 100 ms without a packet and takes it off the next gap', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 1);
    rig.clock.advance(99);
    expect(rig.story).toBe('1');
    rig.clock.advance(301);
    const made = rig.frames.length - 1;
    expect(made).toBeGreaterThanOrEqual(14);
    expect(made).toBeLessThanOrEqual(16);
    rig.packet(2, 20 * 960, 2);
    expect(rig.story).toBe('1 silence*19 2');
    expect(rig.frames.at(-1)?.position).toBe(20 * 320);
  });

  it('makes silence from the next frame on when the caller says that nothing follows', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 1);
    rig.clock.advance(20);
    // One byte: the head of a frame without content.
    rig.payload(2, 960, Uint8Array.of(0x48));
    rig.clock.advance(30);
    expect(rig.frames.map(({ origin }) => origin)).toEqual(['received', 'received', 'silence']);
    rig.clock.advance(350);
    expect(rig.clock.now() - rig.ear.position / 16).toBeLessThan(25);
    rig.packet(3, 20 * 960, 3);
    expect(rig.frames.at(-1)!.origin).toBe('received');
    // Silence that was made a little too soon puts the stream ahead by no more than a frame.
    expect(rig.frames.at(-1)!.position - 20 * 320).toBeGreaterThanOrEqual(0);
    expect(rig.frames.at(-1)!.position - 20 * 320).toBeLessThanOrEqual(320);
    expect(rig.totals).toMatchObject({ earLost: 0, earMalformed: 0 });
  });

  it('makes time go on when no packet ever comes', () => {
    const rig = new EarRig();
    rig.clock.advance(1_000);
    expect(rig.frames.length).toBeGreaterThanOrEqual(44);
    expect(rig.frames.length).toBeLessThanOrEqual(46);
    expect(rig.frames.every((frame) => frame.origin === 'silence')).toBe(true);
  });

  it('drops no word of packets that were only held up, and gives the time back in the next pauses', () => {
    const rig = new EarRig();
    const speak = (from: number, count: number) => {
      for (let index = from; index < from + count; index++) rig.packet(index, index * 960, index % 200);
    };
    rig.packet(0, 0, 0);
    rig.clock.advance(300);
    const made = rig.frames.filter((frame) => frame.origin === 'silence').length;
    expect(made).toBeGreaterThan(8);
    speak(1, 15);
    expect(rig.frames.filter((frame) => frame.origin === 'received').map((frame) => frame.pcm[0])).toEqual(
      Array.from({ length: 16 }, (_, index) => index),
    );
    const leadMs = () => rig.ear.position / 16 - rig.clock.now();
    expect(leadMs()).toBeGreaterThan(150);
    // Pauses of 400 ms by DTX, each with a packet behind it.
    let timestamp = 15 * 960;
    for (let pause = 0; pause < 4; pause++) {
      rig.clock.advance(400);
      timestamp += 20 * 960;
      rig.packet(16 + pause, timestamp, 100 + pause);
    }
    expect(Math.abs(leadMs())).toBeLessThan(30);
    expect(rig.frames.filter((frame) => frame.origin === 'received').length).toBe(20);
  });

  it('does not run away from real time when packets keep coming in late bursts', () => {
    const rig = new EarRig();
    let number = 0;
    for (let burst = 0; burst < 200; burst++) {
      rig.clock.advance(200);
      for (let index = 0; index < 10; index++, number++) rig.packet(number, number * 960, number % 200);
    }
    expect(rig.frames.filter((frame) => frame.origin === 'received').length).toBe(2_000);
    expect(rig.ear.position / 16 - rig.clock.now()).toBeLessThan(430);
  });

  it('goes on from a muted track whose timestamps stood still', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 1);
    rig.clock.advance(10_000);
    rig.packet(2, 960, 2);
    const before = rig.frames.length;
    rig.clock.advance(60);
    rig.packet(3, 4 * 960, 3);
    // The pause after it is as long as it was, or one frame longer: the stream clock was 100 ms behind.
    const after = rig.frames.slice(before).map((frame) => frame.origin);
    expect(after.at(-1)).toBe('received');
    expect([2, 3]).toContain(after.length - 1);
  });

  it('does not take packets of 60 ms for a stream that stops', () => {
    const rig = new EarRig();
    for (let number = 0; number < 50; number++) {
      rig.packet(number, number * 2_880, 5, { ms: 60 });
      rig.clock.advance(60);
    }
    expect(rig.story).toBe('5*150');
  });

  it('makes no more of hostile timestamps than real time allows', () => {
    const rig = new EarRig();
    for (let number = 0; number < 500; number++) {
      rig.packet(number, number * 40_000_000, 3);
      rig.clock.advance(20);
    }
    expect(rig.frames.length).toBeLessThan(510);
    for (let number = 500; number < 1_000; number++) {
      rig.packet(number, number * 48_000 * 60, 3);
      rig.clock.advance(20);
    }
    expect(rig.frames.length).toBeLessThan(1_020);
    expect(rig.totals.earTimestampJumps).toBeGreaterThan(0);
  });

  it('fills two seconds of one gap at the most', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 1);
    // A process that stood still: time went by and no tick ran.
    rig.nodeClock.close();
    rig.clock.advance(30_000);
    rig.packet(2, 30 * 48_000, 2);
    expect(rig.frames.length).toBeLessThanOrEqual(103);
  });

  it('goes on when timestamps jump back', () => {
    const rig = new EarRig();
    rig.packet(1, 960_000, 1);
    rig.clock.advance(20);
    rig.packet(2, 0, 2);
    rig.clock.advance(20);
    rig.packet(3, 960, 3);
    expect(rig.story).toBe('1 2 3');
    expect(rig.totals.earTimestampJumps).toBe(1);
  });

  it('counts on over the end of numbers and timestamps', () => {
    const rig = new EarRig();
    const first = 2 ** 32 - 960;
    rig.packet(65_535, first, 1);
    rig.packet(0, (first + 960) % 2 ** 32, 2);
    rig.packet(1, (first + 1_920) % 2 ** 32, 3);
    expect(rig.story).toBe('1 2 3');
  });

  it('conceals a packet that cannot be decoded', () => {
    const rig = new EarRig();
    rig.packet(1, 960, 1);
    rig.clock.advance(20);
    rig.packet(2, 2 * 960, 255);
    rig.clock.advance(20);
    rig.packet(3, 3 * 960, 3);
    expect(rig.story).toBe('1 concealed 3');
    expect(rig.totals.earMalformed).toBe(1);
  });

  it('counts and ignores what is no RTP and what is no Opus', () => {
    const rig = new EarRig();
    rig.ear.receive(Buffer.from('garbage'));
    rig.payload(1, 0, Uint8Array.of(0x03, 0x00));
    rig.payload(2, 960, new Uint8Array(0));
    expect(rig.totals.earMalformed).toBe(3);
    expect(rig.frames.length).toBe(0);
  });

  it('takes another SSRC for another stream', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 1);
    rig.clock.advance(20);
    rig.packet(40_000, 123_456, 2, { ssrc: 8 });
    rig.clock.advance(20);
    rig.packet(40_001, 124_416, 3, { ssrc: 8 });
    expect(rig.story).toBe('1 2 3');
    expect(rig.totals.earRestarts).toBe(1);
  });

  it('gives each listener a buffer of its own and lets one leave while frames come', () => {
    const rig = new EarRig({ keepFrames: false });
    const first: Int16Array[] = [];
    const second: Int16Array[] = [];
    const end = rig.ear.onFrame((frame) => {
      first.push(frame.pcm);
      end();
    });
    rig.ear.onFrame((frame) => second.push(frame.pcm));
    rig.packet(1, 0, 1);
    rig.packet(2, 960, 2);
    expect(first.length).toBe(1);
    expect(second.map((pcm) => pcm[0])).toEqual([1, 2]);
    (first[0] as Int16Array).fill(9);
    expect(second[0]?.[0]).toBe(1);
  });

  it('reports a listener that throws and serves the others', () => {
    const rig = new EarRig({ keepFrames: false });
    const error = new Error('broken');
    let heard = 0;
    rig.ear.onFrame(() => {
      throw error;
    });
    rig.ear.onFrame(() => {
      heard += 1;
    });
    rig.packet(1, 0, 1);
    expect(rig.faults).toEqual([error]);
    expect(heard).toBe(1);
  });

  it('makes nothing of what does not come while it rests, and goes on as if no time had passed', () => {
    const rig = new EarRig();
    rig.packet(1, 0, 1);
    rig.packet(2, 960, 2);
    rig.ear.rest();
    rig.clock.advance(20_000);
    expect(rig.story).toBe('1 2');
    // What does come is heard.
    rig.packet(3, 1_920, 3);
    rig.ear.renumbered();
    rig.ear.wake();
    rig.ear.wake();
    rig.packet(1, 77_000, 4, { ssrc: 9 });
    rig.packet(2, 77_960, 5, { ssrc: 9 });
    rig.clock.advance(200);
    expect(rig.story).toBe('1 2 3 4 5 silence*6');
    // Of the former POP's numbers nothing is left.
    expect(rig.ear.packetBefore(320 * 3)).toBeNull();
  });

  it('leaves nothing behind when it closes, twice if need be', () => {
    const decoder = new ReadableDecoder();
    const rig = new EarRig({ decoder });
    rig.packet(1, 0, 1);
    rig.packet(3, 1_920, 3);
    rig.ear.close();
    rig.ear.close();
    rig.packet(4, 2_880, 4);
    rig.clock.advance(1_000);
    expect(rig.story).toBe('1');
    expect(decoder.closed).toBe(1);
    expect(rig.clock.pendingCount).toBe(0);
  });
});

describe('CallEar over an hour', () => {
  /** Caller whose clock is off by `ppm`, speaking in spurts of 2 s with pauses of `pauseMs`. */
  function hour(ppm: number, pauseMs: number, continuous: boolean) {
    const rig = new EarRig({ keepFrames: false });
    let received = 0;
    let total = 0;
    let worst = 0;
    rig.ear.onFrame((frame) => {
      total += 1;
      // Every packet is samples of 1, every silence of 0.
      for (const sample of frame.pcm) received += sample / 320;
    });
    // 20 ms of the caller's clock are this much of ours: a fast clock sends sooner.
    const frameMs = 20 / (1 + ppm / 1_000_000);
    let sent = 0;
    let callerFrames = 0;
    while (callerFrames * frameMs < 3_600_000) {
      rig.clock.advance(callerFrames * frameMs - rig.clock.now());
      rig.packet(sent & 0xffff, (callerFrames * 960) % 2 ** 32, 1);
      sent += 1;
      callerFrames += !continuous && sent % 100 === 0 ? pauseMs / 20 : 1;
      worst = Math.max(worst, Math.abs(rig.ear.position / 16 - rig.clock.now()));
    }
    return { rig, received, total, sent, worst, callerFrames };
  }

  it.each([200, -200])(
    'with a caller %i ppm off who never pauses drops no packet, makes nothing up, holds nothing back',
    (ppm) => {
      const { received, total, sent, worst, callerFrames } = hour(ppm, 0, true);
      expect(Math.round(received * 320)).toBe(sent * 320);
      expect(total).toBe(callerFrames);
      // All that is left is what the two clocks differ by: 200 ppm of an hour, and the first frame.
      expect(worst).toBeLessThan(720 + 25);
    },
    30_000,
  );

  it.each([200, -200])(
    'with a caller %i ppm off who pauses drops no packet and stays with real time',
    (ppm) => {
      const { received, sent, worst } = hour(ppm, 1_000, false);
      expect(Math.round(received * 320)).toBe(sent * 320);
      expect(worst).toBeLessThan(150);
    },
    30_000,
  );
});

describe('CallEar with Opus', () => {
  it('hears speech through loss, doubles and disorder, nearly as it was', async () => {
    const encoder = await createOpusEncoder({ sampleRate: 16_000, expectedLossPercent: 20 });
    const reference = await createOpusDecoder();
    const rig = new EarRig({ decoder: await createOpusDecoder() });
    let seed = 3;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    };
    const count = 500;
    const wanted: Int16Array[] = [];
    for (let number = 0; number < count; number++) {
      const payload = encoder.encode(voice(16_000, 320, number * 320));
      wanted.push(reference.decode(payload) as Int16Array);
      const packet = buildRtp({
        payloadType: 100,
        marker: false,
        sequenceNumber: 65_300 + number,
        timestamp: (2 ** 32 - 9_600 + number * 960) % 2 ** 32,
        ssrc: 7,
        payload,
      });
      const certain = number === 0 || number === count - 1;
      if (certain || random() > 0.05) rig.clock.setTimeout(() => rig.ear.receive(packet), certain ? 0 : random() * 30);
      if (random() > 0.95) rig.clock.setTimeout(() => rig.ear.receive(packet), 10 + random() * 30);
      rig.clock.advance(20);
    }
    rig.clock.advance(60);
    expect(rig.frames.length).toBe(count);
    expect(rig.totals.earLost).toBeGreaterThan(10);
    expect(rig.totals.earReordered).toBeGreaterThan(10);
    expect(rig.totals.earDuplicate + rig.totals.earLate).toBeGreaterThan(10);
    expect(rig.totals.earFecFrames).toBeGreaterThan(5);
    expect(rig.totals.earFecFrames + rig.totals.earConcealedFrames).toBe(rig.totals.earLost);
    expect(snr(concat(wanted), concat(rig.frames.map((frame) => frame.pcm)))).toBeGreaterThan(10);
    encoder.close();
    reference.close();
    rig.ear.close();
  });
});
