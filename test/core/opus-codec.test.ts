import { createEncoder } from 'libopus-wasm';
import { describe, expect, it } from 'vitest';
import {
  createOpusDecoder,
  createOpusEncoder,
  OPUS_SAMPLE_RATES,
  opusSampleRateFor,
} from '../../src/core/opus-codec.ts';
import { opusPacketHasFec, opusPacketSamples } from '../../src/core/opus-packet.ts';
import { concat, purity, rms, sine, snr } from './support/tone.ts';
import { voice } from './support/voice.ts';

describe('Opus codec', () => {
  it.each(OPUS_SAMPLE_RATES)('carries a tone from %i Hz to 16 kHz', async (sampleRate) => {
    const encoder = await createOpusEncoder({ sampleRate });
    const decoder = await createOpusDecoder();
    const heard: Int16Array[] = [];
    for (let frame = 0; frame < 50; frame++) {
      const packet = encoder.encode(sine(440, sampleRate, encoder.frameSamples, frame * encoder.frameSamples));
      expect(opusPacketSamples(packet)).toBe(960);
      heard.push(decoder.decode(packet) as Int16Array);
    }
    const pcm = concat(heard.slice(10));
    expect(pcm.length).toBe(40 * 320);
    expect(purity(pcm, 440, 16_000)).toBeGreaterThan(0.97);
    encoder.close();
    decoder.close();
  });

  it.each([10, 20, 40, 60])('decodes stereo packets of %i ms to mono', async (durationMs) => {
    const encoder = await createEncoder({ channels: 2, sampleRate: 48_000, frameSize: 48 * durationMs });
    const decoder = await createOpusDecoder();
    const heard: Int16Array[] = [];
    for (let frame = 0; frame < 30; frame++) {
      const mono = sine(300, 48_000, 48 * durationMs, frame * 48 * durationMs);
      const stereo = new Int16Array(mono.length * 2);
      mono.forEach((sample, index) => {
        stereo[2 * index] = sample;
        stereo[2 * index + 1] = sample;
      });
      const packet = encoder.encode(stereo);
      expect(opusPacketSamples(packet)).toBe(48 * durationMs);
      const pcm = decoder.decode(packet) as Int16Array;
      expect(pcm.length).toBe(16 * durationMs);
      heard.push(pcm);
    }
    expect(purity(concat(heard.slice(10)), 300, 16_000)).toBeGreaterThan(0.97);
    encoder.free();
    decoder.close();
  });

  it('answers null for damage, counts it, and goes on', async () => {
    const encoder = await createOpusEncoder({ sampleRate: 16_000 });
    const decoder = await createOpusDecoder();
    expect(decoder.decode(new Uint8Array(0))).toBeNull();
    // Code 3 with no frames, and code 1 with an odd number of bytes: RFC 6716, section 3.4 forbids both.
    expect(decoder.decode(Uint8Array.of(0x03, 0x00))).toBeNull();
    expect(decoder.decode(Uint8Array.of(0x01, 1, 2, 3))).toBeNull();
    expect(decoder.damagedPackets).toBe(3);
    expect(decoder.decode(encoder.encode(sine(200, 16_000, 320)))?.length).toBe(320);
    encoder.close();
    decoder.close();
  });

  it('survives ten thousand random packets', async () => {
    const decoder = await createOpusDecoder();
    let seed = 1;
    let decoded = 0;
    for (let round = 0; round < 10_000; round++) {
      const packet = new Uint8Array(1 + (round % 60));
      for (let index = 0; index < packet.length; index++) {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        packet[index] = seed >> 16;
      }
      opusPacketHasFec(packet);
      const pcm = decoder.decode(packet);
      // Whatever libopus makes of it, the head was read as libopus reads it.
      if (pcm) expect(pcm.length * 3).toBe(opusPacketSamples(packet));
      if (pcm) decoded += 1;
    }
    expect(decoded + decoder.damagedPackets).toBe(10_000);
    decoder.close();
  });

  it('recovers a lost frame from the next packet far better than by concealment', async () => {
    const encoder = await createOpusEncoder({ sampleRate: 16_000, expectedLossPercent: 20 });
    const packets: Uint8Array[] = [];
    for (let frame = 0; frame < 200; frame++) packets.push(encoder.encode(voice(16_000, 320, frame * 320)));
    const [whole, fec, concealed] = await Promise.all([createOpusDecoder(), createOpusDecoder(), createOpusDecoder()]);
    const wanted: Int16Array[] = [];
    const byFec: Int16Array[] = [];
    const byConcealment: Int16Array[] = [];
    for (let frame = 0; frame < packets.length - 1; frame++) {
      const packet = packets[frame] as Uint8Array;
      const next = packets[frame + 1] as Uint8Array;
      const original = whole.decode(packet) as Int16Array;
      if (frame > 20 && frame % 5 === 0 && opusPacketHasFec(next)) {
        wanted.push(original);
        byFec.push(fec.decodeFec(next, 320) as Int16Array);
        byConcealment.push(concealed.conceal(320));
      } else {
        fec.decode(packet);
        concealed.decode(packet);
      }
    }
    expect(wanted.length).toBeGreaterThan(20);
    const gain = snr(concat(wanted), concat(byFec)) - snr(concat(wanted), concat(byConcealment));
    expect(gain).toBeGreaterThan(3);
    for (const codec of [encoder, whole, fec, concealed]) codec.close();
  });

  it('encodes with CELT, whose packets are cheap, where no loss is expected, and with SILK where FEC is wanted', async () => {
    /** Configuration number of a packet: SILK below 12, hybrid below 16, CELT from there (RFC 6716, section 3.1). */
    const configurations = async (expectedLossPercent?: number) => {
      const encoder = await createOpusEncoder({
        sampleRate: 16_000,
        ...(expectedLossPercent === undefined ? {} : { expectedLossPercent }),
      });
      const packets = Array.from({ length: 20 }, (_, frame) => encoder.encode(voice(16_000, 320, frame * 320)));
      encoder.close();
      return new Set(packets.map((packet) => (packet[0] as number) >> 3));
    };
    // Wideband of 20 ms, both.
    expect([...(await configurations())]).toEqual([23]);
    expect([...(await configurations(10))]).toEqual([9]);
  });

  it('knows which packets carry a copy of the frame before', async () => {
    const withFec = await createOpusEncoder({ sampleRate: 16_000, expectedLossPercent: 20 });
    const withoutFec = await createOpusEncoder({ sampleRate: 16_000, expectedLossPercent: 0 });
    let copies = 0;
    for (let frame = 0; frame < 100; frame++) {
      const pcm = voice(16_000, 320, frame * 320);
      if (opusPacketHasFec(withFec.encode(pcm))) copies += 1;
      expect(opusPacketHasFec(withoutFec.encode(pcm))).toBe(false);
    }
    expect(copies).toBeGreaterThan(50);
    withFec.close();
    withoutFec.close();
  });

  it('fades concealment out', async () => {
    const encoder = await createOpusEncoder({ sampleRate: 16_000 });
    const decoder = await createOpusDecoder();
    for (let frame = 0; frame < 20; frame++) decoder.decode(encoder.encode(voice(16_000, 320, frame * 320)));
    const first = rms(decoder.conceal(320));
    for (let frame = 0; frame < 20; frame++) decoder.conceal(320);
    expect(rms(decoder.conceal(320))).toBeLessThan(first / 4);
    encoder.close();
    decoder.close();
  });

  it('gives its memory back: a thousand codecs one after the other are made without growing', async () => {
    for (let round = 0; round < 1_000; round++) {
      const encoder = await createOpusEncoder({ sampleRate: 48_000 });
      const decoder = await createOpusDecoder();
      decoder.decode(encoder.encode(new Int16Array(960)));
      encoder.close();
      encoder.close();
      decoder.close();
      decoder.close();
    }
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 1_000; round++) {
      const decoder = await createOpusDecoder();
      decoder.conceal(320);
      decoder.close();
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000);
  });

  it('picks the lowest rate that loses nothing', () => {
    expect([8_000, 11_025, 22_050, 32_000, 44_100].map(opusSampleRateFor)).toEqual([
      8_000, 12_000, 24_000, 48_000, 48_000,
    ]);
  });
});
